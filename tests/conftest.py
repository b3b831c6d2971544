"""Rules for every test: no network, few threads, nothing from or into the caches of the person who runs them.

Must not import stylewav_pl before jaxtyping's import hook, which checks shapes under test, is installed.
"""

import gc
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Nothing that an import makes becomes garbage, and Python would look through all of it again and again: that
# took a fifth of the time until the first test.
gc.disable()

# Read when the libraries are imported, and inherited by the processes that tests start; so set before
# anything else.
_CACHE = Path(tempfile.gettempdir()) / f"stylewav-pl-tests-{os.getuid()}"
os.environ.update(
    STYLEWAV_CACHE=str(_CACHE / "stylewav-pl"),
    STYLEWAV_ACCEPT_LICENCE="",
    STYLEWAV_OFFLINE="",
    HF_HUB_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    HF_HOME=str(_CACHE / "huggingface"),
    TORCH_HOME=str(_CACHE / "torch"),
    WANDB_MODE="offline",
    WANDB_SILENT="true",
    MPLBACKEND="Agg",
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    # What librosa compiles when it is imported runs for a moment: to optimise it takes as long again.
    NUMBA_OPT="0",
    NUMBA_CACHE_DIR=str(_CACHE / "numba"),
    # Nothing listens there: a process that a test starts cannot reach the network through the usual clients
    # either.
    HTTP_PROXY="http://127.0.0.1:9",
    HTTPS_PROXY="http://127.0.0.1:9",
    http_proxy="http://127.0.0.1:9",
    https_proxy="http://127.0.0.1:9",
    NO_PROXY="localhost,127.0.0.1,::1",
    no_proxy="localhost,127.0.0.1,::1",
)

import pytest  # noqa: E402
import torch  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

# Tensors in tests are small: more threads cost more than they bring, and one thread gives the same bytes
# everywhere.
torch.set_num_threads(1)

REPOSITORY = Path(__file__).resolve().parent.parent
# Shapes in signatures are checked under test and free otherwise. Only where there are some: checks of
# everything took a quarter of the time of all tests.
SHAPED = [
    path.relative_to(REPOSITORY).with_suffix("")
    for path in (REPOSITORY / "stylewav_pl").rglob("*.py")
    if "from jaxtyping import" in path.read_text("utf-8")
]
install_import_hook([".".join(path.parts).removesuffix(".__init__") for path in SHAPED], "beartype.beartype")
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "", None)


class NetworkBlockedError(RuntimeError):
    """A test tried to reach the network."""


def _refuse_unless_local(host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name not in LOOPBACK and name != socket.gethostname() and not str(name).startswith("127."):
        raise NetworkBlockedError(
            f"Tests run without a network, but something asked for {name!r}. Use a file in tmp_path or a "
            "server on localhost."
        )


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Ends what a test has set: a run sets the number of threads for its process."""
    yield
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Blocks look-ups and connections that leave this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded_connection(getattr(socket.socket, name)))
        patch.setattr(socket, "getaddrinfo", _guarded_lookup(socket.getaddrinfo))
        yield


def _guarded_connection(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse_unless_local(address[0])
        return connect(self, address)

    return guarded


def _guarded_lookup(look_up: Any) -> Any:
    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_unless_local(host)
        return look_up(host, *args, **kwargs)

    return guarded


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a GPU where there is none, and begins with the files that take long.

    One that came last would leave the other processes of pytest-xdist without work.
    """
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)  # else in the order that they had


# Files that go to the same process, because they share what takes long to start: a Ray cluster.
TOGETHER = {"tests/processes/test_ray_workers.py": "tests/test_ray.py"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hands out whole files, and some together, where `--dist loadfile` was asked for."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class LoadFilesTogether(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = super()._split_scope(nodeid)
            return TOGETHER.get(path, path)

    return LoadFilesTogether(config, log)


def pytest_collection_finish() -> None:
    """Leaves alone for good what has been imported, and looks for garbage as usual from here on."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A Ray cluster of this machine alone, with two cores; skips where Ray is not installed."""
    ray = pytest.importorskip("ray", reason="needs the extra `ray`")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TQDM_PATCH_PRINT", "0")  # other tests need Python's own print
        patch.setenv("RAY_AUTH_MODE", "disabled")  # it would write a token into the home directory
        patch.setenv("RAY_raylet_start_wait_time_s", "500")  # a loaded machine is no fault of a test
        ray.init(
            "local", num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1"
        )
        yield
        ray.shutdown()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top directory of the repository."""
    return REPOSITORY


@dataclass(frozen=True)
class Recording:
    """One row of a Common Voice table, in the words of the old releases."""

    name: str
    speaker: str
    gender: str = ""
    age: str = ""
    accent: str = ""
    sentence: str = "one two three four five six seven"
    seconds: float = 5.25


class Release:
    """Writes tables as a Common Voice release of a certain number has them: folders, file names, columns and
    spellings."""

    NEW_GENDERS = {"male": "male_masculine", "female": "female_feminine"}  # noqa: RUF012

    def __init__(self, root: Path, number: float) -> None:
        self.root, self.number = root, number

    def folder(self, locale: str = "en") -> Path:
        return self.root / locale if self.number >= 5 else self.root

    def columns(self) -> list[str]:
        sentence = ["sentence_id", "sentence", "sentence_domain"] if self.number >= 17 else ["sentence"]
        accent = ["accents" if self.number >= 17 else "accent"]
        late = [
            *(["variant"] if self.number >= 13 else []),
            *(["locale", "segment"] if self.number >= 5 else []),
        ]
        return ["client_id", "path", *sentence, "up_votes", "down_votes", "age", "gender", *accent, *late]

    def write(self, recordings: Sequence[Recording], locale: str = "en", split: str = "validated") -> None:
        folder = self.folder(locale)
        (folder / "clips").mkdir(parents=True, exist_ok=True)
        lines = [
            self.columns(),
            *([self._cell(row, column, locale) for column in self.columns()] for row in recordings),
        ]
        self._write(folder / f"{split}.tsv", lines)
        times = [[f"{row.name}.mp3", str(round(row.seconds * 1000))] for row in recordings]
        if self.number >= 16.1:
            self._write(folder / "clip_durations.tsv", [["clip", "duration[ms]"], *times])
        elif self.number >= 14:
            self._write(folder / "times.txt", times)

    def _cell(self, row: Recording, column: str, locale: str) -> str:
        gender = self.NEW_GENDERS.get(row.gender, row.gender) if self.number >= 17 else row.gender
        path = row.name if self.number < 2 else f"{row.name}.mp3"
        known = {
            "client_id": row.speaker,
            "path": path,
            "age": row.age,
            "gender": gender,
            "locale": locale,
            "sentence": row.sentence,
        }
        return {**known, "accent": row.accent, "accents": row.accent, "up_votes": "2", "down_votes": "0"}.get(
            column, ""
        )

    def _write(self, path: Path, lines: Sequence[Sequence[str]]) -> None:
        path.write_text("".join("\t".join(line) + "\n" for line in lines), "utf-8")


@pytest.fixture(scope="session")
def release() -> type[Release]:
    """Miniature releases: ``release(root, number).write([...])``."""
    return Release


@pytest.fixture(scope="session")
def recording() -> type[Recording]:
    """Rows for :class:`Release`."""
    return Recording


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Built-in voices as mp3 and wav files, 5.25 s each, by sex; nobody's real voice."""
    import soundfile

    from stylewav_pl.data import BuiltinVoices, Window

    folder, voices = tmp_path_factory.mktemp("spoken"), BuiltinVoices(per_sex=1)
    paths = {}
    for clip in voices.list_clips():
        wave = voices.read(clip, 16_000, Window(seconds=6.0)).numpy()
        for suffix in ("mp3", "wav"):
            paths[f"{clip.labels['sex']}.{suffix}"] = path = folder / f"{clip.labels['sex']}.{suffix}"
            soundfile.write(path, wave, 16_000)
    return paths

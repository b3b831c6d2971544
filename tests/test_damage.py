"""Damage in a run, by kind of file and kind of damage: named or healed, never silent, never a traceback.

Runs of linear networks in this process; a damaged copy of each is verified, read, and continued.
"""

import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from stylewav_pl.cli import main
from stylewav_pl.runs.damage import NOTE

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

CONFIG = """
model: {{generator: linear, guide: linear, audio: linear, num_steps: 3, frame_steps: [0, 3]}}
data:
  cohort_size: 2
  num_workers: 0
  sources: [{{class_path: Folder, init_args: {{path: {folder}}}}}]
clip_score: {{prompts: {{sex: {{male: a boy, female: a girl}}}}}}
writer: {{strips: true, store: {store}}}
progress: {{enabled: false}}
trainer: {{accelerator: cpu}}
"""

# One file of each kind, and another one to exchange it with: of the same kind where there are several.
ONCE = {
    "embeddings": ("journal/cohort-000000.safetensors", "journal/cohort-000001.safetensors"),
    "sheet": ("journal/cohort-000000.jpg", "journal/cohort-000002.jpg"),
    "records": ("journal/rank-00000.jsonl", "log.csv"),
    "index": ("journal/rank-00000.index", "log.csv"),
    "prompts": ("journal/prompts.safetensors", "log.csv"),
    "manifest": ("manifest.json", "log.csv"),
    "configuration": ("config.yaml", "log.csv"),
    "plan": ("plan.jsonl", "log.csv"),
    "results": ("results.csv", "log.csv"),
    "curves": ("curves.csv", "log.csv"),
    "skipped": ("skipped.csv", "log.csv"),
    "statistics": ("statistics.json", "log.csv"),
    "grid": ("grid.png", "log.csv"),
    "report": ("report.html", "log.csv"),
}
MEMBERS = {
    "files": {
        "image": ("images/female-v1-730c50452a.png", "images/male-v0-19014641da.png"),
        "latent": ("latents/female-v1-730c50452a.safetensors", "latents/male-v0-19014641da.safetensors"),
        "strip": ("strips/female-v1-730c50452a.png", "strips/male-v0-19014641da.png"),
    },
    "shards": {"shard": ("shards/00000000.tar", "shards/00000001.tar")},
}
KINDS = {store: {**MEMBERS[store], **ONCE} for store in MEMBERS}
EVERY_KIND = [(store, kind) for store, kinds in KINDS.items() for kind in kinds]


def cut(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path, other: Path) -> None:
    """One bit, somewhere in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def remove(path: Path, other: Path) -> None:
    path.unlink()


def exchange(path: Path, other: Path) -> None:
    path.rename(path.with_name("aside"))
    other.rename(path)
    path.with_name("aside").rename(other)


def blank(path: Path, other: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


DAMAGES = (cut, flip, remove, exchange, blank)
by_name = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)


@dataclass(frozen=True)
class Run:
    """A run directory and the configuration that made it."""

    config: Path
    path: Path

    def main(self, command: str, *options: str) -> int:
        return main([command, "--config", str(self.config), "--run", str(self.path), *options])

    def results(self) -> dict[str, bytes]:
        """What does not depend on how often and when it was made."""
        told_apart = (
            "journal/rank-",
            "journal/manifest",
            "manifest",
            "config",
            "report",
            "log",
            ".lock",
            ".job",
        )
        files = {
            path.relative_to(self.path).as_posix(): path for path in self.path.rglob("*") if path.is_file()
        }
        return {name: path.read_bytes() for name, path in files.items() if not name.startswith(told_apart)}

    def damaged(self, damage: Callable[[Path, Path], None], store: str, kind: str) -> str:
        """Damages one file; returns its name."""
        path, other = KINDS[store][kind]
        damage(self.path / path, self.path / other)
        return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """By store, a run that nobody has damaged."""
    folder = tmp_path_factory.mktemp("damage")
    for seed, name in enumerate(("female/v1", "female/v3", "male/v0", "male/v2", "Loose one")):
        path = folder / "voices" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).normal(0, 0.05, 9_600)
        soundfile.write(path, 0.4 * np.sin(np.arange(9_600) * (0.05 + 0.01 * seed)) + noise, 16_000)
    runs = {}
    for store in MEMBERS:
        runs[store] = Run(folder / f"{store}.yaml", folder / store)
        runs[store].config.write_text(CONFIG.format(folder=folder / "voices", store=store))
        assert runs[store].main("fit") == 0
    return runs


@pytest.fixture
def copies(whole: dict[str, Run], tmp_path: Path) -> Callable[[str], Run]:
    """Makes a copy of a run that a test may damage."""

    def copy(store: str) -> Run:
        shutil.copytree(whole[store].path, tmp_path / "run")
        return Run(whole[store].config, tmp_path / "run")

    return copy


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What a person has read since the last time; never a traceback."""

    def read() -> str:
        said = capfd.readouterr()
        assert "Traceback" not in said.out + said.err
        return said.out + said.err

    yield read


@pytest.mark.parametrize("store", MEMBERS)
def test_a_run_that_is_whole_is_verified(whole: dict[str, Run], told: Callable[[], str], store: str) -> None:
    assert main(["verify", str(whole[store].path)]) == 0
    files = {"files": 5 * 3 + 3 * 2, "shards": 3 + 3 * 2}
    assert f"verified: 5 faces in 3 cohorts, {files[store]} files" in told()


@by_name
@pytest.mark.parametrize(("store", "kind"), EVERY_KIND)
def test_whatever_is_damaged_is_named(
    copies: Callable[[str], Run],
    told: Callable[[], str],
    store: str,
    kind: str,
    damage: Callable[[Path, Path], None],
) -> None:
    run = copies(store)
    path = run.damaged(damage, store, kind)
    assert main(["verify", str(run.path)]) == 5
    said = told()
    assert path in said or (kind == "index" and "journal tells of" in said), said
    assert "fit` command" in said


@by_name
@pytest.mark.parametrize("store", MEMBERS)
def test_what_verify_has_named_is_made_again(
    whole: dict[str, Run],
    copies: Callable[[str], Run],
    told: Callable[[], str],
    store: str,
    damage: Callable[[Path, Path], None],
) -> None:
    """All kinds at once, but for the index: without it everything is made again anyway."""
    run = copies(store)
    for kind in sorted(KINDS[store].keys() - {"index"}):
        run.damaged(damage, store, kind)
    assert main(["verify", str(run.path)]) == 5
    assert run.main("fit") == 0
    assert main(["verify", str(run.path)]) == 0, told()
    assert run.results() == whole[store].results()
    assert not (run.path / "journal" / NOTE).exists()


@pytest.mark.parametrize("damage", [cut, remove], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("store", MEMBERS)
def test_a_start_sees_what_is_missing_or_cut_and_makes_its_cohort_again_and_no_other(
    whole: dict[str, Run],
    copies: Callable[[str], Run],
    told: Callable[[], str],
    store: str,
    damage: Callable[[Path, Path], None],
) -> None:
    run = copies(store)
    paths = [run.damaged(damage, store, kind) for kind in (*MEMBERS[store], "embeddings", "sheet")]
    untouched = {path: path.stat().st_mtime_ns for path in run.path.glob("*/*") if "000002" in path.name}
    assert run.main("fit") == 0
    said = told()
    assert all(path in said for path in paths), said
    assert "1 cohort is made again." in said and "3 faces are there already" in said
    assert run.results() == whole[store].results()
    assert {path: path.stat().st_mtime_ns for path in untouched} == untouched


def flip_member(run: Run, place: str) -> None:
    """One bit of what lies at a place, be it a file or inside a shard."""
    path, name = run.path / place, ""
    if ".tar/" in place:
        shard, _, name = place.partition(".tar/")
        path = run.path / f"{shard}.tar"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    if name:
        with tarfile.open(path) as tar:
            member = tar.getmember(name)
        middle = member.offset_data + member.size // 2
    data[middle] ^= 1
    path.write_bytes(data)


READ = {
    "test": [
        "images/female-v1-730c50452a.png",
        "shards/00000000.tar/female-v1-730c50452a.png",
        "skipped.csv",
    ],
    "predict": [
        "latents/female-v1-730c50452a.safetensors",
        "shards/00000000.tar/female-v1-730c50452a.safetensors",
        "journal/rank-00000.jsonl",
    ],
    "report": [
        "images/female-v1-730c50452a.png",
        "shards/00000000.tar/female-v1-730c50452a.png",
        "journal/cohort-000000.safetensors",
        "journal/cohort-000000.jpg",
        "journal/prompts.safetensors",
        "results.csv",
        "curves.csv",
        "skipped.csv",
        "config.yaml",
    ],
}


@pytest.mark.parametrize(
    ("command", "place"), [(command, place) for command in READ for place in READ[command]]
)
def test_whoever_reads_something_damaged_names_it_and_the_next_start_makes_it_again(
    whole: dict[str, Run], copies: Callable[[str], Run], told: Callable[[], str], command: str, place: str
) -> None:
    store = "shards" if place.startswith("shards") else "files"
    run = copies(store)
    flip_member(run, place)
    assert (main(["report", str(run.path)]) if command == "report" else run.main(command)) == 5
    assert place in told()
    assert (run.path / "statistics.json").read_bytes() == (whole[store].path / "statistics.json").read_bytes()
    shutil.rmtree(run.path / "rendered", ignore_errors=True)
    assert run.main("fit") == 0
    assert run.results() == whole[store].results()
    assert main(["verify", str(run.path)]) == 0, told()


def test_a_report_without_a_face_that_is_damaged_is_written_all_the_same(
    copies: Callable[[str], Run], told: Callable[[], str]
) -> None:
    run = copies("files")
    (run.path / "report.html").unlink()
    flip_member(run, "images/female-v1-730c50452a.png")
    assert main(["report", str(run.path)]) == 5
    assert "images/female-v1-730c50452a.png is not what was written" in told()
    assert (run.path / "report.html").is_file()


# Numbers that somebody edited


def test_an_edited_count_in_the_manifest_is_told_and_not_repeated(
    copies: Callable[[str], Run], told: Callable[[], str]
) -> None:
    run = copies("files")
    manifest = run.path / "manifest.json"
    before = manifest.read_bytes()
    manifest.write_bytes(before.replace(b'"done": 5', b'"done": 4'))
    assert run.main("fit") == 0
    said = told()
    assert "manifest.json is damaged or was edited: its copy is used" in said
    assert "5 faces are there already" in said and "\n5 faces, 0 clips skipped" in said
    assert manifest.read_bytes() == before


@pytest.mark.parametrize(
    "edit", [(b"0 2 ", b"0 9 "), (b"0 2 ", b"1 2 "), (b"1 2 ", b"0 2 "), (b"2 1 ", b"5 1 ")]
)
def test_an_edited_index_claims_nothing(
    whole: dict[str, Run], copies: Callable[[str], Run], told: Callable[[], str], edit: tuple[bytes, bytes]
) -> None:
    run = copies("files")
    index = run.path / "journal" / "rank-00000.index"
    lines = index.read_bytes().splitlines(keepends=True)
    index.write_bytes(b"".join(edit[1] + line[4:] if line.startswith(edit[0]) else line for line in lines))
    assert main(["verify", str(run.path)]) == 5
    assert run.main("fit") == 0
    said = told()
    assert "journal/rank-00000.index (1)" in said
    assert f"{4 if edit[0] == b'2 1 ' else 3} faces are there already" in said
    assert run.results() == whole["files"].results()


def test_a_line_of_the_index_that_comes_twice_counts_once(
    whole: dict[str, Run], copies: Callable[[str], Run], told: Callable[[], str]
) -> None:
    run = copies("files")
    index = run.path / "journal" / "rank-00000.index"
    index.write_bytes(index.read_bytes() * 2)
    (run.path / "journal" / "rank-00001.index").write_bytes(index.read_bytes())
    (run.path / "journal" / "rank-00001.jsonl").write_bytes(
        (run.path / "journal/rank-00000.jsonl").read_bytes()
    )
    assert run.main("fit") == 0
    assert "5 faces are there already" in told()
    assert run.results() == whole["files"].results()


# What cannot be understood, or must not be made again


def test_a_manifest_that_is_damaged_like_its_copy_is_refused(
    copies: Callable[[str], Run], told: Callable[[], str]
) -> None:
    run = copies("files")
    for path in (run.path / "manifest.json", run.path / "journal" / "manifest.json"):
        cut(path, path)
    for command in (
        lambda: run.main("fit"),
        lambda: main(["verify", str(run.path)]),
        lambda: run.main("test"),
    ):
        assert command() == 5
        assert "manifest.json is damaged or was edited, and so is its copy" in told()


def test_a_configuration_that_is_damaged_lets_no_other_one_in(
    copies: Callable[[str], Run], told: Callable[[], str]
) -> None:
    run = copies("files")
    (run.path / "config.yaml").write_text("model: [")
    assert run.main("fit", "--model.num_steps", "4") == 5
    assert "config.yaml has 8 bytes instead of" in told()
    assert run.main("fit") == 0
    assert "config.yaml has 8 bytes instead of" in told()


def test_later_scores_that_are_damaged_are_not_replaced_by_the_first_ones(
    copies: Callable[[str], Run], told: Callable[[], str]
) -> None:
    run = copies("files")
    other = ("--clip_score.prompts", "{sex: {male: a man, female: a woman}}")
    assert run.main("test", *other) == 0
    scored = run.results()
    flip_member(run, "journal/scores.json")
    for _ in range(2):
        assert run.main("fit") == 5
        assert "journal/scores.json is not what was written" in told()
    assert run.main("test", *other) == 0
    assert run.results() == scored


@pytest.fixture
def own_voices(whole: dict[str, Run], tmp_path: Path) -> Run:
    """A run over recordings that a test may change."""
    source = Path(
        yaml.safe_load(whole["files"].config.read_text())["data"]["sources"][0]["init_args"]["path"]
    )
    shutil.copytree(source, tmp_path / "voices")
    run = Run(tmp_path / "run.yaml", tmp_path / "run")
    run.config.write_text(CONFIG.format(folder=tmp_path / "voices", store="files"))
    assert run.main("fit") == 0
    return run


def test_a_recording_that_has_changed_is_told_and_its_face_kept(
    own_voices: Run, told: Callable[[], str]
) -> None:
    path, before = own_voices.path.parent / "voices" / "male" / "v0.wav", own_voices.results()
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    assert own_voices.main("fit") == 0
    assert f"1 recording has changed since its face was made, which is kept: {path}." in told()
    assert main(["verify", str(own_voices.path)]) == 0
    assert f"1 recording has changed since its face was made: {path}\n" in told()
    assert own_voices.results() == before


@pytest.mark.parametrize("loss", ["removed", "changed"])
def test_a_cohort_whose_recording_is_not_what_it_was_is_named_and_left_as_it_is(
    own_voices: Run, told: Callable[[], str], loss: str
) -> None:
    """One image of the first cohort is damaged, and the recording of the other; the last cohort can be
    mended."""
    voices, run = own_voices.path.parent / "voices", own_voices.path
    before = own_voices.results()
    image, other = run / "images/female-v1-730c50452a.png", run / "images/male-v2-9b8a7466ad.png"
    kept = image.read_bytes()
    first = json.loads((run / "plan.jsonl").read_text().splitlines()[0])
    neighbour = voices / f"{next(id for id in first if id != 'female/v1')}.wav"
    if loss == "removed":
        neighbour.unlink()
    else:
        shutil.copyfile(voices / "female/v1.wav", neighbour)
    cut(image, image)
    remove(other, other)
    for _ in range(2):
        assert own_voices.main("fit") == 5
        said = told()
        assert (
            "images/female-v1-730c50452a.png has" in said
            and "cannot be made again" in said
            and neighbour.stem in said
        )
    image.write_bytes(kept)
    assert own_voices.main("fit") == 0
    assert own_voices.results() == before

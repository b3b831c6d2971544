"""Configurations that want to run something: each ends in one sentence, and nothing of it was run."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from jsonargparse import Namespace
from lightning.pytorch.callbacks import LambdaCallback

from stylewav_pl.cli import main
from stylewav_pl.commands import trusted_classes
from stylewav_pl.commands.open_callables import stray_class
from stylewav_pl.commands.trusted_classes import check_classes, is_installed, names_in, without_working_folder
from stylewav_pl.data import BuiltinVoices
from stylewav_pl.errors import ConfigError
from stylewav_pl.runs.finished import FinishedRun

CANARY = "canary"
STRAY = f"""
import pathlib

import torch

pathlib.Path({CANARY!r}).touch()


class Adam(torch.optim.Adam):
    pass
"""


def spec(class_path: str, **init_args: object) -> dict[str, object]:
    return {"class_path": class_path, "init_args": init_args}


def put(name: str, value: object) -> dict[str, Any]:
    """Settings with one that has this dotted name."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return value  # type: ignore[return-value]


OPTIMIZER = "model.optimizer"
# A configuration each, as the setting and what it is set to. The canary lies in the working folder.
HOSTILE: dict[str, tuple[str, object]] = {
    "a shell": (OPTIMIZER, spec("os.system", command=f"touch {CANARY}")),
    "a shell by its real name": (OPTIMIZER, spec("posix.system", command=f"touch {CANARY}")),
    "a shell by another module": (OPTIMIZER, spec("torch.os.system", command=f"touch {CANARY}")),
    "a shell without arguments": (OPTIMIZER, "os.system"),
    "a shell as further arguments": (
        OPTIMIZER,
        {"class_path": "os.system", "dict_kwargs": {"command": f"touch {CANARY}"}},
    ),
    "a process": (OPTIMIZER, spec("subprocess.Popen", args=["touch", CANARY])),
    "a call of a process": (OPTIMIZER, spec("subprocess.check_call", popenargs=["touch", CANARY])),
    "exec": (OPTIMIZER, spec("builtins.exec", source=f"open({CANARY!r}, 'w')")),
    "eval": (OPTIMIZER, spec("builtins.eval", source=f"open({CANARY!r}, 'w')")),
    "open": (OPTIMIZER, spec("builtins.open", file=CANARY, mode="w")),
    "a lambda": (OPTIMIZER, f"lambda parameters: open({CANARY!r}, 'w')"),
    "a method": (OPTIMIZER, spec("pathlib.Path.touch", self=CANARY)),
    "a method that deletes": (OPTIMIZER, spec("pathlib.Path.unlink", self="keep")),
    "a tree that goes": (OPTIMIZER, spec("shutil.rmtree", path="keep")),
    "an import": (OPTIMIZER, spec("importlib.import_module", name="stray")),
    "a file run": (OPTIMIZER, spec("runpy.run_path", path_name="stray.py")),
    "a pickle": (OPTIMIZER, spec("torch.load", f="keep", weights_only=False)),
    "a file written": (OPTIMIZER, spec("torch.save", obj=1, f=CANARY)),
    "an array written": (OPTIMIZER, spec("numpy.save", file=CANARY, arr=[1])),
    "a text written by this package": (
        OPTIMIZER,
        spec("stylewav_pl.files.write_text", path=CANARY, text=""),
    ),
    "this program": (OPTIMIZER, spec("stylewav_pl.cli.main", args=["data", "voices", "-o", CANARY])),
    "the parser's own rules": (OPTIMIZER, spec("jsonargparse.set_parsing_settings")),
    "an installer": (OPTIMIZER, spec("pip.main", args=["download", "x"])),
    "a page of the web": (OPTIMIZER, "antigravity.geohash"),
    "a program that prints": (OPTIMIZER, "this.s"),
    "a part of a function": (OPTIMIZER, spec("functools.partial", func="os.system")),
    "a stray module": (OPTIMIZER, "stray.Adam"),
    "a stray package": (OPTIMIZER, "stray_package.inner.Adam"),
    "a library of C": (OPTIMIZER, spec("ctypes.CDLL", name="stray.py")),
    "a class of another kind": (OPTIMIZER, spec("logging.FileHandler", filename=CANARY)),
    "an installed class of another kind": (
        OPTIMIZER,
        spec("torch.utils.tensorboard.SummaryWriter", log_dir=CANARY),
    ),
    "a function of the right kind": ("model.generator", spec("stylewav_pl.generators.load_generator")),
    "a guide": ("model.guide", spec("os.mkdir", path=CANARY)),
    "an encoder": ("model.audio", spec("torch.save", obj=1, f=CANARY)),
    "a latent space": ("model.latent_space", spec("stray.Adam")),
    "a schedule": ("model.schedule", spec("os.mkdir", path=CANARY)),
    "an objective": ("model.objective", spec("os.mkdir", path=CANARY)),
    "a source": ("data.sources", [spec("os.mkdir", path=CANARY)]),
    "a source in a source": (
        "data.sources",
        [spec("Sample", source=spec("os.mkdir", path=CANARY), trait="x", populations={})],
    ),
    "a callback": ("trainer.callbacks", [spec("torch.save", obj=1, f=CANARY)]),
    "one callback": ("trainer.callbacks", spec("stray.Adam")),
    "a function that a callback calls": (
        "trainer.callbacks",
        [spec("lightning.pytorch.callbacks.LambdaCallback", setup="torch.hub.load")],
    ),
    "a class whose objects can be called": (
        "trainer.callbacks",
        [spec("lightning.pytorch.callbacks.LambdaCallback", setup=spec(f"{__name__}.Caller", path=CANARY))],
    ),
    "such a class by its name": (
        "trainer.callbacks",
        [spec("lightning.pytorch.callbacks.LambdaCallback", on_fit_end=f"{__name__}.Caller")],
    ),
    "such a class through further arguments": (
        "trainer.callbacks",
        [spec(f"{__name__}.OwnCallback", setup=spec(f"{__name__}.Caller", path=CANARY))],
    ),
    "a logger": ("trainer.logger", spec("torch.utils.tensorboard.SummaryWriter", log_dir=CANARY)),
    "a plugin": ("trainer.plugins", spec("os.mkdir", path=CANARY)),
    "a profiler": ("trainer.profiler", spec("os.mkdir", path=CANARY)),
    "an accelerator": ("trainer.accelerator", spec("os.mkdir", path=CANARY)),
    "a judge": ("clip_score.judge", spec("os.mkdir", path=CANARY)),
    "an escaped name": (OPTIMIZER, "\x6fs.system"),
}


class Caller:
    """An installed class of no particular kind, whose objects can be called."""

    def __init__(self, path: str = CANARY) -> None:
        Path(path).touch()

    def __call__(self, *_: object) -> None:
        pass


class OwnCallback(LambdaCallback):
    """A callback that hands on what it is given."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class Schedule:
    """A class with settings that say which kind they call, or not."""

    def __init__(
        self,
        optimizer: Callable[[Iterable[Any]], torch.optim.Optimizer] | None = None,
        either: torch.optim.Optimizer | Callable[..., Any] | None = None,
        many: list[Callable[[], None]] | None = None,
    ) -> None:
        pass


@pytest.mark.parametrize(
    ("setting", "class_path", "stray"),
    [
        ("optimizer", "torch.optim.Adam", False),
        ("either", "torch.optim.Adam", False),
        ("either", f"{__name__}.Caller", True),
        ("many", f"{__name__}.Caller", True),
    ],
)
def test_a_class_is_stray_where_no_kind_is_named(setting: str, class_path: str, stray: bool) -> None:
    value: Any = Namespace(class_path=class_path, init_args=Namespace())
    found = stray_class(Schedule, setting, [value] if setting == "many" else value)
    assert found == (class_path if stray else "")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with stray modules in it and on Python's path, as ``python -m`` has it."""
    (tmp_path / "stray.py").write_text(STRAY)
    (tmp_path / "stray_package").mkdir()
    (tmp_path / "stray_package" / "__init__.py").write_text(STRAY)
    (tmp_path / "keep").write_text("kept")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def configuration(place: Path, name: str, value: object) -> str:
    source = [{"class_path": "BuiltinVoices", "init_args": {"per_sex": 1}}]
    settings: dict[str, Any] = {
        "model": {"generator": "linear", "guide": "linear", "audio": "linear", "num_steps": 1},
        "data": {"sources": source},
        "trainer": {"accelerator": "cpu"},
        "progress": {"enabled": False},
    }
    for section, below in put(name, value).items():
        settings[section] = {**settings.get(section, {}), **below}
    (place / "hostile.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    return str(place / "hostile.yaml")


def nothing_happened(place: Path) -> bool:
    return not (place / CANARY).exists() and (place / "keep").read_text() == "kept"


def one_sentence(told: str) -> bool:
    return told.startswith("stylewav-pl: ") and told.count("\n") == 1 and "Traceback" not in told


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_configuration_runs_nothing(
    kind: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configuration(place, *HOSTILE[kind])
    assert main(["validate", "--config", config]) == 2
    assert nothing_happened(place)
    assert "stray" not in sys.modules
    assert one_sentence(capsys.readouterr().err)


@pytest.mark.parametrize("command", ["fit", "test", "predict"])
@pytest.mark.parametrize("kind", ["a shell", "a file written", "a stray module"])
def test_every_command_refuses_it(
    command: str, kind: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configuration(place, *HOSTILE[kind])
    assert main([command, "--config", config, "--run", str(place / "run")]) == 2
    assert nothing_happened(place) and not (place / "run").exists()
    assert one_sentence(capsys.readouterr().err)


WORDS = {
    "whole": ["--model.optimizer", json.dumps(spec("torch.save", obj=1, f=CANARY))],
    "in parts": ["--model.optimizer.class_path=os.mkdir", f"--model.optimizer.init_args.path={CANARY}"],
    "short": ["--model.optimizer=os.mkdir", f"--model.optimizer.path={CANARY}"],
    "callback": [f"--trainer.callbacks+={json.dumps(spec('os.mkdir', path=CANARY))}"],
    "help": ["--model.optimizer.help=stray.Adam"],
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_the_command_line_can_no_more(
    words: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configuration(place, "model.num_steps", 1)
    assert main(["validate", "--config", config, *words]) == 2
    assert nothing_happened(place)
    assert one_sentence(capsys.readouterr().err)


@pytest.mark.parametrize("kind", ["a source", "a source in a source"])
def test_the_data_commands_refuse_it_too(kind: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configuration(place, *HOSTILE[kind])
    assert main(["data", "check", "--config", config]) == 2
    assert nothing_happened(place)
    assert one_sentence(capsys.readouterr().err)


def test_what_is_refused_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = {}
    for kind in ("a shell", "a pickle", "a stray module"):
        assert main(["validate", "--config", configuration(place, *HOSTILE[kind])]) == 2
        told[kind] = capsys.readouterr().err
    assert "hostile.yaml, line" in told["a shell"] and "os.system is refused" in told["a shell"]
    assert "Correct model.optimizer" in told["a shell"]
    assert "Expected model.optimizer to name a class, found torch.load" in told["a pickle"]
    assert "no package stray is installed" in told["a stray module"]
    assert "install it (pip install -e FOLDER)" in told["a stray module"]


def test_help_says_whom_to_trust(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "They name classes, which are then run: use only configurations that you trust." in told


# classes of one's own


class OwnVoices(BuiltinVoices):
    """A source of this module, which is loaded already."""

    def __init__(self, per_sex: int = 1, more: Any = None, then: Callable[[], None] = print) -> None:
        super().__init__(per_sex)
        self.more = more


OWN_PACKAGE = f"""
from stylewav_pl.data import BuiltinVoices


class Voices(BuiltinVoices):
    pass


from pathlib import Path
Path({CANARY!r}).write_text(__file__)
"""


@pytest.mark.parametrize("more", [None, [1, {"a": "b"}], "text"])
def test_a_class_of_a_program_that_calls_the_command(place: Path, more: object) -> None:
    source = [spec(f"{__name__}.OwnVoices", per_sex=1, more=more)]
    assert main(["validate", "--config", configuration(place, "data.sources", source)]) == 0


@pytest.mark.parametrize(
    "more", [spec("torch.save", obj=1, f=CANARY), [spec("os.mkdir", path=CANARY)], spec("stray.Adam")]
)
def test_where_anything_is_taken_no_class_is_built(place: Path, more: object) -> None:
    source = [spec(f"{__name__}.OwnVoices", per_sex=1, more=more)]
    assert main(["validate", "--config", configuration(place, "data.sources", source)]) in (0, 2)
    assert nothing_happened(place) and "stray" not in sys.modules


# Refused while the module lies in the working folder alone, where Python finds it, started with -c ("") or -m
# (the folder's name); then installed.
TWICE = """
import gc, os, sys
gc.disable()  # an import makes no garbage
from stylewav_pl.cli import main
words = ["validate", "--config", sys.argv[1]]
assert sys.path[0] == ""
sys.path.insert(0, os.getcwd())
assert main(words) == 2
assert "own_package" not in sys.modules
sys.path.append(sys.argv[2])
os.environ["PYTHONPATH"] += os.pathsep + sys.argv[2]
code = main(words)
gc.freeze()  # nor does it look for any at its end
sys.exit(code)
"""


def test_a_package_of_ones_own_is_found_where_it_was_installed_and_not_where_one_stands(
    tmp_path: Path, repository: Path
) -> None:
    """The module lies in both places; Python would take that of the working folder."""
    for name in ("package", "working"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own_package.py").write_text(OWN_PACKAGE)
    source = [spec("own_package.Voices", per_sex=1)]
    config = configuration(tmp_path / "working", "data.sources", source)
    ended = subprocess.run(
        [sys.executable, "-c", TWICE, config, str(tmp_path / "package")],
        cwd=tmp_path / "working",
        env={**os.environ, "PYTHONPATH": str(repository), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("own_package.Voices is refused") == 1
    assert Path((tmp_path / "working" / CANARY).read_text()).parent.name == "package"


def test_a_report_builds_no_classes_of_others(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run directory may come from anybody, who can also make its hashes fit."""
    config = configuration(place, "data.cohort_size", 2)
    assert main(["fit", "--config", config, "--run", "run"]) == 0
    for class_path in ("stray.Adam", "os.mkdir", "torch.utils.tensorboard.SummaryWriter"):
        settings = {"data": {"sources": [spec(class_path, path=CANARY)]}}
        monkeypatch.setattr(FinishedRun, "configuration", property(lambda run, told=settings: told))
        capsys.readouterr()
        assert main(["report", "run"]) == 0
        assert nothing_happened(place) and "stray" not in sys.modules
        assert "The voices cannot be heard in the report: " in capsys.readouterr().out


# the parts


def test_names_are_found_wherever_a_class_may_be_named() -> None:
    settings = {"a": {"class_path": "one.A"}, "b": ["two.B", {"c": "three.four.C"}], "d": "no name.", "e": 5}
    words = ["--x", "five.D", "--y=six.E", '[{"class_path": "seven.F"}]', "file.wav/x", "voices/x.wav"]
    expected = {"five.D", "six.E", "seven.F", "one.A", "two.B", "three.four.C"}
    assert set(names_in(words, [settings])) == expected


def test_so_many_names_are_looked_up_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trusted_classes, "MOST_NAMES", 10)
    assert len(names_in([], [[f"name{index}.wav" for index in range(1000)]])) == 11


@pytest.mark.parametrize(
    ("top", "installed"),
    [
        ("torch", True),
        ("yaml", True),
        ("os", False),
        ("builtins", False),
        ("nowhere", False),
        ("stray", False),
    ],
)
def test_what_is_installed(top: str, installed: bool, place: Path) -> None:
    assert is_installed(top) is installed


def test_the_folder_of_pythonpath_counts_although_one_stands_in_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(place))
    assert is_installed("stray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep)
    assert not is_installed("stray")
    before = list(sys.path)
    with without_working_folder():
        assert str(place) not in sys.path
    assert sys.path == before


def test_functions_are_refused_wherever_they_stand() -> None:
    for value in (print, [print], {"a": {"b": (print,)}}, Namespace(a=Namespace(b=[print]))):
        with pytest.raises(ConfigError, match="found print, which is none"):
            check_classes(value)
    voices = f"{__name__}.OwnVoices"
    check_classes(Namespace(class_path=voices, init_args=Namespace(then=print)))  # the default of the class
    with pytest.raises(ConfigError, match=r"Expected data\.then to name a class, found len"):
        check_classes(Namespace(data=Namespace(class_path=voices, init_args=Namespace(then=len))))

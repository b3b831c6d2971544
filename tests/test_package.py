"""What is installed: the wheel works away from the repository, and the command answers at once."""

import csv
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SOURCES = (
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "THIRD_PARTY.md",
    "CHANGELOG.md",
)
TEMPLATES = Path(__file__).parents[1] / "stylewav_pl" / "report" / "templates"
HEAVY = ("torch", "lightning", "numpy", "scipy", "PIL", "jsonargparse")


def run_python(*words: str, cwd: Path, path: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Runs this Python with ``path`` as its only PYTHONPATH."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONPATH": str(path)} if path else {}
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """Built from a copy, so that no build folder appears in the repository."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        shutil.copy(repository / name, source)
    for name in ("configs", "stylewav_pl"):
        shutil.copytree(repository / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    # the wheel is built from the source distribution, which is therefore whole
    built = run_python("-m", "build", "--no-isolation", "--outdir", str(out), cwd=source)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel alone, unpacked by pip into a folder of its own."""
    target = tmp_path_factory.mktemp("installed")
    options = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-compile")
    done = run_python("-m", "pip", "install", *options, "--target", str(target), str(wheel), cwd=target)
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.slow
def test_the_wheel_holds_the_data_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    weights = {
        f"stylewav_pl/pocket/weights/{network}.safetensors"
        for network in ("generator", "clip", "audio", "speaker", "prior")
    }
    templates = {
        f"stylewav_pl/report/templates/{path.name}" for path in TEMPLATES.iterdir() if path.is_file()
    }
    assert templates
    assert (
        weights
        | templates
        | {"stylewav_pl/py.typed", "stylewav_pl/configs/demo.yaml", "stylewav_pl/configs/overlays/quick.yaml"}
        <= names
    )
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"stylewav_pl"}


@pytest.mark.slow
def test_what_would_be_published_is_described_well(wheel: Path, tmp_path: Path) -> None:
    pytest.importorskip("twine", reason="twine is not installed")
    files = sorted(str(path) for path in wheel.parent.iterdir())
    assert [Path(file).name.rpartition(".")[2] for file in files] == ["whl", "gz"]
    checked = run_python("-m", "twine", "check", "--strict", *files, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("PASSED") == 2


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    sources = '[{"class_path": "BuiltinVoices", "init_args": {"per_sex": 2}}]'
    options = ("--data.sources", sources, "--model.num_steps", "2", "--trainer.accelerator", "cpu")
    done = run_python(
        "-m", "stylewav_pl", "fit", "--config", "demo.yaml", *options, cwd=tmp_path, path=installed
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "runs" / "demo" / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert len(list((tmp_path / "runs" / "demo" / "images").glob("*.png"))) == 4
    where = run_python("-c", "import stylewav_pl; print(stylewav_pl.__file__)", cwd=tmp_path, path=installed)
    assert Path(where.stdout.strip()).is_relative_to(installed)


@pytest.mark.parametrize(
    ("word", "expected"), [("--help", "usage: stylewav-pl"), ("--version", "stylewav-pl ")]
)
def test_the_command_answers_at_once(word: str, expected: str, repository: Path, tmp_path: Path) -> None:
    program = (
        f"import sys; from stylewav_pl.cli import main; code = main([{word!r}]); print(*sys.modules, "
        "file=sys.stderr); sys.exit(code)"
    )
    done = run_python("-c", program, cwd=tmp_path, path=repository)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(expected)
    modules = done.stderr.split()
    assert not set(HEAVY) & set(modules)
    # imports are what takes time: Python's own 0.1 s are some 150 modules, torch's 5 s are 2,000
    assert len(modules) < 400


@pytest.mark.parametrize("command", ["generate", "report", "weights", "pocket"])
def test_the_options_of_a_small_command_are_told_without_torch(
    command: str, repository: Path, tmp_path: Path
) -> None:
    call = f"code = main([{command!r}, '--help'])"
    program = (
        f"import sys; from stylewav_pl.cli import main; {call}; print(*sys.modules, "
        "file=sys.stderr); sys.exit(code)"
    )
    done = run_python("-c", program, cwd=tmp_path, path=repository)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: stylewav-pl {command}")
    assert "torch" not in done.stderr.split()

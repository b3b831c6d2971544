"""Every configuration that ships: it says what it is for, and it works."""

from pathlib import Path

import pytest
import yaml

from stylewav_pl.cli import main
from stylewav_pl.installed import configs_directory

CONFIGS = sorted(configs_directory().glob("*.yaml"))
OFFLINE = [path for path in CONFIGS if "generator: pocket" in path.read_text("utf-8")]


def opening(path: Path) -> str:
    lines = path.read_text("utf-8").splitlines()
    end = next(index for index, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(line.removeprefix("#").strip() for line in lines[:end])


def test_the_demo_and_the_one_line_use_are_there() -> None:
    assert {"demo.yaml", "generate.yaml"} <= {path.name for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_configuration_opens_with_purpose_data_time_and_result(path: Path) -> None:
    lines = opening(path).splitlines()
    assert lines
    assert len(lines[0]) > 20
    assert lines[0][-1] in "?.,"  # a question, or what it does
    for word in ("Data:", "Time:", "Result:"):
        assert any(line.startswith(word) and len(line) > len(word) + 5 for line in lines), f"{path.name} does not tell its {word}"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_configuration_is_complete_and_short(path: Path) -> None:
    text = path.read_text("utf-8")
    settings = yaml.safe_load(text)
    assert {"seed_everything", "model", "data"} <= settings.keys()
    assert {"generator", "guide", "audio", "preprocess", "num_steps"} <= settings["model"].keys()
    assert len(text.splitlines()) <= 70


@pytest.mark.parametrize("path", OFFLINE, ids=lambda path: path.name)
def test_validate_accepts_a_configuration(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    voices = '[{"class_path": "BuiltinVoices", "init_args": {"per_sex": 1}}]'  # few: every clip is decoded
    run = tmp_path / "run"
    options = ["--config", path.name, "--run", str(run), "--data.sources", voices, "--trainer.accelerator", "cpu"]
    assert main(["validate", *options]) == 0
    out = capsys.readouterr().out
    assert "plan: 2 clips in 1 cohorts" in out
    assert "network: generator pocket (SHA-256 " in out
    assert not run.exists()


def test_the_demo_compares_eighty_speakers() -> None:
    sources = yaml.safe_load((configs_directory() / "demo.yaml").read_text("utf-8"))["data"]["sources"]
    assert sources[0] == {"class_path": "BuiltinVoices", "init_args": {"per_sex": 40}}
    assert sources[1]["init_args"]["optional"] is True  # without a folder of recordings it still works

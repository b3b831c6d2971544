"""A run's own ``config.yaml`` as configuration: the run again, under another name or the same."""

import shutil
from pathlib import Path

import pytest
import yaml
from six_voices import fit, made, write_experiment

from stylewav_pl.cli import main


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiment")
    write_experiment(folder, cohort_size=6)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert fit("run", "--restart") == 0
    return folder


@pytest.fixture
def place(made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made_once, tmp_path / "experiment")
    monkeypatch.chdir(tmp_path / "experiment")
    return tmp_path / "experiment"


def repeat(*options: str) -> int:
    return main(["fit", "--config", "run/config.yaml", *options])


def test_a_run_is_repeated_by_its_own_configuration(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert repeat("--run", "again") == 0
    assert made(place / "again") == made(place / "run")
    assert repeat() == 0, "without a name it is the run itself, which is done"
    told = capsys.readouterr().out
    assert "6 faces are there already" in told and "no repetition" not in told
    assert not list(place.glob("run.old*")), "--restart was for one start"
    (place / "run").rename(place / "moved")
    assert main(["fit", "--config", "moved/config.yaml"]) == 0
    assert "6 faces are there already" in capsys.readouterr().out and not (place / "run").exists()
    assert main(["validate", "--config", "moved/config.yaml", "--run", "again"]) == 0


def test_other_networks_than_those_of_the_run_are_named(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = place / "run" / "config.yaml"
    settings = yaml.safe_load(own.read_text())
    settings["weights"]["generator"] = {"sha256": "0" * 64}
    settings["results"] = "s3://bucket/of-that-run"
    (place / "changed.yaml").write_text(yaml.safe_dump(settings))
    assert main(["fit", "--config", "changed.yaml", "--run", "again"]) == 0
    told = capsys.readouterr().out
    assert "no repetition of the run of changed.yaml" in told and "weights.generator.sha256: '0000" in told


def test_what_is_no_runs_own_configuration_may_not_record(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (place / "run.yaml").open("a") as file:
        file.write("weights: {generator: mine}\n")
    assert fit("other") == 2
    assert "weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("validate", ["--results", "s3://bucket/x"]),
        ("test", ["--results", "s3://bucket/x"]),
        ("predict", ["--results", "s3://bucket/x"]),
        ("test", ["--engine", "ray"]),
        ("predict", ["--workers", "2"]),
        ("validate", ["--restart"]),
    ],
)
def test_what_only_fit_does_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    option: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path, cohort_size=6)
    assert main([command, "--config", "run.yaml", "--run", "run", *option]) == 2
    assert f"is for fit: {command} works" in capsys.readouterr().err

"""Which ear a run has: the best one at its first start, the same one ever after."""

from pathlib import Path

import pytest

from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.session import first_start
from stylewav_pl.session.first_start import ear_of


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    (tmp_path / "run").mkdir()
    return RunDirectory(tmp_path / "run")


def wheel_is(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_start, "choose_ear", lambda _: "pocket-speaker" if there else "pocket")


def test_a_new_run_takes_the_best_ear_there_is(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel_is(True, monkeypatch)
    assert ear_of(run, "pocket-auto", anew=False) == "pocket-speaker"
    assert capsys.readouterr().err == ""
    wheel_is(False, monkeypatch)
    assert ear_of(run, "pocket-auto", anew=False) == "pocket"
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "pip install --no-deps resemblyzer" in told


@pytest.mark.parametrize("first", ["pocket", "pocket-speaker"])
@pytest.mark.parametrize("there", [True, False])
def test_a_run_keeps_the_ear_it_began_with(
    run: RunDirectory, first: str, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.config_path.write_text(f"model: {{audio: {first}}}\n")
    wheel_is(there, monkeypatch)
    assert ear_of(run, "pocket-auto", anew=False) == first
    assert ear_of(run, "pocket-auto", anew=True) == ("pocket-speaker" if there else "pocket")


@pytest.mark.parametrize("named", ["pocket", "pocket-speaker", "wav2clip", "linear"])
def test_what_is_named_stays(run: RunDirectory, named: str) -> None:
    assert ear_of(run, named, anew=False) == named

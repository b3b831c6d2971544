"""``predict`` and ``test`` show how far they are, off a terminal in lines of their own, and count what they
made."""

import re
from pathlib import Path

import pytest

from stylewav_pl.cli import main


@pytest.fixture
def finished(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The words that every command about a finished run begins with."""
    words = ["--config", str(config), "--run", str(tmp_path / "run")]
    assert main(["fit", *words]) == 0
    capsys.readouterr()
    return words


@pytest.mark.parametrize(
    ("options", "title", "made"),
    [
        ([], "images", "4 images in "),
        (["--video", "gif"], "videos", "4 images and 4 videos in "),
    ],
)
def test_predict_shows_progress_and_counts(
    finished: list[str], options: list[str], title: str, made: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", *finished, "--progress.enabled", "null", *options]) == 0
    shown = capsys.readouterr()
    assert made in shown.out
    lines = [line for line in shown.err.splitlines() if line.startswith(f"{title}:")]
    assert re.match(rf"{title}: +0%.* 0/4 ", lines[0])
    assert re.match(rf"{title}: 100%.* 4/4 ", lines[-1])
    assert "\r" not in shown.err


@pytest.mark.parametrize(("command", "title"), [("fit", "faces"), ("test", "scores")])
def test_fit_and_test_write_whole_lines_too(
    finished: list[str], tmp_path: Path, command: str, title: str, capsys: pytest.CaptureFixture[str]
) -> None:
    restart = ["--restart"] if command == "fit" else []
    assert main([command, *finished, "--progress.enabled", "null", *restart]) == 0
    error = capsys.readouterr().err
    assert re.search(rf"^{title}: 100%.* 4/4 ", error, re.MULTILINE)
    assert "\r" not in error


def test_silence_is_kept(finished: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", *finished]) == 0
    assert capsys.readouterr().err == ""

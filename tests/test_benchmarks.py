"""The benchmarks run, in small, and what they compare gives the same numbers."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


def figures(folder: Path, *words: str) -> dict[str, Any]:
    """What a benchmark measured; its table must be there too."""
    ended = subprocess.run(
        [sys.executable, ROOT / "scripts" / "benchmark", "--json", folder / "figures", *words],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.splitlines()) > 2
    found: dict[str, Any] = json.loads((folder / "figures").read_text())
    return found


def test_a_step_of_every_kind_ends_where_the_reference_loop_does(tmp_path: Path) -> None:
    found = figures(
        tmp_path, "step", "--resolution", "32", "--coarse", "16", "--clips", "2", "--rounds", "1"
    )["variants"]
    compared = {
        name: row["difference of the similarity"] for name, row in found.items() if " at " not in name
    }
    exact = [difference for name, difference in compared.items() if "bfloat16" not in name]
    assert len(exact) == 5 and max(exact) < 1e-5
    assert max(compared.values()) < 0.02
    assert all(
        row["seconds per clip-step"] > 0 and row["peak memory per clip [GB]"] > 0 for row in found.values()
    )


def test_a_whole_optimisation_is_timed(tmp_path: Path) -> None:
    found = figures(
        tmp_path, "optimisation", "--resolution", "32", "--coarse", "16", "--clips", "2", "--steps", "2"
    )["rows"]
    assert "16 px, the last 2 full, float32" in found
    assert all(row["seconds per clip"] > 0 for row in found.values())


def test_coarse_steps_are_weighed_against_exact_ones(tmp_path: Path) -> None:
    found = figures(tmp_path, "progressive", "--targets", "2", "--steps", "6")
    tables = [rows for rows in found.values() if isinstance(rows, dict)]
    assert len(tables) == 4
    for rows in tables:
        assert rows["exact"]["share of the gain"] == 1
        assert rows["64 of 128 px, the last 8 steps full"]["share of the gain"] == pytest.approx(
            1, abs=1e-4
        ), "more full steps than steps: all exact"
        assert rows["64 of 128 px, the last 2 steps full"]["share of the gain"] != 1


def test_audio_files_are_counted(tmp_path: Path) -> None:
    found = figures(tmp_path, "encode", "--clips", "4")
    assert found["both at once [clips/s]"] > 0


def test_a_soak_counts_memory_and_bytes(tmp_path: Path) -> None:
    found = figures(tmp_path, "scale", "--clips", "128", "--processes", "1", "--planned", "1000")
    assert 0 < found["soak"]["share of the loop inside the optimisation"] <= 1
    assert found["planning"]["resume"]["cohorts done"] > 0


def test_words_arrive_and_edits_change_what_the_voice_says(tmp_path: Path) -> None:
    """With four voices: bounds far below what is seen with more."""
    found = figures(tmp_path, "guidance", "--voices", "2")
    words = found["words beside voices"]
    for text in ("a person with black hair", "a person with blond hair", "a person with glasses"):
        assert words[text]["with it"] >= 0.5
        assert words[text]["sex as heard"] >= 0.75
    assert found["a person with glasses, negative"]["with it"] <= 0.25
    assert found["given faces edited by voices of the other sex"]["changed sex"] >= 0.5

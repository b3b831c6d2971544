"""The benchmarks run, in small, and what they compare gives the same numbers."""

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from open_clip.model import CLIP

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "benchmark"
pytestmark = pytest.mark.slow
Figures = Callable[..., dict[str, Any]]


def in_a_process(folder: Path, *words: str) -> dict[str, Any]:
    """What a benchmark measured; its table must be there too."""
    ended = subprocess.run(
        [sys.executable, SCRIPT, "--json", folder / "figures", *words], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    return told(folder, ended.stdout)


def told(folder: Path, printed: str) -> dict[str, Any]:
    assert len(printed.splitlines()) > 2
    found: dict[str, Any] = json.loads((folder / "figures").read_text())
    return found


@pytest.fixture
def figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Figures:
    """The same in this process, for benchmarks that start none; networks of their size would take long."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent / "benchmarks"))
    import true_shapes

    monkeypatch.setattr(true_shapes, "vit_b_32", small_clip)
    monkeypatch.setattr(true_shapes, "FFHQ", dict.fromkeys(true_shapes.FFHQ, 32))

    def run(*words: str) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--json", str(tmp_path / "figures"), *words])
        assert runpy.run_path(str(SCRIPT))["main"]() == 0
        return told(tmp_path, capsys.readouterr().out)

    return run


def small_clip() -> CLIP:
    """As wide at its ends as ViT-B/32, and thin between."""
    seen = {"image_size": 224, "layers": 1, "width": 64, "head_width": 32, "patch_size": 32}
    read = {"context_length": 77, "vocab_size": 100, "width": 32, "heads": 2, "layers": 1}
    return CLIP(512, seen, read, quick_gelu=True)


def test_a_step_of_every_kind_ends_where_the_reference_loop_does(figures: Figures) -> None:
    found = figures("step", "--resolution", "32", "--coarse", "16", "--clips", "2", "--rounds", "1")[
        "variants"
    ]
    compared = {
        name: row["difference of the similarity"] for name, row in found.items() if " at " not in name
    }
    exact = [difference for name, difference in compared.items() if "bfloat16" not in name]
    assert len(exact) == 5 and max(exact) < 1e-5
    assert max(compared.values()) < 0.02
    assert all(
        row["seconds per clip-step"] > 0 and row["peak memory per clip [GB]"] > 0 for row in found.values()
    )


def test_a_whole_optimisation_is_timed(figures: Figures) -> None:
    found = figures("optimisation", "--resolution", "32", "--coarse", "16", "--clips", "2", "--steps", "2")[
        "rows"
    ]
    assert "16 px, the last 2 full, float32" in found
    assert all(row["seconds per clip"] > 0 for row in found.values())


def test_coarse_steps_are_weighed_against_exact_ones(figures: Figures) -> None:
    found = figures("progressive", "--targets", "1", "--steps", "3")
    tables = [rows for rows in found.values() if isinstance(rows, dict)]
    assert len(tables) == 4
    for rows in tables:
        assert rows["exact"]["share of the gain"] == 1
        assert rows["64 of 128 px, the last 8 steps full"]["share of the gain"] == pytest.approx(
            1, abs=1e-4
        ), "more full steps than steps: all exact"
        assert rows["64 of 128 px, the last 2 steps full"]["share of the gain"] != 1


def test_audio_files_are_counted(figures: Figures) -> None:
    found = figures("encode", "--clips", "4")
    assert found["both at once [clips/s]"] > 0


def test_a_soak_counts_memory_and_bytes(tmp_path: Path) -> None:
    found = in_a_process(tmp_path, "scale", "--clips", "32", "--processes", "1", "--planned", "1000")
    assert 0 < found["soak"]["share of the loop inside the optimisation"] <= 1
    assert found["planning"]["resume"]["cohorts done"] > 0


def test_words_arrive_and_edits_change_what_the_voice_says(figures: Figures) -> None:
    """With two voices: bounds far below what is seen with more."""
    found = figures("guidance", "--voices", "1")
    words = found["words beside voices"]
    for text in ("a person with black hair", "a person with blond hair", "a person with glasses"):
        assert words[text]["with it"] >= 0.5
        assert words[text]["sex as heard"] >= 0.75
    assert found["a person with glasses, negative"]["with it"] <= 0.25
    assert found["given faces edited by voices of the other sex"]["changed sex"] >= 0.5


def test_edits_keep_whose_a_face_is_and_beards_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent / "benchmarks"))
    import guidance

    found = guidance.edited(3, **guidance.edit_settings())
    assert found["changed sex"] >= 0.8
    assert found["nearer than strangers, by identity"] >= 0.95
    assert found["nearer than strangers, by the judge without sex"] >= 0.7  # sees hair, beard and age, too
    assert found["same glasses"] >= 0.8
    source, clips = guidance.voices(3)
    men = [clip for clip in clips if clip.labels["sex"] == "male"]
    bearded = guidance.faces(source, men, prompts=guidance.voice_and_words("a man with a beard", 1.0))
    told = guidance.judged(bearded)
    assert guidance.share_of(told.told["beard"], "with") >= 0.6
    assert not told.female.any()


def test_variants_are_judged_side_by_side(figures: Figures) -> None:
    found = figures("tricks", "--voices", "8", "--seeds", "1", "--samples", "100", "--only", "no step")
    assert len(found) == 2
    for row in found.values():
        assert row["sex"] >= 0.8
        assert {"age", "shift", "diversity", "plausible"} <= set(row)

"""The Python and the configurations that the documents show work as they stand there."""

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from PIL import Image

from stylewav_pl.cli import main
from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.evaluation.prompts import PromptSet
from stylewav_pl.face import Face
from stylewav_pl.pocket.voices import held_out_speakers, speak
from stylewav_pl.runs.finished import FinishedRun

REPOSITORY = Path(__file__).resolve().parents[1]
OWN_PARTS = "docs/own-parts.md"
RATE = 16_000
FENCED = re.MULTILINE | re.DOTALL
Run = Callable[[str], dict[str, object]]


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    text = (REPOSITORY / document).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, FENCED)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs all Python of a document beside the recordings that it speaks of, and returns what it has made."""
    voices = [speak(speaker, 0, 1.0, RATE) for speaker in held_out_speakers(1)]
    for name, voice in zip(("a.wav", "voice.wav"), voices, strict=True):
        soundfile.write(tmp_path / name, voice, RATE)
    soundfile.write(tmp_path / "b.mp3", voices[0], RATE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Image.Image, "show", lambda image: None)

    def run_document(document: str) -> dict[str, object]:
        # A module that can be imported again: the parser of other tests looks for every subclass there is.
        module = ModuleType(re.sub(r"\W", "_", document))
        sys.modules[module.__name__] = module
        module.__dict__["array"] = np.asarray(voices[1])
        for block in blocks(document, "python"):
            exec(compile(block, document, "exec"), module.__dict__)
        return module.__dict__

    return run_document


def test_readme_gives_a_face(run: Run, tmp_path: Path) -> None:
    assert isinstance(run("README.md")["face"], Face)
    assert (tmp_path / "out/images/voice.png").is_file()


def test_first_steps_gives_four_faces_of_each_voice(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    faces = run("docs/start.md")["faces"]
    assert [face.id for face in faces][3:6] == ["a#4", "recording#1", "recording#2"]
    assert capsys.readouterr().out.startswith("0 [")


def test_the_page_about_python_runs(run: Run, tmp_path: Path) -> None:
    faces = run("docs/direct.md")["faces"]
    assert len(faces) == 8 and all(isinstance(face, Face) for face in faces)
    assert (tmp_path / "out/images/voice.png").is_file()


def test_the_networks_work_alone(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run(OWN_PARTS)
    assert re.search(r"tensor\(\[\[-?\d", capsys.readouterr().out)


def test_parts_of_ones_own_make_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The classes of the page, in a module, named by the configuration of the page."""
    parts = blocks(OWN_PARTS, "python")[:-1]  # the last one is about the package's own networks
    (tmp_path / "my_parts.py").write_text("\n".join(parts), encoding="utf-8")
    (settings,) = blocks(OWN_PARTS, "yaml")
    config = tmp_path / "my.yaml"
    config.write_text(f"{settings}trainer: {{accelerator: cpu}}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("my_parts")  # as an installed package would be found
    assert main(["fit", "--config", str(config), "--run", str(tmp_path / "run")]) == 0
    finished = FinishedRun(tmp_path / "run")
    assert [row.clip.labels["pitch"] for row in finished.rows] == ["low"] * 3 + ["high"] * 3
    assert all(row.similarity_end > row.similarity_start for row in finished.rows)
    assert finished.manifest["scored_with"]["judge"] == "my_parts.Eye"
    assert PromptSet("pitch", finished.manifest["scored_with"]["prompts"]["pitch"]).labels == ("low", "high")


def test_the_site_leads_to_every_page_and_notebook() -> None:
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    settings = tomllib.loads((REPOSITORY / "zensical.toml").read_text("utf-8"))
    led_to = set(re.findall(r"'([\w/-]+\.md)'", str(settings["project"]["nav"])))
    pages = {path.name for path in (REPOSITORY / "docs").glob("*.md")} | {"model-card.md"}
    notebooks = {f"examples/{path.stem}.md" for path in (REPOSITORY / "examples").glob("*.ipynb")}
    assert led_to == pages | notebooks


@pytest.mark.parametrize("part", ["Decoder", "Ear", "Eye", "Hums"])
def test_a_part_takes_fifteen_lines_or_hardly_more(part: str) -> None:
    (block,) = [text for text in blocks(OWN_PARTS, "python") if f"class {part}(" in text]
    lines = [line for line in block.splitlines() if line.strip() and '"""' not in line]
    assert len(lines) <= 20


def test_words_of_documented_commands_are_known_to_the_networks_that_see_them() -> None:
    places = [
        REPOSITORY / "README.md",
        *(REPOSITORY / "docs").glob("*.md"),
        *REPOSITORY.glob("configs/**/*.yaml"),
    ]
    asked = re.compile(r'(?:--text|--negative|"text":|text=|negative=) ?"([^"]+)"')
    texts = sorted({words for path in places for words in asked.findall(path.read_text("utf-8"))})
    assert len(texts) > 3
    load_image_text_embedder("pocket").embed_text(texts)  # refuses the words that it does not know


def test_the_rooms_are_shown_in_the_order_that_is_checked() -> None:
    (order,) = re.findall(r"^layers = \[\n(.*?)^\]", (REPOSITORY / "pyproject.toml").read_text(), FENCED)
    (shown,) = [text for text in blocks("docs/architecture.md", "text") if text.startswith("__main__")]
    assert shown.splitlines() == re.findall('"(.+)"', order)


def test_no_page_makes_a_reader_fetch_anything_from_elsewhere() -> None:
    """Zensical's page would fetch the program that draws Mermaid's figures."""
    pages = [*(REPOSITORY / "docs").glob("*.md"), *(REPOSITORY / "examples").glob("*.ipynb")]
    elsewhere = re.compile(r"```mermaid|!\[[^\]]*\]\(https?:|<(?:img|script|iframe|link)\b[^>]*https?:")
    assert not {page.name: found for page in pages if (found := elsewhere.findall(page.read_text("utf-8")))}

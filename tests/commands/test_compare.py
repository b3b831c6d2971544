"""Generators side by side, from finished runs and from one experiment with overlays."""

import csv
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_up_run import write_face
from PIL import Image

from stylewav_pl.cli import main
from stylewav_pl.runs.directory import RunDirectory

PROMPTS = {"male": "this is a photo of a boy", "female": "this is a photo of a girl"}
COLOURS = ["#3b6fb6", "#d1495b", "#7a7a7a", "#20a040", "#e0c020", "#602080"]
HEADER = ["id", "path", "speaker", "sex", "seed", "status", "similarity_start", "similarity_end"]


def write_run(
    folder: Path, right: Callable[[int, int], bool], voices: int = 6, seeds: int = 2, judge: str = "judge"
) -> Path:
    """A run of two faces for each voice, of which those are judged right that are said to be."""
    folder.mkdir(parents=True)
    rows = [[*HEADER, *(f"score: {prompt}" for prompt in PROMPTS.values())]]
    for voice in range(voices):
        own = list(PROMPTS)[voice % 2]
        for seed in range(seeds):
            id = f"<v{voice}>#{seed + 1}"
            write_face(RunDirectory(folder).image_path(id), COLOURS[(voice + seed) % len(COLOURS)], seed)
            seen = own if right(voice, seed) else list(PROMPTS)[1 - voice % 2]
            scores = ["0.3" if label == seen else "0.1" for label in PROMPTS]
            rows.append([id, "a.wav", f"s{voice}", own, "1", "done", "0.1", "0.5", *scores])
    with (folder / "results.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    scored = {"prompts": {"sex": PROMPTS}, "guide": "guide", "judge": judge, "seed": 0}
    facts = {"timing": {"cohort_seconds": 24.0}, "counts": {"done": voices * seeds}, "scored_with": scored}
    (folder / "manifest.json").write_text(json.dumps(facts))
    (folder / "config.yaml").write_text(
        f"model: {{generator: net, latent_space: W, num_steps: 7}}\ndata: {{count: {seeds}}}\n"
    )
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    """One in which every face is right, and one in which the second seed of every third voice is not."""
    good = write_run(tmp_path / "good", lambda voice, seed: True)
    worse = write_run(tmp_path / "worse<b>", lambda voice, seed: seed == 0 or voice % 3 > 0)
    return [str(good), str(worse)]


def compare(*words: str, output: Path) -> int:
    return main(["compare", *words, "-o", str(output), "--reference-faces", "12"])


def read_table(folder: Path) -> list[dict[str, str]]:
    with (folder / "comparison.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Attributes(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]


def test_finished_runs_side_by_side(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(*runs, output=tmp_path / "out") == 0
    told = capsys.readouterr().out
    good, worse, drawn = read_table(tmp_path / "out")
    assert [good["run"], worse["run"], drawn["run"]] == ["good", "worse<b>", "drawn faces"]
    assert "worse<b>" in told and "kernel distance" in told
    assert (good["voices"], good["faces"], good["steps"], good["generator"]) == ("6", "12", "7", "net")
    assert float(good["sex_right"]) == 1
    assert float(good["sex_same_answer"]) == 1
    assert float(good["sex_same_answer_by_chance"]) == pytest.approx(2 * 3 * 4 / 60)  # of pairs of voices
    assert float(worse["sex_same_answer"]) == pytest.approx(4 / 6)
    assert float(good["seconds_per_face"]) == 2
    assert float(good["similarity_end"]) == 0.5
    assert float(drawn["kernel_distance"]) < float(good["kernel_distance"])
    assert float(drawn["diversity"]) > 0
    assert drawn["sex_right"] == ""
    numbers = json.loads((tmp_path / "out" / "comparison.json").read_text("utf-8"))
    assert numbers["runs"][1]["traits"]["sex"]["agreement"]["same_voice"] == pytest.approx(4 / 6)
    assert numbers["judge"] == "judge"


def test_the_page_is_whole_and_shows_the_same_voices_of_each_run(runs: list[str], tmp_path: Path) -> None:
    assert compare(*runs, output=tmp_path / "out") == 0
    page = (tmp_path / "out" / "comparison.html").read_text("utf-8")
    read = Attributes()
    read.feed(page)
    assert all(source.startswith("data:image/jpeg;base64,") for source in read.sources)
    assert len(read.sources) == 2 * 2 * 6  # runs, seeds, voices
    assert "script" not in read.tags and "b" not in read.tags and "worse&lt;b&gt;" in page
    assert "not a portrait" in page
    with Image.open(tmp_path / "out" / "comparison.png") as picture:
        bands = [picture.getpixel((2, y)) for y in range(picture.height)]
    assert len(dict.fromkeys(bands)) == 3  # a tint for each run, and paper between them


def test_only_the_voices_of_all_runs_are_compared(runs: list[str], tmp_path: Path) -> None:
    few = write_run(tmp_path / "few", lambda voice, seed: True, voices=4)
    assert compare(*runs, str(few), output=tmp_path / "out") == 0
    assert {row["faces"] for row in read_table(tmp_path / "out")[:3]} == {"8"}
    assert "4 faces that are not in all runs" in (tmp_path / "out" / "comparison.html").read_text("utf-8")


def test_voices_with_one_face_have_no_consistency(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", lambda voice, seed: True, seeds=1)
    assert compare(str(run), output=tmp_path / "out") == 0
    row, _ = read_table(tmp_path / "out")
    assert row["same_voice_distance"] == row["sex_same_answer"] == ""
    assert float(row["diversity"]) > 0


def test_pictures_of_ones_own_to_compare_with(runs: list[str], tmp_path: Path) -> None:
    """The faces of the runs themselves: nothing is nearer."""
    assert compare(*runs, "--reference", f"{runs[0]}/images", output=tmp_path / "own") == 0
    assert compare(*runs, output=tmp_path / "drawn") == 0
    near, far = read_table(tmp_path / "own"), read_table(tmp_path / "drawn")
    assert float(near[0]["kernel_distance"]) < float(far[0]["kernel_distance"])
    assert near[-1]["run"] == "pictures of images"


def test_what_cannot_be_compared_is_told(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_run(tmp_path / "other", lambda voice, seed: True, judge="another")
    (tmp_path / "empty").mkdir()

    def refused(code: int, sentence: str, *words: str) -> None:
        assert compare(*words, output=tmp_path / "out") == code
        told = capsys.readouterr().err
        assert sentence in told and "Traceback" not in told

    refused(2, "different judges (good: judge, other: another)", runs[0], str(other))
    refused(5, "has no results.csv", str(tmp_path / "empty"))
    refused(2, "neither", *())
    refused(2, "Add the other", "--config", "compare.yaml")
    overlays = ["--with", "a/x.yaml", "--with", "b/x.yaml"]
    refused(2, "one directory", "--config", "compare.yaml", *overlays)
    refused(2, "--reference", runs[0], "--reference", str(tmp_path / "empty"))
    image = next((Path(runs[0]) / "images").iterdir())
    image.write_bytes(b"")
    refused(5, "missing or damaged", *runs)
    assert not (tmp_path / "out").exists()


def test_an_experiment_with_overlays_is_run_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both runs are made, and a second call makes nothing again."""
    base = {
        "model": {"generator": "pocket", "guide": "pocket", "audio": "pocket", "num_steps": 1},
        "data": {
            "count": 2,
            "num_workers": 0,
            "sources": [{"class_path": "BuiltinVoices", "init_args": {"per_sex": 1}}],
        },
        "trainer": {"accelerator": "cpu"},
        "clip_score": {"judge": "pocket-judge", "prompts": {"sex": PROMPTS}},
    }
    codes = {"generator": "pocket-vqgan", "latent_space": "Codes", "start": {"truncation": 1.0}}
    files = {"base": base, "styles": {"model": {"start": {"truncation": 0.5}}}, "codes": {"model": codes}}
    for name, content in files.items():
        (tmp_path / f"{name}.yaml").write_text(json.dumps(content))
    overlays = [word for name in ("styles", "codes") for word in ("--with", str(tmp_path / f"{name}.yaml"))]
    words = ["--config", str(tmp_path / "base.yaml"), *overlays]
    assert compare(*words, output=tmp_path / "out") == 0
    styles, codes_row, _ = read_table(tmp_path / "out")
    assert (styles["generator"], styles["run"], styles["faces"]) == ("pocket", "styles", "4")
    assert (codes_row["generator"], codes_row["latent_space"]) == ("pocket-vqgan", "Codes")
    written = (tmp_path / "out" / "comparison.csv").read_bytes()
    capsys.readouterr()
    assert compare(*words, output=tmp_path / "out") == 0
    assert capsys.readouterr().out.count("4 faces are there already") == 2
    assert (tmp_path / "out" / "comparison.csv").read_bytes() == written

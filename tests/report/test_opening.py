"""The report opens with faces: own recordings first, each with its voice, its way and what was heard."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylewav_pl.evaluation.heard import QUESTIONS
from stylewav_pl.evaluation.prompts import SEX
from stylewav_pl.pictures.grid import frames_of, strip
from stylewav_pl.pictures.sheets import write_sheet
from stylewav_pl.report.html import write_report
from stylewav_pl.report.opening import MOST_FACES
from stylewav_pl.report.page import Page, build_page
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.embeddings import CohortEmbeddings, write_embeddings, write_prompts
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.rows import read_results

STEPS = (0, 4, 20)


def opened(run: Path) -> Page:
    return build_page(FinishedRun(run))


def built_in(run: Path, *numbers: int) -> None:
    """Makes built-in voices of some clips."""
    text = (run / "results.csv").read_text()
    for number in numbers:
        text = text.replace(f"voices/voice-{number:03}.wav", f"builtin:v{number}")
    (run / "results.csv").write_text(text)


def with_strips(run: Path) -> None:
    """Gives every clip a strip of a black, a grey and a white frame."""
    (run / "config.yaml").write_text(f"model: {{frame_steps: {list(STEPS)}}}\n")
    frames = [np.full((32, 32, 3), shade, np.uint8) for shade in (0, 128, 255)]
    (run / "strips").mkdir()
    for row in read_results(run):
        strip(frames, STEPS).save(run / "strips" / f"{row.clip.id}.png")


def with_embeddings(run: Path, prompts: tuple[str, ...]) -> list[str]:
    """Gives every clip a target that is one of the prompts, in turn; returns the ids."""
    vectors = np.eye(len(prompts))
    ids = tuple(row.clip.id for row in read_results(run) if row.done)
    targets = np.stack([vectors[index % len(prompts)] for index in range(len(ids))])
    write_embeddings(RunDirectory(run).embeddings_path(0), CohortEmbeddings(ids, targets, targets))
    write_prompts(RunDirectory(run).prompts_path, dict(zip(prompts, vectors, strict=True)))
    return list(ids)


def test_a_few_faces_of_each_population_come_first(make_run: Callable[..., Path]) -> None:
    page = opened(make_run(voices=9, unlabelled=2))
    assert [(group.label, len(group.faces), group.total) for group in page.opening] == [
        ("male", MOST_FACES, 9),
        ("female", MOST_FACES, 9),
        ("", 2, 2),
    ]
    html = write_report(FinishedRun(make_run(voices=9, unlabelled=2))).read_text("utf-8")
    order = [html.index(part) for part in ('class="verdict"', 'class="opening"', "the numbers", 'id="clips"')]
    assert order == sorted(order)


def test_own_recordings_come_before_built_in_ones(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=10, unlabelled=0)
    built_in(run, *range(0, 14))  # males are even, females odd: three of each are left
    male = opened(run).opening[0]
    assert [face.entry.is_built_in for face in male.faces] == [False] * 3 + [True] * 3
    assert [face.entry.row.clip.id for face in male.faces[:3]] == ["voice-014", "voice-016", "voice-018"]


def test_a_strip_is_cut_into_its_frames_again(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=2, unlabelled=0)
    with_strips(run)
    face = opened(run).opening[0].faces[0]
    assert [caption for caption, _ in face.frames] == ["start", "step 4", "final"]
    drawn = strip([np.full((32, 32, 3), shade, np.uint8) for shade in (0, 128, 255)], STEPS)
    assert [int(np.asarray(frame).mean()) for frame in frames_of(drawn)] == [0, 128, 255]


def test_without_a_strip_the_way_is_from_start_to_final(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=2, unlabelled=0)
    ids = with_embeddings(run, SEX.sentences)
    write_sheet(RunDirectory(run).starts_path(0), [np.zeros((32, 32, 3), np.uint8) for _ in ids])
    face = opened(run).opening[0].faces[0]
    assert [caption for caption, _ in face.frames] == ["start", "final"]
    (run / "strips").mkdir()
    (run / "strips" / f"{face.entry.row.clip.id}.png").write_bytes(b"no picture")
    assert len(opened(run).opening[0].faces[0].frames) == 2, "a damaged strip is none"


def test_what_was_heard_is_told_by_the_runs_own_prompts(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=2, unlabelled=0)
    with_embeddings(run, SEX.sentences)
    (heard,) = opened(run).opening[0].faces[0].heard
    sure = float(np.exp(10) / (np.exp(10) + 1))
    assert (heard.question, heard.best) == ("sex", ("male", pytest.approx(sure)))


def test_a_run_without_prompts_opens_with_what_was_heard_and_the_face(
    make_run: Callable[..., Path],
) -> None:
    run = make_run(voices=1, unlabelled=0)
    (run / "results.csv").write_text(
        "id,path,speaker,seed,status,similarity_start,similarity_end\n"
        "voice-000,voices/voice-000.wav,,1,done,0.1,0.5\n"
    )
    Image.new("RGB", (600, 600), "teal").save(RunDirectory(run).image_path("voice-000"))
    texts = tuple(text for by_word in QUESTIONS.values() for text in by_word.values())
    with_embeddings(run, texts)
    page = opened(run)
    (face,) = page.opening[0].faces
    assert [(one.question, one.best[0]) for one in face.heard] == [("sex", "female"), ("age", "child")]
    assert face.heard[1].best[1] == pytest.approx(1 / 3), "a target that is none of the words fits all alike"
    assert page.all_opened and len(face.face) > 2 * len(face.entry.face or ""), "larger than in the list"
    html = write_report(FinishedRun(run)).read_text("utf-8")
    assert html.index("What the encoder hears") < html.index('id="clips"')
    assert "More faces" not in html, "nothing is shown twice"


def test_tiles_lead_to_their_clips(make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stylewav_pl.report.page.MAX_CLIPS", 4)
    page = opened(make_run(voices=5, unlabelled=0))
    numbers = {tile.id: tile.number for tiles in page.tiles.values() for tile in tiles}
    listed = {entry.row.clip.id: entry.number for entry in page.clips}
    assert len(numbers) == 10 and len(listed) == 4
    assert {id: number for id, number in numbers.items() if number is not None} == listed


def test_gains_share_a_scale(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=1, unlabelled=0)
    (run / "curves.csv").write_text("id,0,1,2\nvoice-000,0.8,0.8,0.9\nvoice-001,0.1,0.1,0.3\n")
    heights = [float(entry.spark.split()[-1].partition(",")[2]) for entry in opened(run).clips]
    assert heights == [16.0, 2.0], "half of the largest gain is half-way up, however near it began"

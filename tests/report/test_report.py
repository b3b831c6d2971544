"""The report is whole, opens from any run, and lets nobody in."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stylewav_pl.report.page as page_module
from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.evaluation.evaluate import evaluate
from stylewav_pl.evaluation.prompts import REPORT_NOTICE, SEX, PromptSet, judge_note
from stylewav_pl.pictures.sheets import write_sheet
from stylewav_pl.report.figures import distributions, forest_plot
from stylewav_pl.report.html import write_report
from stylewav_pl.report.statistics_file import write_statistics
from stylewav_pl.report.verdict import verdict
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.embeddings import CohortEmbeddings, write_embeddings
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.rows import read_results

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>"


class Reader(HTMLParser):
    """Collects tags with their attributes, and the visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    def with_attribute(self, name: str) -> list[str]:
        return [tag for tag, attributes in self.tags if name in attributes]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def read(run: Path) -> Reader:
    return Reader(write_report(FinishedRun(run)).read_text("utf-8"))


def test_the_page_shows_what_the_run_found(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=8, unlabelled=2)
    evaluation = evaluate(
        read_results(run), SEX, permutations=99, notes=[REPORT_NOTICE, judge_note("pocket", "pocket")]
    )
    write_statistics(FinishedRun(run), [evaluation])
    page = read(run)
    counts = ["male voices 8 faces", "other voices 2 faces"]
    for expected in [
        verdict(evaluation),
        REPORT_NOTICE,
        "Judge and guide are the same model",
        "0.241",
        *counts,
        "torch",
        "silent",
    ]:
        assert expected in page.text
    mean = evaluation.observed.means[SEX.sentences[0]]["male"]
    assert isinstance(mean, float) and f"{mean:.3f}" in page.text
    faces = sum(row.done for row in read_results(run))
    assert page.count("polyline") >= faces == 18, "each clip has its curve"
    assert page.count("img") >= 2 * faces, "each face is in its population and in the list"
    assert not page.with_attribute("data-sound"), "no sound was to be had"


def test_start_images_and_sounds_are_shown_where_there_are_some(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=4, unlabelled=0)
    ids = [row.clip.id for row in read_results(run) if row.done]
    for cohort in (0, 1):
        some = tuple(ids[cohort::2])
        write_embeddings(
            RunDirectory(run).embeddings_path(cohort), CohortEmbeddings(some, np.eye(4), np.eye(4))
        )
        write_sheet(
            RunDirectory(run).starts_path(cohort),
            [np.full((32, 32, 3), 60 * position, np.uint8) for position in range(4)],
        )
    page = Reader(
        write_report(
            FinishedRun(run), sounds=lambda id: (np.zeros(1600, np.float32), 16000) if id == ids[2] else None
        ).read_text("utf-8")
    )
    starts = {
        attributes["alt"]: picture(attributes["src"])
        for tag, attributes in page.tags
        if str(attributes.get("alt")).startswith("start")
    }
    assert [int(np.asarray(starts[f"start image of {id}"]).mean().round()) for id in ids] == [
        0,
        0,
        60,
        60,
        120,
        120,
        180,
        180,
    ]
    (sound,) = [attributes for _, attributes in page.tags if "data-sound" in attributes]
    assert (
        str(sound["data-sound"]).startswith("data:audio/mpeg;base64,")
        and sound["aria-label"] == f"play {ids[2]}"
    )
    assert "its median rank is" in page.text


def picture(uri: str | None) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(str(uri).partition(",")[2])))


def test_the_funnel_is_shown(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=3)
    (run / "funnel.json").write_text(
        json.dumps([{"source": "en", "population": "male <b>", "stage": "long enough", "count": 1234567}])
    )
    page = read(run)
    assert "male <b> long enough 1,234,567" in page.text and page.count("b") == read(
        make_run(voices=3)
    ).count("b")


@pytest.mark.parametrize("content", ["{", "[3]", '[{"source": "x"}]'])
def test_a_damaged_funnel_is_named(make_run: Callable[..., Path], content: str) -> None:
    run = make_run(voices=2)
    (run / "funnel.json").write_text(content)
    with pytest.raises(RunDirectoryError, match=r"source, population, stage and count in .*funnel\.json"):
        write_report(FinishedRun(run))


@pytest.mark.slow
def test_two_hundred_clips_with_sounds_stay_small(make_run: Callable[..., Path]) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 5 * 16000).astype(np.float32)
    path = write_report(FinishedRun(make_run(voices=100, unlabelled=0)), sounds=lambda _: (noise, 16000))
    html = path.read_text("utf-8")
    assert html.count("data-sound=") == 200
    assert path.stat().st_size < 25_000_000


def test_the_page_needs_nothing_from_outside(make_run: Callable[..., Path]) -> None:
    page = read(make_run())
    sources = [
        value for _, attributes in page.tags for name, value in attributes.items() if name in {"src", "href"}
    ]
    inside = [source for source in sources if source is not None and source.startswith(("data:image/", "#"))]
    assert inside and inside == sources
    places = {attributes.get("id") for _, attributes in page.tags}
    assert {source[1:] for source in inside if source.startswith("#")} <= places, (
        "links lead to places of the page"
    )


def test_one_script_runs_and_no_other(make_run: Callable[..., Path]) -> None:
    html = write_report(FinishedRun(make_run())).read_text("utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    (policy,) = [
        attributes["content"]
        for tag, attributes in Reader(html).tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert (
        policy is not None
        and f"script-src 'sha256-{digest}'" in policy
        and "default-src 'none'" in policy
        and "unsafe" not in policy
    )
    assert not any("style" in attributes for _, attributes in Reader(html).tags), (
        "the policy forbids styles in attributes"
    )


def test_text_of_the_user_is_text(make_run: Callable[..., Path]) -> None:
    """Ids, paths, speakers, labels, prompts, notes, skips, manifest and configuration, all hostile."""
    run = make_run(voices=4, images=False)
    results = (run / "results.csv").read_text()
    quoted = '"' + ATTACK.replace('"', '""') + '"'
    results = results.replace("voice-000,voices/voice-000.wav,s0", ",".join([quoted] * 3)).replace(
        ",male,", f",{quoted},"
    )
    results = results.replace(f"score: {SEX.sentences[0]}", '"score: ' + quoted[1:]).replace(
        ",sex,", f",{quoted},"
    )
    (run / "results.csv").write_text(results)
    (run / "skipped.csv").write_text(f"id,path,reason,detail\n{','.join([quoted] * 4)}\n")
    (run / "manifest.json").write_text(json.dumps({ATTACK: ATTACK}))
    (run / "config.yaml").write_text(ATTACK)
    prompts = PromptSet(ATTACK, {ATTACK: ATTACK, "female": SEX.sentences[1]})
    write_statistics(FinishedRun(run), [evaluate(read_results(run), prompts, permutations=9, notes=[ATTACK])])
    hostile = read(run)
    clean = read(make_run(voices=4, images=False))
    assert hostile.count("script") == clean.count("script") == 1
    assert not any("onerror" in attributes for _, attributes in hostile.tags)
    assert hostile.text.count("<script>alert(1)</script>") >= 10


def test_a_dollar_or_a_strange_letter_in_a_prompt_is_drawn(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=4)
    prompt = "a $photo$_{ of 男の子 \\frac"
    (run / "results.csv").write_text(
        (run / "results.csv").read_text().replace(f"score: {SEX.sentences[0]}", f"score: {prompt}")
    )
    evaluation = evaluate(
        read_results(run), PromptSet("sex", {"male": prompt, "female": SEX.sentences[1]}), permutations=9
    )
    figure = forest_plot(evaluation)
    assert figure is not None and "1.94" in figure
    drawn = distributions(evaluation, read_results(run))
    assert drawn is not None and f">{prompt}</text>" in drawn


@pytest.mark.parametrize("name", ["curves.csv", "skipped.csv", "manifest.json", "images"])
def test_missing_files_are_fine(make_run: Callable[..., Path], name: str) -> None:
    run = make_run(voices=3, images=name != "images")
    if name != "images":
        (run / name).unlink()
    assert "shows in the faces" in read(run).text


def test_only_results_are_needed(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(
        "id,path,speaker,seed,status,similarity_start,similarity_end\na,a.wav,,1,done,0.1,0.5\n"
    )
    page = read(tmp_path)
    assert "1 face; this run was not scored" in page.text
    assert page.count("script") == 1


def test_a_run_in_which_nothing_was_finished_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(
        "id,path,speaker,seed,status,similarity_start,similarity_end\na,a.wav,,,skipped,,\n"
    )
    assert "No clip was finished" in read(tmp_path).text


def test_statistics_that_do_not_fit_the_scores_are_said(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=3)
    write_statistics(FinishedRun(run), [evaluate(read_results(run), SEX, permutations=9)])
    (run / "results.csv").write_text((run / "results.csv").read_text().replace("score: this", "score: that"))
    assert "Score the run with these prompts first" in read(run).text


def test_what_cannot_be_computed_is_said(make_run: Callable[..., Path]) -> None:
    page = read(make_run(voices=1))
    assert "cannot be computed: a population has one speaker only" in page.text
    assert "nan" not in page.text.lower().split()


def test_a_large_run_is_sampled(make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "MAX_CLIPS", 5)
    monkeypatch.setattr(page_module, "MAX_FACES", 3)
    text = read(make_run(voices=10, unlabelled=0)).text
    assert "sample of 5 of 20 clips" in text
    assert "male voices 3 of 10 faces" in text


def test_the_same_run_gives_the_same_page(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=3)
    assert write_report(FinishedRun(run)).read_bytes() == write_report(FinishedRun(run)).read_bytes()


def test_without_results_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match=r"no results\.csv"):
        write_report(FinishedRun(tmp_path))
    assert not list(tmp_path.iterdir())

"""The report in a real browser: it opens without a word in the console, sorts, filters, plays, and fits a
phone and a printer."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stylewav_pl.report.html import write_report
from stylewav_pl.runs.finished import FinishedRun

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
Axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


def tone(id: str) -> tuple[np.ndarray, int]:
    """Half a second of a tone that depends on the clip."""
    return 0.3 * np.sin(2 * np.pi * (200 + len(id)) * np.arange(8000) / 16000).astype(np.float32), 16000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield running
        running.close()


@pytest.fixture
def opened(browser: Any, make_run: Callable[..., Path]) -> Iterator[Any]:
    """The report of a run with a hostile clip, open; whatever the console says fails the test."""
    run = make_run(voices=6, unlabelled=1)
    results = (
        (run / "results.csv").read_text().replace("voice-003,voices", '"<img src=x onerror=alert(1)>",voices')
    )
    (run / "results.csv").write_text(results)
    report = write_report(FinishedRun(run), sounds=tone)
    page, said = browser.new_page(viewport={"width": 1200, "height": 900}), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.goto(report.as_uri(), wait_until="load")
    yield page
    page.close()
    assert said == []


def ids(page: Any) -> list[str]:
    return page.locator("#clips li:visible .id").all_text_contents()


def wait_until(page: Any, expression: str) -> None:
    """The page's own way of waiting evaluates strings, which the page's policy forbids."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


def test_it_sorts_by_numbers_and_by_text(opened: Any) -> None:
    first = ids(opened)
    assert len(first) == 13 and "<img src=x onerror=alert(1)>" in first
    opened.select_option("#sort", label="this is a photo of a boy")
    key = opened.locator("#sort").input_value()
    scores = [float(clip.get_attribute(f"data-k{key}")) for clip in opened.locator("#clips li").all()]
    assert scores == sorted(scores)
    opened.click("#direction")
    scores = [float(clip.get_attribute(f"data-k{key}")) for clip in opened.locator("#clips li").all()]
    assert scores == sorted(scores, reverse=True)
    opened.select_option("#sort", label="sex")
    assert opened.locator("#clips li").last.get_attribute("data-text").strip() == "voice-012 s12", (
        "without a label: last also when descending"
    )
    opened.click("#direction")
    opened.select_option("#sort", label="order of the run")
    assert ids(opened) == first


def test_it_filters(opened: Any) -> None:
    opened.fill("#filter", "male")
    assert len(ids(opened)) == 6
    assert opened.inner_text("#shown") == "6 of 13 clips"
    opened.fill("#filter", "FEMALE s3")
    assert ids(opened) == ["<img src=x onerror=alert(1)>"]
    opened.fill("#filter", "")
    assert len(ids(opened)) == 13


def test_it_plays_one_voice_at_a_time(opened: Any) -> None:
    first, second = opened.locator("button.play").nth(0), opened.locator("button.play").nth(1)
    first.click()
    wait_until(opened, "document.getElementById('clips').player.currentTime > 0.05")
    second.click()
    assert (first.get_attribute("aria-pressed"), second.get_attribute("aria-pressed")) == ("false", "true")
    wait_until(opened, "document.getElementById('clips').player.ended")
    assert 0.4 < opened.evaluate("document.getElementById('clips').player.duration") < 0.7
    wait_until(opened, "!document.querySelector('.play[aria-pressed=true]')")


@pytest.mark.parametrize("width", [390, 768, 1200])
def test_nothing_is_wider_than_the_screen(opened: Any, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 844})
    opened.evaluate("document.getElementById('sort').add(new Option('a long prompt '.repeat(30)))")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")


def test_it_prints_without_its_controls(opened: Any) -> None:
    opened.emulate_media(media="print")
    assert not opened.locator(".tools").is_visible()
    assert not opened.locator("button.play").first.is_visible()
    assert opened.pdf()[:5] == b"%PDF-"
    margins = (
        "[...document.styleSheets[0].cssRules].filter((rule) => rule instanceof "
        "CSSPageRule).map((rule) => rule.style.marginLeft)"
    )
    assert opened.evaluate(margins) == ["12mm"], (
        "whatever the printer thinks of margins, nothing is printed on the edge"
    )


def test_pointing_at_a_face_or_tapping_it_shows_its_way(opened: Any) -> None:
    second, way = opened.locator(".pick").nth(1), opened.locator(".way").nth(1)
    assert opened.locator(".way:visible").count() == 3, "the first one of each population"
    assert not way.is_visible()
    second.hover()
    assert way.is_visible() and second.get_attribute("aria-pressed") == "true"
    opened.locator(".pick").nth(2).click()
    assert not way.is_visible() and opened.locator(".way").nth(2).is_visible()


def test_the_opening_plays_the_voices_of_the_list(opened: Any) -> None:
    opened.locator(".card .play").first.click()
    wait_until(opened, "document.getElementById('clips').player.currentTime > 0.05")
    number = opened.locator(".card .play").first.get_attribute("data-play")
    sound = opened.locator(f"#sound-{number}").get_attribute("data-sound")
    assert opened.evaluate("document.getElementById('clips').player.src") == sound


def test_a_tile_leads_to_its_clip_through_a_filter(opened: Any) -> None:
    opened.fill("#filter", "female")
    target = opened.locator(".tiles a").first
    clip = opened.locator(f"#clips {target.get_attribute('href')}")
    assert not clip.is_visible(), "a man's"
    target.click()
    wait_until(opened, f"!document.querySelector('#clips {target.get_attribute('href')}').hidden")
    assert opened.input_value("#filter") == ""


def test_on_a_phone_tables_have_all_their_values_on_the_screen(opened: Any) -> None:
    opened.set_viewport_size({"width": 390, "height": 844})
    heads = opened.locator("table.stack tbody tr").first.locator("td").all()
    assert [cell.get_attribute("data-head") for cell in heads][:2] == ["difference", "t"]
    assert opened.evaluate(
        "[...document.querySelectorAll('.wide')].every((box) => box.scrollWidth <= box.clientWidth)"
    )
    pair = opened.locator("#clips .pair").first.bounding_box()
    assert pair["width"] > 0.85 * 390, "a card uses the width that there is"


def test_how_it_was_made_is_folded(opened: Any) -> None:
    assert not opened.locator(".facts-of-run").is_visible()
    opened.locator("details.made summary").click()
    assert opened.locator(".facts-of-run").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_axe_has_nothing_to_say(opened: Any, scheme: str, width: int) -> None:
    """The rules of accessibility that a program can check: contrast, names, headings, what keys can reach."""
    opened.emulate_media(color_scheme=scheme)
    opened.set_viewport_size({"width": width, "height": 844})
    opened.locator("details.made summary").click()
    found = Axe().run(opened).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found] == []


def test_axe_has_nothing_to_say_about_a_run_without_prompts(
    browser: Any, make_run: Callable[..., Path]
) -> None:
    run = make_run(voices=1, unlabelled=0)
    lines = (run / "results.csv").read_text().splitlines()
    kept = [",".join([*line.split(",")[:3], *line.split(",")[4:8]]) for line in lines]  # no label, no score
    (run / "results.csv").write_text("\n".join(kept) + "\n")
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(write_report(FinishedRun(run), sounds=tone).as_uri())
    assert page.locator("article.large img").first.bounding_box()["width"] > 300
    assert Axe().run(page).response["violations"] == []
    page.close()

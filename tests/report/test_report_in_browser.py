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
    return page.locator("#clips li:visible .id").all_inner_texts()


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

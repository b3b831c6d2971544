"""The studio: how soon after the end of a recording a visitor sees something, in a real Chromium."""

import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import soundfile

from stylewav_pl.pocket.voices import held_out_speakers, speak
from stylewav_pl.studio.desk import Desk
from stylewav_pl.studio.look import style, theme
from stylewav_pl.studio.page import build_page

RATE = 48_000
WAIT = 120_000  # milliseconds
# What appears when, in seconds after the press on Stop.
WATCH = """
() => {
  const seen = {};
  let began = performance.now();
  document.addEventListener('click', () => { began = performance.now(); }, {capture: true, once: true});
  const signs = {
    'what is heard': '#heard section', 'first pictures': '#faces img', 'finished': '#faces a[download]',
  };
  const look = () => Object.entries(signs).forEach(([name, sign]) => {
    if (!(name in seen) && document.querySelector(sign)) seen[name] = (performance.now() - began) / 1000;
  });
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
  window.seen = seen;
}
"""


def measure(recordings: int) -> dict[str, Any]:
    """Records a voice of three seconds, each time on a fresh page; returns medians in seconds."""
    with tempfile.TemporaryDirectory() as folder, served() as page, microphone(Path(folder)) as browser:
        seen = [record(browser, page) for _ in range(recordings)]
    return {
        f"{name} [s after the recording ends]": statistics.median(one[name] for one in seen)
        for name in seen[0]
    }


@contextmanager
def microphone(folder: Path) -> Iterator[Any]:
    """Opens a browser whose microphone plays a built-in voice, from a file in that folder."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("benchmark: expected the program chromium, found none. Install it.")
    voice = folder / "voice.wav"
    soundfile.write(voice, speak(held_out_speakers(1)[0], 0, 4.0, RATE), RATE, subtype="PCM_16")
    fake = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with sync_playwright() as started:
        arguments = ["--no-sandbox", *fake, f"--use-file-for-fake-audio-capture={voice}"]
        browser = started.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@contextmanager
def served() -> Iterator[str]:
    """Serves the page as ``stylewav-pl studio`` does, with four faces and the steps that they need."""
    desk = Desk()
    desk.warm_up()
    page = build_page(desk)
    page.queue(default_concurrency_limit=1)
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, share=False, theme=theme(), css=style())
    yield address
    page.close()


def record(browser: Any, address: str) -> dict[str, float]:
    """Returns the seconds from the end of a recording to each sign."""
    page = browser.new_context(permissions=["microphone"]).new_page()
    page.set_default_timeout(WAIT)
    page.goto(address)
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(3000)
    stop = page.locator("#voice").get_by_role("button", name="Stop", exact=True)
    page.evaluate(WATCH)
    stop.click()
    page.wait_for_function("'finished' in window.seen")
    seen: dict[str, float] = page.evaluate("window.seen")
    page.context.close()
    return seen

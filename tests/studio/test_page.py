"""The studio in a real browser, with a microphone that plays a file."""

import base64
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from safetensors.torch import load

gradio = pytest.importorskip("gradio", reason="gradio is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from stylewav_pl.pictures.images import IMAGE_NOTICE  # noqa: E402
from stylewav_pl.pocket.voices import held_out_speakers, speak  # noqa: E402
from stylewav_pl.studio.desk import Desk  # noqa: E402
from stylewav_pl.studio.page import NOTICE, build_page, style, theme  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # sockets of the page's own server
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
LONG = 40_000  # milliseconds: a loaded machine is slow, and only a page that hangs waits so long


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("voices")
    speakers = {one.sex: one for one in held_out_speakers(1)}
    for sex, speaker in speakers.items():
        soundfile.write(folder / f"{sex}.wav", speak(speaker, 0, 4.0, 48_000), 48_000, subtype="PCM_16")
    return {sex: folder / f"{sex}.wav" for sex in speakers}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A page whose faces take three steps."""
    desk = Desk(audio_encoder="pocket", device="cpu")
    desk.count, desk.steps = 2, 3
    page = build_page(desk)
    page.queue(default_concurrency_limit=1)
    _, url, _ = page.launch(
        prevent_thread_lock=True, quiet=True, share=False, theme=theme(), css=style(), max_file_size="2mb"
    )
    yield url
    page.close()


@pytest.fixture(scope="module")
def browser(voices: dict[str, Path]) -> Iterator[Any]:
    microphone = f"--use-file-for-fake-audio-capture={voices['male']}"
    fake = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", microphone]
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *fake])
        yield running
        running.close()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Any]:
    """Opens the page as another visitor each time; requests to anywhere else fail the test."""
    contexts, elsewhere = [], []

    def opened(**how: Any) -> Any:
        contexts.append(browser.new_context(permissions=["microphone"], **how))
        page = contexts[-1].new_page()
        page.set_default_timeout(LONG)
        page.on("request", lambda request: elsewhere.append(request.url))
        page.goto(address)
        page.wait_for_selector("#again")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [url for url in elsewhere if not url.startswith((address, "data:", "blob:"))] == []


def saved(page: Any, label: str, number: int = 0) -> bytes:
    """The content of a link to save something, of one of the faces."""
    link = page.locator("#faces figure").nth(number).get_by_role("link", name=label)
    return base64.b64decode(link.get_attribute("href").partition("base64,")[2])


def finished(page: Any) -> Any:
    page.wait_for_selector("#faces a[download]")
    return page.locator("#faces figure")


def heard(page: Any) -> list[str]:
    return page.locator("#heard h4").all_inner_texts()


def test_a_recording_becomes_faces_that_can_be_saved(visit: Any) -> None:
    page = visit()
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(3000)  # what is recorded lasts as long on every machine
    page.locator("#voice").get_by_role("button", name="Stop", exact=True).click()
    assert finished(page).count() == 2
    assert heard(page)[0].endswith(" male")
    picture = Image.open(BytesIO(saved(page, "picture")))
    assert picture.size[0] == picture.size[1] >= 64
    assert picture.info["Comment"] == IMAGE_NOTICE
    assert Image.open(BytesIO(saved(page, "animation"))).n_frames > 1
    assert load(saved(page, "latent"))["latent"].ndim == 1
    assert not np.array_equal(np.asarray(picture), np.asarray(Image.open(BytesIO(saved(page, "picture", 1)))))


def test_two_visitors_do_not_mix(visit: Any, voices: dict[str, Path]) -> None:
    woman, man = visit(), visit(viewport={"width": 390, "height": 844}, is_mobile=True)
    man.get_by_role("button", name="A man").click()
    woman.get_by_role("button", name="A woman").click()
    for page in (woman, man):
        assert finished(page).count() == 2
    assert heard(woman)[0].endswith(" female")
    assert heard(man)[0].endswith(" male")
    assert man.evaluate("document.documentElement.scrollWidth") <= 390  # nothing is off the screen


def test_what_is_no_voice_is_told_and_the_page_goes_on(
    visit: Any, voices: dict[str, Path], tmp_path: Path
) -> None:
    page = visit()
    text = tmp_path / "not-a-voice.wav"
    text.write_text("no sound at all")
    page.get_by_role("button", name="Upload file").click()
    page.locator("#voice input[type=file]").set_input_files(text)
    assert page.locator("#faces [role=alert]").inner_text()
    page.get_by_role("button", name="A woman").click()
    assert finished(page).count() == 2


def test_a_control_has_the_same_starts_and_another_voice(visit: Any) -> None:
    page = visit()
    page.get_by_text("How", exact=True).click()
    page.get_by_label("Control").check()
    page.get_by_role("button", name="A woman").click()
    page.wait_for_selector("#others a[download]")
    assert page.locator("#others figure").count() == 2
    assert "somebody else" in page.locator("#others h3").inner_text()


def test_faces_are_kept_and_morphed_and_words_change_them(visit: Any) -> None:
    page = visit()
    page.get_by_role("button", name="A woman").click()
    finished(page)
    for number in (1, 2):
        page.get_by_label("Face", exact=True).fill(str(number))
        page.locator("#keep").click()
        page.wait_for_function(f"document.querySelectorAll('#kept img').length === {number}")
    page.locator("#morph-now").click()
    page.wait_for_selector("#morph a[download]")
    before = saved(page, "latent")
    page.get_by_label("Words beside the voice").fill("a person with glasses")
    page.locator("#again").click()
    page.wait_for_function(
        "before => { const link = document.querySelector('#faces a[download$=safetensors]');"
        " return link && link.href !== before; }",
        arg=page.locator("#faces figure").nth(0).get_by_role("link", name="latent").get_attribute("href"),
    )
    assert saved(page, "latent") != before
    assert page.locator("#kept img").count() == 2


def test_the_page_says_that_it_shows_no_portrait(visit: Any) -> None:
    assert visit().get_by_text(NOTICE).is_visible()

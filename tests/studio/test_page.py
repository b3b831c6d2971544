"""The studio in a real browser, with a microphone that plays a file."""

import base64
import shutil
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from safetensors.torch import load

gradio = pytest.importorskip("gradio", reason="gradio is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from stylewav_pl.pictures.images import IMAGE_NOTICE  # noqa: E402
from stylewav_pl.pocket.voices import held_out_speakers, speak  # noqa: E402
from stylewav_pl.studio.desk import Desk  # noqa: E402
from stylewav_pl.studio.look import style, theme  # noqa: E402
from stylewav_pl.studio.page import NOTICE, build_page  # noqa: E402
from stylewav_pl.studio.visitor import Visitor, Visitors  # noqa: E402

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
def met() -> Iterator[list[Visitor]]:
    """Who has opened the page."""
    visitors: list[Visitor] = []
    came = Visitors.came

    def noted(self: Visitors, session: str, visitor: Visitor) -> None:
        visitors.append(visitor)
        came(self, session, visitor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Visitors, "came", noted)
        yield visitors


@pytest.fixture(scope="module")
def address(met: list[Visitor]) -> Iterator[str]:
    """A page whose faces take three steps, and which lets go at once of what a visitor leaves."""
    desk = Desk(audio_encoder="pocket", device="cpu")
    desk.count, desk.steps = 2, 3
    page = build_page(desk, kept_seconds=0.0)
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


def content(link: Any) -> bytes:
    """What a link saves."""
    return base64.b64decode(link.get_attribute("href").partition("base64,")[2])


def saved(page: Any, label: str, number: int = 0) -> bytes:
    """The content of a link to save something, of one of the faces."""
    return content(page.locator("#faces figure").nth(number).get_by_role("link", name=label))


def frames_in(film: bytes) -> int:
    """Counts the pictures of a film."""
    if film.startswith(b"RIFF"):  # WebP, where there is no ffmpeg
        return Image.open(BytesIO(film)).n_frames
    with av.open(BytesIO(film)) as container:
        return sum(1 for _ in container.decode(video=0))


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
    assert frames_in(saved(page, "film")) > 1
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
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Control").check()
    page.get_by_role("button", name="A woman").click()
    page.wait_for_selector("#others a[download]")
    assert page.locator("#others figure").count() == 2
    assert "somebody else" in page.locator("#others h3").inner_text()


def press(place: Any, label: str) -> None:
    place.get_by_role("button", name=label).click()


def grown_anew(page: Any, before: str, count: int) -> None:
    """Waits until other faces than those are finished."""
    page.wait_for_function(
        "([before, count]) => { const links = document.querySelectorAll('#faces a[download$=safetensors]');"
        " return links.length === count && links[0].href !== before; }",
        arg=[before, count],
    )


def latent_link(page: Any) -> str:
    return page.locator("#faces figure").nth(0).get_by_role("link", name="latent").get_attribute("href")


def test_faces_are_kept_chosen_and_morphed(visit: Any) -> None:
    page = visit()
    press(page, "A woman")
    faces, kept = finished(page), page.locator("#kept .kept button")
    for number in (0, 1):
        press(faces.nth(number), "Keep")
        page.wait_for_function(f"document.querySelectorAll('#kept img').length === {number + 1}")
    assert [one.get_attribute("aria-pressed") for one in kept.all()] == ["true", "true"]
    assert page.locator("#kept .acts").get_by_role("button", name="Continue").is_disabled()
    press(page.locator("#kept"), "Morph between the two")
    page.wait_for_selector("#film a[download]")
    assert frames_in(content(page.locator("#film a"))) > 20
    kept.nth(0).click()
    page.wait_for_selector("#kept [aria-pressed=false]")
    press(page.locator("#kept"), "Let go")
    page.wait_for_selector("#film a", state="detached")
    assert kept.count() == 1


def test_a_face_goes_on_with_words_and_with_another_voice(visit: Any) -> None:
    page = visit()
    press(page, "A woman")
    first = finished(page).nth(1)
    start = load(saved(page, "latent", 1))["latent"]
    before = latent_link(page)
    page.get_by_label("Words", exact=True).fill("a person with glasses")
    page.get_by_label("Keep away from").fill("a beard")
    page.locator("#more button").first.click()
    page.get_by_label("What may change").click()
    page.get_by_role("option", name="fine").click()
    press(first, "Continue from it")
    grown_anew(page, before, 1)  # from one start there is one face
    latent = load(saved(page, "latent"))["latent"]
    assert latent.ndim == 2  # of W+, where the coarse layers have stayed
    assert torch.equal(latent[:8], start.expand(8, -1)) and not torch.equal(latent[-1], start)
    assert page.get_by_label("Faces begin").input_value() == "at a face that I kept"
    before = latent_link(page)
    press(page, "A man")
    grown_anew(page, before, 1)
    assert heard(page)[0].endswith(" male")
    other = load(saved(page, "latent"))["latent"]
    assert torch.equal(other[:8], start.expand(8, -1)) and not torch.equal(other, latent)


def test_a_photo_or_a_latent_is_asked_for_where_it_is_missing(visit: Any, tmp_path: Path) -> None:
    page = visit()
    press(page, "A woman")
    finished(page)
    (tmp_path / "saved.safetensors").write_bytes(saved(page, "latent"))
    before = latent_link(page)
    for place in ("at my photo", "at a latent that I saved"):
        page.get_by_label("Faces begin").click()
        page.get_by_role("option", name=place).click()
        page.wait_for_selector("#photo" if "photo" in place else "#file")
        press(page, "Make faces")
        page.locator("#faces [role=alert]", has_text=place.split()[-1].replace("saved", "latent")).wait_for()
    page.locator("#file input[type=file]").set_input_files(tmp_path / "saved.safetensors")
    page.wait_for_selector("#file .file-preview, #file a")
    press(page, "Make faces")
    grown_anew(page, before, 1)


def test_a_closed_page_leaves_no_faces_behind(visit: Any, met: list[Visitor]) -> None:
    page = visit()
    press(page, "A woman")
    press(finished(page).nth(0), "Keep")
    page.wait_for_selector("#kept img")
    (visitor,) = [one for one in met if one.kept]
    page.context.close()
    deadline = time.monotonic() + LONG / 1000
    while visitor.kept and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not visitor.kept and not visitor.made and not visitor.chosen


def test_the_page_says_that_it_shows_no_portrait(visit: Any) -> None:
    visit().get_by_text(NOTICE).wait_for(state="visible")

"""Draws the pictures of README.md and docs/ from built-in voices and the demo."""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

DOCS = Path("docs")
DEMO = Path("runs/demo")
RATE = 16_000
NAMES = ("a woman's voice", "a man's voice", "a girl's voice")
GREY = "#555555"
WIDTH_INCHES, ROW_INCHES, DPI = 10.0, 1.4, 120
JPEG_QUALITY = 88
PATIENCE = 120_000  # milliseconds


def voice_to_face() -> None:
    """Draws a row for each of three voices: its sound, the images on the way, and the face."""
    from matplotlib.figure import Figure

    import stylewav_pl

    voices = built_in_voices()
    # from random faces near the mean, in twenty steps: from a prior's start there is little to see
    faces = stylewav_pl.generate([(voice, RATE) for voice in voices], start="samples")
    figure = Figure(figsize=(WIDTH_INCHES, ROW_INCHES * len(voices)), layout="constrained", dpi=DPI)
    columns = 2 + len(faces[0].frames)
    widths = [2.2, *(1 for _ in range(columns - 2)), 1.5]
    grid = figure.subplots(len(voices), columns, width_ratios=widths, squeeze=False)
    for axes, name, voice, face in zip(grid, NAMES, voices, faces, strict=True):
        draw_sound(axes[0], voice)
        axes[0].set_title(name, fontsize=9, color=GREY)
        for place, (step, frame) in enumerate(face.frames.items(), start=1):
            axes[place].imshow(frame)
            axes[place].set_title(f"step {step}", fontsize=9, color=GREY)
        axes[-1].imshow(face.image)
    for axes in grid.flat:
        axes.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    save(Image.open(buffer), "voice-to-face.jpg")


def words() -> None:
    """Draws the way of a woman's and a man's voice with words beside them."""
    import stylewav_pl

    voices = [(voice, RATE) for voice in built_in_voices()[:2]]
    asked = {"text": "a person with glasses", "negative": "a person with black hair"}
    faces = stylewav_pl.generate(voices, **asked)
    rows = [[*(frame for _, frame in face.frames.items())] for face in faces]
    save(Image.fromarray(np.vstack([np.hstack(row) for row in rows])), "words.jpg")


def edits() -> None:
    """Draws random faces above their edits by voices of the other sex, at the settings of edit.yaml."""
    from functools import partial

    import torch
    import yaml

    import stylewav_pl
    from stylewav_pl.optimisation.objective import Objective
    from stylewav_pl.optimisation.start import Start
    from stylewav_pl.pocket.voices import held_out_speakers, speak

    model = yaml.safe_load(Path("configs/edit.yaml").read_text("utf-8"))["model"]
    voices = [(np.asarray(speak(one, 0, 5.0, RATE)), RATE) for one in held_out_speakers(4)]
    faces = stylewav_pl.generate(
        voices,
        start=Start(**model["start"]),
        steps=model["num_steps"],
        objective=Objective(**model["objective"]),
        identity=model["identity"],
        optimizer=partial(torch.optim.Adam, **model["optimizer"]["init_args"]),
        frame_steps=(0, model["num_steps"]),
    )
    rows = [np.hstack([face.frames[step] for face in faces]) for step in (0, model["num_steps"])]
    save(Image.fromarray(np.vstack(rows)), "edits.jpg")


def built_in_voices() -> list["np.ndarray"]:
    """Returns a woman's, a man's and a child's voice: ``[time]`` in [-1, 1] at 16 kHz."""
    from stylewav_pl.pocket.voices import held_out_children, held_out_speakers, speak

    speakers = [*held_out_speakers(1), *held_out_children(1)[:1]]
    return [np.asarray(speak(speaker, 0, 5.0, RATE)) for speaker in speakers]


def draw_sound(axes: object, voice: "np.ndarray") -> None:
    """Draws the loudest and softest sample of each of 150 parts."""
    parts = np.array_split(voice, 150)
    low, high = [part.min() for part in parts], [part.max() for part in parts]
    filled = {"color": "#0072B2", "linewidth": 0}
    axes.fill_between(range(len(parts)), low, high, **filled)  # type: ignore[attr-defined]
    axes.set_ylim(-1, 1)  # type: ignore[attr-defined]


def demo() -> None:
    """Copies the sheet of faces that the demo has made."""
    save(Image.open(demo_file("grid.png")), "demo.jpg")


def report() -> None:
    """Photographs the first screen of the demo's report."""
    from playwright.sync_api import sync_playwright

    page = demo_file("report.html")
    with sync_playwright() as running, tempfile.TemporaryDirectory() as folder:
        browser = running.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": 1100, "height": 860})
        window.goto(page.resolve().as_uri())
        window.screenshot(path=f"{folder}/page.png")
        browser.close()
        save(Image.open(f"{folder}/page.png"), "report.jpg")


def studio() -> None:
    """Photographs the studio, with a woman's voice and a face of it that is kept."""
    from playwright.sync_api import sync_playwright

    from stylewav_pl.studio.desk import Desk
    from stylewav_pl.studio.look import style, theme
    from stylewav_pl.studio.page import build_page

    page = build_page(Desk(device="cpu"))
    how = {"theme": theme(), "css": style(), "footer_links": []}
    _, address, _ = page.queue().launch(prevent_thread_lock=True, quiet=True, share=False, **how)
    with sync_playwright() as running, tempfile.TemporaryDirectory() as folder:
        browser = running.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": 1100, "height": 1180})
        window.set_default_timeout(PATIENCE)
        window.goto(address)
        window.get_by_role("button", name="A woman").click()
        window.wait_for_selector("#faces a[download]")
        window.locator("#faces figure").nth(2).get_by_role("button", name="Keep").click()
        window.wait_for_selector("#kept img")
        window.mouse.move(0, 0)
        window.screenshot(path=f"{folder}/page.png")
        browser.close()
        save(Image.open(f"{folder}/page.png"), "studio.jpg")
    page.close()


def demo_file(name: str) -> Path:
    """Returns a file of the demo's run.

    Raises:
        SystemExit: The demo has not run.
    """
    path = DEMO / name
    if not path.is_file():
        sys.exit(f"pictures: expected {path}, found nothing there. Run scripts/demo first.")
    return path


def save(picture: Image.Image, name: str) -> None:
    """Writes a picture into docs/."""
    picture.convert("RGB").save(DOCS / name, quality=JPEG_QUALITY, optimize=True)
    print(f"{DOCS / name}  {picture.width} x {picture.height}  {(DOCS / name).stat().st_size // 1000} kB")


PICTURES: dict[str, Callable[[], None]] = {
    "voice-to-face": voice_to_face,
    "demo": demo,
    "report": report,
    "studio": studio,
    "words": words,
    "edits": edits,
}

if __name__ == "__main__":
    for asked in sys.argv[1:] or PICTURES:
        PICTURES[asked]()

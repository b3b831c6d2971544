"""The page of the studio: record or drop a voice, see what is heard, watch faces grow, save them."""

from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any

import gradio as gr

from stylewav_pl.errors import StyleWavError
from stylewav_pl.face import Face
from stylewav_pl.studio.beginning import PLACES, Beginning
from stylewav_pl.studio.desk import Desk, Settings
from stylewav_pl.studio.markup import heard_html, kept_html

TITLE = "What face does this voice sound like?"
NOTICE = (
    "A generated face is not a portrait: it shows what the networks associate with a sound, not what the "
    "speaker looks like, and must not be used to identify or to judge anyone. Recordings stay on this "
    "computer, and nothing is kept unless you save it."
)
WAITING = (
    '<div class="placeholder">Record your voice, drop a file, or start with one of the built-in voices.</div>'
)
MOST_FACES, MOST_KEPT = 8, 12
AS_NEEDED = "as far as needed"
STEPS = ("0", "4", "8", "20", "40", "100")
KEPT_SECONDS = 600  # recordings of visitors, in the page's own temporary folder
BUILTIN = {"A woman": "f000", "A man": "m000", "A child": "child-f000"}


def build_page(desk: Desk) -> gr.Blocks:
    """Builds the page.

    Args:
        desk: Does the work.
    """
    with gr.Blocks(
        title="stylewav-pl studio", analytics_enabled=False, delete_cache=(60, KEPT_SECONDS)
    ) as page:
        gr.Markdown(f"# {TITLE}", elem_id="title")
        made, kept = gr.State([]), gr.State([])
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                voice, built_in = _voice()
                asked = [voice, *_words(), *_how(desk)]
                again = gr.Button("Make faces", variant="primary", elem_id="again")
                stop = gr.Button("Stop", size="sm", elem_id="stop")
            with gr.Column(scale=3, min_width=320):
                heard = gr.HTML("", elem_id="heard")
                faces = gr.HTML(WAITING, elem_id="faces")
                others = gr.HTML("", elem_id="others")
                keep, morph = _after(desk, made, kept)
        gr.HTML(f'<p class="notice">{NOTICE}</p>')

        # A generator in gradio's eyes also where a checker of types wraps the function below.
        growing = lambda *given: (yield from grow(desk, *given))  # noqa: E731
        running = gr.on(
            [voice.change, again.click],
            growing,
            [*asked, kept],
            [heard, faces, others, made, keep, morph],
            show_progress="hidden",
            trigger_mode="always_last",
        )
        stop.click(None, cancels=[running])
        for button, name in zip(built_in, BUILTIN.values(), strict=True):
            button.click(lambda name=name: desk.built_in(name), None, voice)
    built: gr.Blocks = page
    return built


def _voice() -> tuple[gr.Audio, list[gr.Button]]:
    voice = gr.Audio(
        sources=["microphone", "upload"], type="filepath", label="Voice", elem_id="voice", buttons=[]
    )
    with gr.Row():
        return voice, [gr.Button(name, size="sm", min_width=70) for name in BUILTIN]


def _words() -> list[gr.components.Component]:
    return [
        gr.Textbox(
            label="Words beside the voice",
            placeholder="a person with glasses",
            max_length=200,
            elem_id="words",
        ),
        gr.Textbox(label="Keep away from", placeholder="a beard", max_length=200, elem_id="negative"),
    ]


def _how(desk: Desk) -> list[gr.components.Component]:
    far = AS_NEEDED if desk.steps is None else str(desk.steps)
    with gr.Accordion("How", open=False):
        return [
            gr.Slider(0.25, 4, 1, step=0.25, label="Weight of the words, beside the voice's 1"),
            gr.Radio(list(PLACES), value=next(iter(PLACES)), label="Begin at", elem_id="begin"),
            gr.Image(type="filepath", label="My photo: a square around a face", height=180, elem_id="photo"),
            gr.Slider(1, MOST_FACES, desk.count, step=1, label="Faces, from different starts"),
            gr.Dropdown(list(dict.fromkeys([far, AS_NEEDED, *STEPS])), value=far, label="Steps: how far"),
            gr.Number(0, precision=0, minimum=0, maximum=2**32 - 1, label="Seed"),
            gr.Checkbox(False, label="Control: the same starts, led by somebody else's voice"),
        ]


def _after(desk: Desk, made: gr.State, kept: gr.State) -> tuple[gr.Row, gr.HTML]:
    """Keeping faces and morphing between them."""
    with gr.Row(visible=False, elem_id="after") as row:
        number = gr.Number(1, precision=0, minimum=1, maximum=MOST_FACES, label="Face", min_width=80)
        keep = gr.Button("Keep it", size="sm", elem_id="keep")
        walk = gr.Button("Morph between the last two", size="sm", elem_id="morph-now")
    gallery, film = gr.HTML("", elem_id="kept"), gr.HTML("", elem_id="morph")
    keep.click(add, [made, kept, number], [kept, gallery])
    walk.click(lambda faces: between(desk, faces), kept, film)
    return row, film


def add(made: list[Face], kept: list[Face], number: int) -> tuple[list[Face], str]:
    """Keeps one of the faces that were made; ``number`` counts from 1."""
    chosen = made[int(number) - 1 : int(number)]
    faces = [*kept, *chosen][-MOST_KEPT:]
    return faces, kept_html([face.image for face in faces])


def between(desk: Desk, kept: list[Face]) -> str:
    """Returns the film between the two faces that were kept last."""
    if len(kept) < 2:
        return refused("Keep two faces first.")
    try:
        return desk.morph(*kept[-2:])
    except StyleWavError as error:
        return refused(str(error))


def refused(why: str) -> str:
    """Returns a sentence that is read aloud at once."""
    return f'<p class="refused" role="alert">{escape(why)}</p>'


def grow(
    desk: Desk,
    path: str | None,
    words: str,
    negative: str,
    weight: float,
    begin: str,
    photo: str | None,
    count: int,
    far: str,
    seed: int,
    control: bool,
    kept: list[Face],
) -> Iterator[tuple[Any, ...]]:
    """Yields what is heard, faces and control as they grow, the faces to keep, and whether there are any."""
    if path is None:
        yield "", WAITING, "", [], gr.Row(visible=False), ""
        return
    beginning = Beginning(PLACES[begin], photo, kept[-1] if kept else None)
    steps = None if far == AS_NEEDED else int(far)
    settings = Settings(int(count), steps, int(seed), control, beginning, words, weight, negative)
    try:
        said = heard_html(desk.hear(path))
        yield said, gr.skip(), "", [], gr.Row(visible=False), ""
        for shown in desk.grow(path, settings):
            finished = bool(shown.faces)
            yield said, shown.own, shown.other, list(shown.faces), gr.Row(visible=finished), ""
    except StyleWavError as error:
        yield "", refused(str(error)), "", [], gr.Row(visible=False), ""


def theme() -> gr.Theme:
    """Returns the page's theme: fonts of the visitor's system, so that nothing is fetched from elsewhere."""
    return gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def style() -> str:
    """Returns the page's style sheet."""
    return files("stylewav_pl.studio").joinpath("style.css").read_text("utf-8")

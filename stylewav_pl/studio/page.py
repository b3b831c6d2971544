"""The page of the studio: record or drop a voice, see what is heard, watch faces grow, save them."""

from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any

import gradio as gr

from stylewav_pl.errors import StyleWavError
from stylewav_pl.studio.desk import Desk, Settings
from stylewav_pl.studio.markup import heard_html

TITLE = "What face does this voice sound like?"
NOTICE = (
    "A generated face is not a portrait: it shows what the networks associate with a sound, not what the "
    "speaker looks like, and must not be used to identify or to judge anyone. Recordings stay on this "
    "computer, and nothing is kept unless you save it."
)
WAITING = (
    '<div class="placeholder">Record your voice, drop a file, or start with one of the built-in voices.</div>'
)
MOST_FACES, MOST_STEPS = 8, 200
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
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                voice = gr.Audio(
                    sources=["microphone", "upload"],
                    type="filepath",
                    label="Voice",
                    elem_id="voice",
                    buttons=[],
                )
                with gr.Row():
                    built_in = [gr.Button(name, size="sm", min_width=70) for name in BUILTIN]
                with gr.Accordion("How", open=False):
                    count = gr.Slider(1, MOST_FACES, desk.count, step=1, label="Faces, from different starts")
                    steps = gr.Slider(0, MOST_STEPS, desk.steps, step=1, label="Steps: how far")
                    seed = gr.Number(0, precision=0, minimum=0, maximum=2**32 - 1, label="Seed")
                    control = gr.Checkbox(
                        False,
                        label="Control: the same starts, led by somebody else's voice",
                    )
                again = gr.Button("Make faces", variant="primary", elem_id="again")
                stop = gr.Button("Stop", size="sm", elem_id="stop")
            with gr.Column(scale=3, min_width=320):
                heard = gr.HTML("", elem_id="heard")
                faces = gr.HTML(WAITING, elem_id="faces")
                others = gr.HTML("", elem_id="others")
        gr.HTML(f'<p class="notice">{NOTICE}</p>')

        def make(
            path: str | None, count: int, steps: int, seed: int, control: bool
        ) -> Iterator[tuple[Any, ...]]:
            if path is None:
                yield "", WAITING, ""
                return
            try:
                said = heard_html(desk.hear(path))
                yield said, gr.skip(), ""
                for own, other in desk.grow(path, Settings(int(count), int(steps), int(seed), control)):
                    yield said, own, other
            except StyleWavError as error:
                yield "", f'<p class="refused" role="alert">{escape(str(error))}</p>', ""

        settings, shown = [voice, count, steps, seed, control], [heard, faces, others]
        # A generator in gradio's eyes also where a checker of types wraps the function above.
        growing = lambda *asked: (yield from make(*asked))  # noqa: E731
        running = gr.on(
            [voice.change, again.click],
            growing,
            settings,
            shown,
            show_progress="hidden",
            trigger_mode="always_last",
        )
        stop.click(None, cancels=[running])
        for button, name in zip(built_in, BUILTIN.values(), strict=True):
            button.click(lambda name=name: desk.built_in(name), None, voice)
    built: gr.Blocks = page
    return built


def theme() -> gr.Theme:
    """Returns the page's theme: fonts of the visitor's system, so that nothing is fetched from elsewhere."""
    return gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def style() -> str:
    """Returns the page's style sheet."""
    return files("stylewav_pl.studio").joinpath("style.css").read_text("utf-8")

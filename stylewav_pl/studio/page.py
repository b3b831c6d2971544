"""The page of the studio: record or drop a voice, see what is heard, watch faces grow, keep and save them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr

from stylewav_pl.errors import StyleWavError
from stylewav_pl.studio.beginning import PHOTO
from stylewav_pl.studio.controls import Controls, build_controls, settings_of
from stylewav_pl.studio.desk import Desk
from stylewav_pl.studio.markup import heard_html, kept_html
from stylewav_pl.studio.visitor import Visitor, Visitors, stay
from stylewav_pl.studio.voices import built_in

TITLE = "What face does this voice sound like?"
NOTICE = (
    "A generated face is not a portrait: it shows what the networks associate with a sound, not what the "
    "speaker looks like, and must not be used to identify or to judge anyone. Recordings stay on this "
    "computer, and nothing is kept unless you save it."
)
WAITING = (
    '<div class="placeholder">Record your voice, drop a file, or start with one of the built-in voices.</div>'
)
INVERTING = (
    '<div class="placeholder">Looking for the face of your photo in the generator: about ten seconds on a '
    "processor, and only once.</div>"
)
KEPT_SECONDS = 600.0  # what visitors recorded, and their faces, after they have left
STAY_SECONDS = 120  # an open page says so often that its visitor is still there
BUILTIN = {"A woman": "f000", "A man": "m000", "A child": "child-f000"}
ON_CLICK = """
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-act]');
  const acts = ['keep', 'go_on', 'choose', 'morph', 'drop'];
  if (button && acts.includes(button.dataset.act))
    trigger(button.dataset.act, {number: Number(button.dataset.number)});
});
"""


@dataclass(frozen=True)
class Results:
    """The parts of the page that show what was made.

    Attributes:
        heard: What the encoder hears.
        faces: The faces.
        others: Those of the control.
        kept: The faces that were kept.
        film: The way from one to another.
    """

    heard: gr.HTML
    faces: gr.HTML
    others: gr.HTML
    kept: gr.HTML
    film: gr.HTML


def build_page(desk: Desk, kept_seconds: float = KEPT_SECONDS) -> gr.Blocks:
    """Builds the page.

    Args:
        desk: Does the work.
        kept_seconds: How long recordings and faces stay after a visitor has left.
    """
    with gr.Blocks(
        title="stylewav-pl studio", analytics_enabled=False, delete_cache=(60, round(KEPT_SECONDS))
    ) as page:
        gr.Markdown(f"# {TITLE}", elem_id="title")
        visitor = gr.State(Visitor())
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                voice, voices = _voice()
                controls = build_controls(desk)
                with gr.Row():
                    again = gr.Button("Make faces", variant="primary", elem_id="again", scale=3)
                    stop = gr.Button("Stop", elem_id="stop", scale=1, min_width=90)
            with gr.Column(scale=3, min_width=320):
                results = _results()
        gr.HTML(f'<p class="notice">{NOTICE}</p>')

        _making(desk, controls, visitor, voice, results, again)
        stop.click(ask_for_end, visitor, None, queue=False)
        for button, name in zip(voices, BUILTIN.values(), strict=True):
            button.click(lambda name=name: built_in(name), None, voice)
        _keeping(desk, visitor, results)
        _leaving(page, visitor, Visitors(kept_seconds))
        files = [voice, controls.parts["photo"], controls.parts["file"]]
        gr.Timer(STAY_SECONDS).tick(stay, [visitor, *files], None, queue=False, show_progress="hidden")
    built: gr.Blocks = page
    return built


def _voice() -> tuple[gr.Audio, list[gr.Button]]:
    voice = gr.Audio(
        sources=["microphone", "upload"], type="filepath", label="Voice", elem_id="voice", buttons=[]
    )
    with gr.Row():
        voices = [gr.Button(name, size="sm", min_width=70) for name in BUILTIN]
    return voice, voices


def _results() -> Results:
    return Results(
        heard=gr.HTML("", elem_id="heard"),
        faces=gr.HTML(WAITING, elem_id="faces", js_on_load=ON_CLICK),
        others=gr.HTML("", elem_id="others"),
        kept=gr.HTML("", elem_id="kept", js_on_load=ON_CLICK),
        film=gr.HTML("", elem_id="film"),
    )


def _making(
    desk: Desk, controls: Controls, visitor: gr.State, voice: gr.Audio, results: Results, again: gr.Button
) -> None:
    """Lets faces grow where a voice comes in, the button is pressed, or a face is continued."""
    # A generator in gradio's eyes also where a checker of types wraps the function below.
    growing = lambda *given: (yield from grow(desk, controls, *given))  # noqa: E731
    asked = [visitor, voice, *controls.parts.values()]
    shown = [results.heard, results.faces, results.others]
    hidden = {"show_progress": "hidden"}
    gr.on([voice.change, again.click], growing, asked, shown, trigger_mode="always_last", **hidden)
    begins = [results.kept, controls.parts["begin"]]
    for source in (results.faces, results.kept):
        chosen = source.go_on(_continuing(controls), visitor, begins, queue=False)
        chosen.success(growing, asked, shown, **hidden)


def _keeping(desk: Desk, visitor: gr.State, results: Results) -> None:
    """Connects the buttons below faces, and those below the faces that were kept."""
    at_once = {"queue": False, "show_progress": "hidden"}
    results.faces.keep(keep, visitor, results.kept, **at_once)
    results.kept.choose(choose, visitor, results.kept, **at_once)
    results.kept.drop(drop, visitor, [results.kept, results.film], **at_once)
    results.kept.morph(lambda who: morph(desk, who), visitor, results.film, show_progress="minimal")


def _leaving(page: gr.Blocks, visitor: gr.State, visitors: Visitors) -> None:
    """Lets go of what a visitor had, once the page is closed."""

    def came(who: Visitor, request: gr.Request) -> None:
        visitors.came(str(request.session_hash), who)

    def left(request: gr.Request) -> None:
        visitors.left(str(request.session_hash))

    page.load(came, visitor, None, queue=False, show_progress="hidden")
    page.unload(left)


def keep(visitor: Visitor, event: gr.EventData) -> str:
    """Keeps a face that was made; returns the row of kept ones."""
    return _changed(visitor, lambda: visitor.keep(event.number))


def choose(visitor: Visitor, event: gr.EventData) -> str:
    """Chooses a kept face, or no longer; returns the row of kept ones."""
    return _changed(visitor, lambda: visitor.choose(event.number))


def drop(visitor: Visitor) -> tuple[str, str]:
    """Keeps the chosen faces no longer; returns the row of kept ones and no film."""
    return _changed(visitor, visitor.drop_chosen), ""


def _changed(visitor: Visitor, change: Callable[[], None]) -> str:
    """Changes what is kept, or says why not."""
    visitor.touch()
    try:
        change()
    except StyleWavError as error:
        gr.Warning(str(error))
    chosen = [visitor.kept.index(face) + 1 for face in visitor.chosen if face in visitor.kept]
    return kept_html([face.image for face in visitor.kept], chosen)


def _continuing(controls: Controls) -> Callable[..., tuple[str, str]]:
    def go_on(visitor: Visitor, event: gr.EventData) -> tuple[str, str]:
        """Keeps a face and begins there from now on."""
        if event.number:
            visitor.chosen = []
            return _changed(visitor, lambda: visitor.keep(event.number)), controls.place_of_kept
        return _changed(visitor, lambda: None), controls.place_of_kept

    return go_on


def morph(desk: Desk, visitor: Visitor) -> str:
    """Returns the film between the two chosen faces."""
    visitor.touch()
    if len(visitor.chosen) != 2:
        return refused("Choose two of the faces that you kept.")
    try:
        return desk.morph(*visitor.chosen)
    except StyleWavError as error:
        return refused(str(error))


def ask_for_end(visitor: Visitor) -> None:
    """Lets the faces that grow stay as they are."""
    visitor.wants_end = True


def refused(why: str) -> str:
    """Returns a sentence that is read aloud at once."""
    return f'<p class="refused" role="alert">{escape(why)}</p>'


def grow(
    desk: Desk, controls: Controls, visitor: Visitor, path: str | None, *values: Any
) -> Iterator[tuple[Any, ...]]:
    """Yields what is heard, and faces and control as they grow."""
    visitor.touch()
    visitor.made, visitor.wants_end = (), False
    if path is None:
        yield "", WAITING, ""
        return
    try:
        yield from _growing(desk, controls.given(values), visitor, path)
    except StyleWavError as error:
        yield "", refused(str(error)), ""


def _growing(desk: Desk, given: dict[str, Any], visitor: Visitor, path: str) -> Iterator[tuple[Any, ...]]:
    said = heard_html(desk.hear(path))
    settings = settings_of(given, visitor)
    if settings.beginning.place == PHOTO and settings.beginning.face is None:
        yield said, INVERTING, ""
        face = desk.of_photo(path, given["photo"])
        visitor.photos = {given["photo"]: face}
        settings = replace(settings, beginning=replace(settings.beginning, face=face))
    else:
        yield said, gr.skip(), ""
    for shown in desk.grow(path, settings, lambda: visitor.wants_end):
        visitor.made = [replace(face, frames={}) for face in shown.faces]
        yield said, shown.own, shown.other

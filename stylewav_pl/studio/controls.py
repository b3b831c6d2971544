"""The controls of the page, and what a visitor has asked for by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import gradio as gr

from stylewav_pl.errors import ConfigError
from stylewav_pl.face import Face
from stylewav_pl.studio.beginning import KEPT, MISSING, PHOTO, SAVED, Beginning
from stylewav_pl.studio.desk import Desk
from stylewav_pl.studio.settings import EVERYTHING, Settings
from stylewav_pl.studio.visitor import Visitor

MOST_FACES = 8
AS_NEEDED, NO_BOUND = "as needed", "no bound"
STEPS = ("0", "4", "8", "20", "40", "100")
REACHES = {AS_NEEDED: None, "0.25": 0.25, "0.5": 0.5, "1": 1.0, "2": 2.0, NO_BOUND: inf}
LONGEST_WORDS = 200
Component = gr.components.Component


@dataclass(frozen=True)
class Controls:
    """The controls, from left to right and from top to bottom.

    Attributes:
        parts: By the names that :func:`settings_of` reads.
        places: Where faces can begin, by the words of the page.
        layers: Which layers may change, by the words of the page.
    """

    parts: Mapping[str, Component]
    places: Mapping[str, str]
    layers: Mapping[str, str | None]

    @property
    def place_of_kept(self) -> str:
        """What the page calls a kept face as a place to begin."""
        return next(words for words, place in self.places.items() if place == KEPT)

    def given(self, values: Sequence[Any]) -> dict[str, Any]:
        """Returns what stands in the controls, by name."""
        given = dict(zip(self.parts, values, strict=True))
        return {**given, "begin": self.places[given["begin"]], "layers": self.layers[given["layers"]]}


def build_controls(desk: Desk) -> Controls:
    """Adds the controls to the page that is being built."""
    places, layers = desk.places(), desk.parts()
    with gr.Row():
        words = gr.Textbox(
            label="Words", placeholder="a smiling person", max_length=LONGEST_WORDS,
            elem_id="words", min_width=140,
        )  # fmt: skip
        negative = gr.Textbox(
            label="Keep away from", placeholder="glasses", max_length=LONGEST_WORDS, elem_id="negative",
            min_width=140,
        )  # fmt: skip
    begin = gr.Dropdown(list(places), value=next(iter(places)), label="Faces begin", elem_id="begin")
    photo = gr.Image(
        type="filepath", image_mode=None, sources=["upload", "clipboard"], label="My photo", show_label=False,
        placeholder="Drop a photo here: a square around a face",
        height=200, visible=False, elem_id="photo",
    )  # fmt: skip
    file = gr.File(
        label="A latent that was saved here", file_types=[".safetensors"], height=120, visible=False,
        elem_id="file",
    )  # fmt: skip
    begin.change(
        lambda words: (gr.Image(visible=places[words] == PHOTO), gr.File(visible=places[words] == SAVED)),
        begin,
        [photo, file],
        show_progress="hidden",
    )
    parts = {"words": words, "negative": negative, "begin": begin, "photo": photo, "file": file}
    return Controls({**parts, **_more(desk, list(layers))}, places, layers)


def _more(desk: Desk, layers: list[str]) -> dict[str, Component]:
    far = AS_NEEDED if desk.steps is None else str(desk.steps)
    with gr.Accordion("More", open=False, elem_id="more"):
        return {
            "weight": gr.Slider(0.25, 4, 1, step=0.25, label="Weight of the words"),
            "steps": gr.Dropdown(list(dict.fromkeys([far, AS_NEEDED, *STEPS])), value=far, label="Steps"),
            "reach": gr.Dropdown(
                list(REACHES),
                value=AS_NEEDED,
                label="How far from the start, in deviations",
            ),
            "layers": gr.Dropdown(layers, value=EVERYTHING, label="What may change", visible=len(layers) > 1),
            "count": gr.Slider(1, MOST_FACES, desk.count, step=1, label="Faces, from different starts"),
            "seed": gr.Number(0, precision=0, minimum=0, maximum=2**32 - 1, label="Seed"),
            "control": gr.Checkbox(False, label="Control: the same starts, led by somebody else's voice"),
        }


def settings_of(given: Mapping[str, Any], visitor: Visitor) -> Settings:
    """Returns what a visitor asks for; of a photo, what it gave before.

    Args:
        given: See :meth:`Controls.given`.
        visitor: Who asks.

    Raises:
        ConfigError: There is nothing where faces should begin.
    """
    faces: dict[str, Face | None] = {
        PHOTO: visitor.photos.get(given["photo"] or ""),
        KEPT: next(iter([*reversed(visitor.chosen), *reversed(visitor.kept)]), None),
    }
    begin = Beginning(given["begin"], faces.get(given["begin"]), given["file"])
    if (begin.place == PHOTO and given["photo"] is None) or (begin.place == KEPT and begin.face is None):
        raise ConfigError(MISSING[begin.place])
    return Settings(
        count=int(given["count"]),
        steps=None if given["steps"] == AS_NEEDED else int(given["steps"]),
        seed=int(given["seed"] or 0),
        control=bool(given["control"]),
        beginning=begin,
        words=given["words"] or "",
        weight=float(given["weight"]),
        negative=given["negative"] or "",
        layers=given["layers"],
        reach=REACHES[given["reach"]],
    )

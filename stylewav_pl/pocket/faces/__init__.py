"""Cartoon faces drawn from noise, and words for them: what the pocket suite learns from.

What the faces show for each sex and age is a caricature by construction; it says nothing about people.
"""

from stylewav_pl.pocket.faces.attributes import CHILD_BELOW, OLD_ABOVE, Z_DIM, Attributes, attributes_of
from stylewav_pl.pocket.faces.captions import WORDS, Caption, caption, facts_of, fits
from stylewav_pl.pocket.faces.drawing import Drawing, drawing_of, drawing_parameters
from stylewav_pl.pocket.faces.phrases import FACT_NAMES, FACTS, PROMPT_SETS, TEMPLATES, UNCLEAR, PhraseSet
from stylewav_pl.pocket.faces.renderer import RESOLUTION, render

__all__ = [
    "CHILD_BELOW",
    "FACTS",
    "FACT_NAMES",
    "OLD_ABOVE",
    "PROMPT_SETS",
    "RESOLUTION",
    "TEMPLATES",
    "UNCLEAR",
    "WORDS",
    "Z_DIM",
    "Attributes",
    "Caption",
    "Drawing",
    "PhraseSet",
    "attributes_of",
    "caption",
    "drawing_of",
    "drawing_parameters",
    "facts_of",
    "fits",
    "render",
]

"""Cartoon faces drawn from noise: the images that the pocket suite learns from.

What the faces show for each sex and age is a caricature by construction; it says nothing about people.
"""

from stylewav_pl.pocket.faces.attributes import CHILD_BELOW, OLD_ABOVE, Z_DIM, Attributes, attributes_of
from stylewav_pl.pocket.faces.drawing import Drawing, drawing_of, drawing_parameters
from stylewav_pl.pocket.faces.renderer import render

__all__ = ["CHILD_BELOW", "OLD_ABOVE", "Z_DIM", "Attributes", "Drawing", "attributes_of", "drawing_of", "drawing_parameters", "render"]

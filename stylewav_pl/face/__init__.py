"""Faces from Python: one call, with what the command ``generate`` does and nothing left on disk."""

from stylewav_pl.face.making import generate
from stylewav_pl.face.record import Face

__all__ = ["Face", "generate"]

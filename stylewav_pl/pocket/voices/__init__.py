"""Built-in voices: a small source-filter synthesiser of speech-like babble.

numpy and scipy only, deterministic.

The voices say no words of any language. They carry what the pocket suite needs from a voice: pitch, vocal
tract length, voice quality and tempo that depend on sex and age, on speakers that overlap as people do.
"""

from stylewav_pl.pocket.voices.speaker import (
    Sex,
    Speaker,
    draw_speaker,
    held_out_children,
    held_out_speakers,
    training_speakers,
)
from stylewav_pl.pocket.voices.synthesis import speak

__all__ = [
    "Sex",
    "Speaker",
    "draw_speaker",
    "held_out_children",
    "held_out_speakers",
    "speak",
    "training_speakers",
]

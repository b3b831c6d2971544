"""The built-in voices as clips: no file, no download."""

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data.audio import finish
from stylewav_pl.data.base import ClipSource
from stylewav_pl.data.decoder import InMemory
from stylewav_pl.data.window import Window
from stylewav_pl.pocket.voices import Speaker, held_out_speakers, speak
from stylewav_pl.ranges import check_number
from stylewav_pl.types import Clip

NATIVE_RATE = 16_000


class BuiltinVoices(ClipSource):
    """One utterance each of synthetic speakers that were never trained on.

    Labels: ``sex``, and ``age`` in decades (``30s``). Every speaker speaks once, so clips are independent.

    Args:
        per_sex: How many women and how many men.
        seed: Another seed gives other speakers.
        seconds: Length of each utterance.
    """

    def __init__(self, per_sex: int = 40, seed: int = 0, seconds: float = 5.25) -> None:
        check_number("BuiltinVoices.per_sex", per_sex, least=1)
        check_number("BuiltinVoices.seconds", seconds, least=0.5, most=60)
        self.seconds = seconds
        self.seed = seed
        self.speakers = {
            f"builtin/{speaker.name}": speaker for speaker in held_out_speakers(per_sex, seed=seed)
        }

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`; sorted by id."""
        return [_clip(id, speaker) for id, speaker in sorted(self.speakers.items())]

    def read(self, clip: Clip, sample_rate: int, window: Window) -> Float[Tensor, " time"]:
        """See :meth:`ClipSource.read`."""
        voice = speak(self.speakers[clip.id], self.seed, self.seconds, NATIVE_RATE)
        return finish(InMemory(voice, NATIVE_RATE).excerpt(window), NATIVE_RATE, sample_rate, window)


def _clip(id: str, speaker: Speaker) -> Clip:
    labels = {"sex": speaker.sex, "age": f"{int(speaker.age) // 10 * 10}s"}
    return Clip(id, f"builtin:{speaker.name}", speaker=speaker.name, labels=labels)

"""The built-in voices as clips: no file, no download."""

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data.audio import finish
from stylewav_pl.data.base import ClipSource
from stylewav_pl.data.decoder import InMemory
from stylewav_pl.data.window import Window
from stylewav_pl.pocket.voices import Speaker, held_out_children, held_out_speakers, speak
from stylewav_pl.ranges import check_number
from stylewav_pl.types import Clip

NATIVE_RATE = 16_000
OLDEST_CHILD, OLD_FROM = 12.0, 60.0  # years


class BuiltinVoices(ClipSource):
    """One utterance each of synthetic speakers that were never trained on.

    Labels: ``age`` in decades (``30s``), ``age_group`` (``child`` up to 12 years, ``adult``, ``old`` from
    60), and ``sex``, but not of children, whose voices do not tell it. Every speaker speaks once, so clips
    are independent.

    Args:
        per_sex: How many women and how many men.
        seed: Another seed gives other speakers.
        seconds: Length of each utterance.
        children: How many girls and how many boys, beside the women and men.
    """

    def __init__(self, per_sex: int = 40, seed: int = 0, seconds: float = 5.25, children: int = 0) -> None:
        check_number("BuiltinVoices.per_sex", per_sex, least=1)
        check_number("BuiltinVoices.seconds", seconds, least=0.5, most=60)
        check_number("BuiltinVoices.children", children, least=0)
        self.seconds = seconds
        self.seed = seed
        speakers = [*held_out_speakers(per_sex, seed), *held_out_children(children, seed)]
        self.speakers = {f"builtin/{speaker.name}": speaker for speaker in speakers}

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`; sorted by id."""
        return [_clip(id, speaker) for id, speaker in sorted(self.speakers.items())]

    def read(self, clip: Clip, sample_rate: int, window: Window) -> Float[Tensor, " time"]:
        """See :meth:`ClipSource.read`."""
        voice = speak(self.speakers[clip.id], self.seed, self.seconds, NATIVE_RATE)
        return finish(InMemory(voice, NATIVE_RATE).excerpt(window), NATIVE_RATE, sample_rate, window)


def _clip(id: str, speaker: Speaker) -> Clip:
    group = _age_group(speaker.age)
    sex = {} if group == "child" else {"sex": speaker.sex}
    labels = {**sex, "age": f"{int(speaker.age) // 10 * 10}s", "age_group": group}
    return Clip(id, f"builtin:{speaker.name}", speaker=speaker.name, labels=labels)


def _age_group(years: float) -> str:
    """Returns the group whose faces are drawn for this age.

    >>> _age_group(12.0), _age_group(18.0), _age_group(60.0)
    ('child', 'adult', 'old')
    """
    if years <= OLDEST_CHILD:
        return "child"
    return "old" if years >= OLD_FROM else "adult"

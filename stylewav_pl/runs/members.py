"""Several faces of one voice: ``id#1``, ``id#2`` ... are the members of one clip.

Every id of a run gets a number or none does, so that no two are alike: ``voice#1`` may be the name of a file,
whose own members are ``voice#1#1``, ``voice#1#2`` ...
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from stylewav_pl.runs.plan import clip_seed
from stylewav_pl.types import Clip

MARK = "#"


def members_of(clip: Clip, count: int) -> list[Clip]:
    """Returns the members of a clip; the clip itself where it gets one face.

    Members share a speaker, also where nobody knows who it is: statistics count voices, not faces.

    >>> [(member.id, member.speaker) for member in members_of(Clip("a", "a.wav"), 2)]
    [('a#1', 'a'), ('a#2', 'a')]
    """
    if count == 1:
        return [clip]
    speaker = clip.speaker or clip.id
    return [
        replace(clip, id=f"{clip.id}{MARK}{number}", speaker=speaker, number=number)
        for number in range(1, count + 1)
    ]


def voice_id(clip: Clip) -> str:
    """Returns the id of the clip that a member belongs to; its own where it is no member.

    >>> [voice_id(member) for member in members_of(Clip("a#1", "a#1.wav"), 2)], voice_id(Clip("a#1", ""))
    (['a#1', 'a#1'], 'a#1')
    """
    return clip.id.rpartition(MARK)[0] if clip.number else clip.id


def seed_of(seed: int, clip: Clip) -> int:
    """Returns the seed of a face, in [0, 2**63).

    It follows from the seed of the clip and the member's number; the first member has the clip's own, so that
    its face is the one that the clip has alone.

    Args:
        seed: Of the run.
        clip: Or a member.
    """
    own = clip_seed(seed, voice_id(clip))
    return own if clip.number <= 1 else clip_seed(own, f"{MARK}{clip.number}")


def leaders(ids: Iterable[str], clips: Mapping[str, Clip]) -> dict[str, str]:
    """Returns for each id the first of these ids with the same voice.

    Args:
        ids: Of a cohort.
        clips: Those that are listed; an id that is not leads itself.

    >>> leaders(["a#1", "a#2", "gone"], {clip.id: clip for clip in members_of(Clip("a", ""), 2)})
    {'a#1': 'a#1', 'a#2': 'a#1', 'gone': 'gone'}
    """
    first: dict[str, str] = {}
    found = {}
    for id in ids:
        clip = clips.get(id)
        voice = id if clip is None or not clip.number else f"\0{voice_id(clip)}"  # no id begins so
        found[id] = first.setdefault(voice, id)
    return found

"""Several faces of one voice: names, seeds, and who shares a sound."""

from stylewav_pl.runs.members import leaders, members_of, seed_of
from stylewav_pl.runs.plan import clip_seed, stem_of
from stylewav_pl.types import Clip


def test_no_two_members_and_no_two_files_are_alike() -> None:
    clips = [Clip(id, "") for id in ("voice", "voice#1", "voice#2", "voice#1#1", "#", "")]
    ids = [member.id for clip in clips for member in members_of(clip, 3)]
    assert len(set(ids)) == len({stem_of(id) for id in ids}) == 18


def test_one_face_changes_nothing_and_the_first_member_has_the_clips_own_seed() -> None:
    clip = Clip("voice#1", "voice#1.wav", labels={"sex": "female"})
    assert members_of(clip, 1) == [clip]
    members = members_of(clip, 4)
    assert seed_of(7, clip) == seed_of(7, members[0]) == clip_seed(7, "voice#1")
    seeds = [seed_of(7, member) for member in members]
    assert len({*seeds, *(seed_of(8, member) for member in members)}) == 8
    assert seeds == [seed_of(7, member) for member in members_of(clip, 9)][:4], (
        "whatever the number of others"
    )
    # a file that is called as a member of another is
    assert seed_of(7, members_of(Clip("voice", ""), 2)[1]) != seed_of(7, Clip("voice#2", ""))


def test_members_share_a_speaker() -> None:
    assert {member.speaker for member in members_of(Clip("a", "", "ann"), 3)} == {"ann"}
    assert {member.speaker for member in members_of(Clip("a", ""), 3)} == {"a"}


def test_only_members_share_a_sound() -> None:
    files = [Clip("a#1", ""), Clip("a#2", "")]
    assert leaders(["a#1", "a#2"], {clip.id: clip for clip in files}) == {"a#1": "a#1", "a#2": "a#2"}
    members = members_of(Clip("a", ""), 3)
    assert leaders(["a#2", "a#3"], {clip.id: clip for clip in members}) == {"a#2": "a#2", "a#3": "a#2"}

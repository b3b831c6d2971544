"""The plan: extended and never reordered, shared out exactly once; seeds and file stems that depend on the id
alone."""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stylewav_pl.runs.plan import Plan, clashes, clip_seed, cohorts_of_rank, key_of, slug_of, stem_of

IDS = st.lists(st.text("abcdefgh/ä", min_size=1, max_size=3), max_size=20)


def test_first_plan_keeps_the_order_given_and_pads_the_last_cohort() -> None:
    plan = Plan(3).extended(["d", "a", "c", "b"])
    assert [cohort.ids for cohort in plan.cohorts] == [("d", "a", "c"), ("b",)]
    assert [cohort.index for cohort in plan.cohorts] == [0, 1]
    assert {cohort.size for cohort in plan.cohorts} == {3}


def test_an_id_given_twice_is_planned_once() -> None:
    assert Plan(2).extended(["a", "a", "b", "a"]).ids == ("a", "b")


def test_an_unfinished_cohort_is_never_filled_up() -> None:
    extended = Plan(4).extended(["a"]).extended(["a", "b"])
    assert [cohort.ids for cohort in extended.cohorts] == [("a",), ("b",)]


@given(first=IDS, later=IDS, size=st.integers(1, 5))
def test_extending_appends_and_changes_nothing(first: list[str], later: list[str], size: int) -> None:
    plan = Plan(size).extended(first)
    extended = plan.extended(later)
    assert extended.cohorts[: len(plan.cohorts)] == plan.cohorts
    assert sorted(extended.ids) == sorted({*first, *later})
    assert extended.extended([*later, *first]) == extended
    assert all(1 <= len(cohort.ids) <= size for cohort in extended.cohorts)
    assert [cohort.index for cohort in extended.cohorts] == list(range(len(extended.cohorts)))


@given(count=st.integers(0, 23), world_size=st.integers(1, 5), done=st.frozensets(st.integers(0, 25)))
def test_ranks_share_the_unfinished_cohorts_exactly_once(
    count: int, world_size: int, done: frozenset[int]
) -> None:
    cohorts = Plan(1).extended(str(number) for number in range(count)).cohorts
    shares = [cohorts_of_rank(cohorts, rank, world_size, done) for rank in range(world_size)]
    assert sorted(cohort.index for share in shares for cohort in share) == [
        index for index in range(count) if index not in done
    ]


@given(
    world_size=st.integers(1, 5),
    early=st.frozensets(st.integers(0, 9)),
    late=st.frozensets(st.integers(0, 9)),
)
def test_ranks_that_look_at_different_moments_never_share_a_cohort(
    world_size: int, early: frozenset[int], late: frozenset[int]
) -> None:
    cohorts = Plan(1).extended(string.ascii_lowercase[:10]).cohorts
    seen: set[int] = set()
    for rank in range(world_size):
        share = {
            cohort.index
            for cohort in cohorts_of_rank(cohorts, rank, world_size, early if rank % 2 else early | late)
        }
        assert not share & seen
        seen |= share


def test_a_seed_depends_on_run_and_id_alone() -> None:
    assert clip_seed(0, "female/v1") == 8980677190038655291  # stored in every run so far: must not change
    assert len({clip_seed(seed, id) for seed in range(20) for id in ("a", "b", "1", "")}) == 80
    assert clip_seed(0, "caf\udce9") != clip_seed(0, "caf\udcea")  # file names that are no UTF-8
    assert all(0 <= clip_seed(seed, "x") < 2**63 for seed in range(50))


@pytest.mark.parametrize("id", ["a", "0", "voice-1", "a.b_c", "x" * 100])
def test_plain_ids_are_their_own_stem(id: str) -> None:
    assert stem_of(id) == id


HARD_IDS = [
    "Voice", "voice", "VOICE", "a/b", "a-b", "a b", "ä", "ö", "声", "声音", "\u0061\u0308", "x" * 101,
    "X" * 300, ".", "..", "-a", "_a", "",
    "a\nb", "a\x00b", "caf\udce9", "../../etc/passwd", "a\\b", "a:b", "a?b",
]  # fmt: skip


def test_stems_of_hard_ids_are_different_and_safe() -> None:
    stems = [stem_of(id) for id in HARD_IDS]
    assert len(set(stems)) == len(HARD_IDS)
    for stem in stems:
        assert set(stem) <= set(string.ascii_lowercase + string.digits + "._-")
        assert 1 <= len(stem) <= 100
        assert stem[0] not in ".-_"


# Two ids with one slug, found by trying: ten digits are no match for somebody who looks for a pair.
SAME_SLUG = ("v#^<^#", "v'=:~&")


def stems_of(depth: int) -> st.SearchStrategy[str]:
    """Ids of any kind; from the second round on also the names that other ids get, and what
    resembles them."""
    ids = st.one_of(
        st.text(st.characters(codec="utf-8"), max_size=130),
        st.text("ab1.-_ A/", max_size=8),
        st.from_regex(r"[a-z0-9._-]{0,90}-?[0-9a-f]{9,11}", fullmatch=True),
        st.sampled_from([*HARD_IDS, *SAME_SLUG]),
    )
    if not depth:
        return ids
    before = stems_of(depth - 1)
    return st.one_of(
        before, *(before.map(change) for change in (stem_of, slug_of, key_of, str.upper, str.lower))
    )


@given(st.lists(stems_of(2), unique=True, max_size=30))
def test_planned_clips_have_different_names_even_where_case_is_ignored(ids: list[str]) -> None:
    planned = Plan(4).extended(ids).ids
    for name_of in (stem_of, key_of):
        names = [name_of(id) for id in planned]
        assert len({name.casefold() for name in names}) == len(planned)
        assert all(name.isascii() and name == name.lower() and "/" not in name for name in names)
        assert all(1 <= len(name) <= 100 for name in names)
    assert set(ids) - set(planned) <= set(SAME_SLUG)


@given(stems_of(2))
def test_the_name_of_one_clip_is_never_the_id_of_another_that_keeps_it(id: str) -> None:
    name = stem_of(id)
    assume(name != id)
    assert stem_of(name) != name


def test_an_id_that_looks_like_the_slug_of_another_gets_a_slug_too() -> None:
    assert stem_of("voice 1.2") == "voice-1-2-1b00bb88ed"
    assert stem_of("voice-1-2-1b00bb88ed") == "voice-1-2-1b00bb88ed-734a25a99b"
    assert stem_of("1b00bb88ed") == "1b00bb88ed-f600774f32"
    assert stem_of("voice-1-2-1b00bb88e") == "voice-1-2-1b00bb88e", "nine digits are no hash of ours"


def test_of_two_ids_with_one_slug_the_first_is_planned_and_the_other_left_out_at_every_start() -> None:
    first, second = SAME_SLUG
    assert stem_of(first) == stem_of(second)
    assert clashes(["a", first, "b", second]) == {second: first}
    plan = Plan(2).extended(["a", second])
    for _ in range(2):
        plan = plan.extended([first, "b", second, "a"])
        assert plan.ids == ("a", second, "b")
        assert plan.left_out([first, "b", second, "a"]) == {first: second}

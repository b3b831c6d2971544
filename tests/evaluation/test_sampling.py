"""A few out of many: none twice, from everywhere, and none of the kinds that take turns left out."""

from collections import Counter
from itertools import pairwise

import pytest

from stylewav_pl.evaluation.sampling import evenly_spaced


@pytest.mark.parametrize("kinds", [2, 4, 5])
@pytest.mark.parametrize("total", [400, 1000, 4000, 100_000])
def test_kinds_that_take_turns_are_all_there(total: int, kinds: int) -> None:
    """A run of two populations alternates between them: every second clip would be one of the two."""
    shares = Counter(item % kinds for item in evenly_spaced(range(total), 200))
    assert len(shares) == kinds
    assert max(shares.values()) - min(shares.values()) <= 20


@pytest.mark.parametrize(
    ("total", "limit"), [(0, 3), (1, 3), (3, 3), (7, 3), (201, 200), (399, 200), (100_000, 24)]
)
def test_one_out_of_each_stretch(total: int, limit: int) -> None:
    found = evenly_spaced(range(total), limit)
    assert len(found) == min(total, limit)
    assert found == sorted(set(found))
    gaps = [after - before for before, after in pairwise(found)]
    assert max(gaps, default=0) <= 2 * -(-total // limit)


def test_few_are_all() -> None:
    assert evenly_spaced("abc", 5) == ["a", "b", "c"]
    assert evenly_spaced("abc", 0) == []

"""The draw: by chance, the same whatever the order, every speaker with the same chance."""

from collections import Counter

import pytest

from stylewav_pl.data import Population
from stylewav_pl.data.funnel import Funnel
from stylewav_pl.data.populations import Populations
from stylewav_pl.errors import ConfigError

IDS = [f"clip-{number}" for number in range(60)]
SPEAKERS = [f"speaker-{number % 20}" for number in range(60)]
LABELS = ["male" if number % 20 < 10 else "female" for number in range(60)]


def drawn_ids(populations: Populations, order: list[int] | None = None) -> list[str]:
    order = order or list(range(60))
    ids, speakers, labels = ([column[place] for place in order] for column in (IDS, SPEAKERS, LABELS))
    return [ids[place] for place in populations.draw(ids, speakers, labels, Funnel("test"))]


def both(count: int, **settings: int) -> Populations:
    return Populations("sex", {"female": Population(count), "male": Population(count)}, **settings)


def test_the_order_of_the_rows_changes_nothing() -> None:
    assert drawn_ids(both(5)) == drawn_ids(both(5), order=list(reversed(range(60))))


def test_the_seed_decides() -> None:
    assert drawn_ids(both(5)) != drawn_ids(both(5, seed=1))


def test_populations_take_turns_and_speakers_come_once() -> None:
    ids = drawn_ids(both(7))
    assert [LABELS[IDS.index(id)] for id in ids] == ["female", "male"] * 7
    assert len({SPEAKERS[IDS.index(id)] for id in ids}) == 14


def test_a_larger_sample_holds_the_smaller_one() -> None:
    assert set(drawn_ids(both(3))) < set(drawn_ids(both(8)))


def test_speakers_come_again_only_when_all_have_had_their_turn() -> None:
    populations = both(14, clips_per_speaker=2)
    counts = Counter(SPEAKERS[IDS.index(id)] for id in drawn_ids(populations))
    assert sorted(counts.values()) == [1] * 12 + [2] * 8
    funnel = Funnel("test")
    populations.draw(IDS, SPEAKERS, LABELS, funnel)
    assert [(s.stage, s.count) for s in funnel.stages if s.population == "male"] == [
        ("of speakers in one population", 30),
        ("at most 2 clips per speaker", 20),
        ("sampled", 14),
        ("speakers in the sample", 10),
    ]


def test_many_clips_give_a_speaker_no_better_chance() -> None:
    speakers = ["busy"] * 1000 + [f"quiet-{number}" for number in range(9)]
    ids = [f"clip-{number}" for number in range(len(speakers))]
    wins = 0
    for seed in range(400):
        (place,) = Populations("sex", {"male": Population(1)}, seed=seed).draw(
            ids, speakers, ["male"] * len(ids), Funnel("test")
        )
        wins += speakers[place] == "busy"
    assert 15 <= wins <= 75  # 40 expected; four standard deviations are 24


def test_a_speaker_in_two_populations_is_left_out() -> None:
    funnel = Funnel("test")
    populations = Populations("sex", {"male": Population(1), "female": Population(1)})
    places = populations.draw(
        ["a", "b", "c", "d"], ["torn", "torn", "ann", "bob"], ["male", "female", "female", "male"], funnel
    )
    assert sorted(places) == [2, 3]
    assert {s.population: s.count for s in funnel.stages if s.stage == "of speakers in one population"} == {
        "male": 1,
        "female": 1,
    }


def test_clips_without_a_name_are_speakers_of_their_own() -> None:
    places = Populations("sex", {"male": Population(3)}).draw(
        ["a", "b", "c"], ["", "", ""], ["male"] * 3, Funnel("test")
    )
    assert sorted(places) == [0, 1, 2]


def test_only_clips_whose_turn_it_is_are_asked() -> None:
    asked: list[int] = []

    def usable(place: int) -> bool:
        asked.append(place)
        return place % 2 == 0

    places = Populations("sex", {"male": Population(5), "female": Population(5)}).draw(
        IDS, SPEAKERS, LABELS, Funnel("test"), usable
    )
    assert all(place % 2 == 0 for place in places)
    assert len(asked) == len(set(asked)) < 45


def test_too_few_clips_show_the_funnel() -> None:
    populations, funnel = both(11), Funnel("test")
    assert len(populations.draw(IDS, SPEAKERS, LABELS, funnel)) == 20
    with pytest.raises(
        ConfigError,
        match=r"female has 10 of 11, male has 10 of 11[\s\S]*one clip per speaker +10 +10[\s\S]*loosen",
    ):
        populations.check(funnel)


def test_spellings_go_together() -> None:
    assert Populations("age", {"40s": Population(1, ["forties"])}).labels == {
        "forties": "40s",
        "fourties": "40s",
    }
    assert Populations("gender", {"women": Population(1, ["Female_Feminine"])}).labels == {
        "female": "women",
        "female_feminine": "women",
    }


@pytest.mark.parametrize(
    ("populations", "settings"),
    [({}, {}), ({"male": Population(0)}, {}), ({"male": Population(1)}, {"clips_per_speaker": 0})],
)
def test_impossible_settings_are_refused(
    populations: dict[str, Population], settings: dict[str, int]
) -> None:
    with pytest.raises(ConfigError, match="at least"):
        Populations("sex", populations, **settings)


def test_one_value_belongs_to_one_population() -> None:
    with pytest.raises(ConfigError, match="of sex belongs to two populations, 'boys' and 'men'"):
        Populations("sex", {"boys": Population(1, ["male"]), "men": Population(1, ["male_masculine"])})

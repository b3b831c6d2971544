"""Cohorts that are handed out to workers of which any may be lost at any time."""

import random

import pytest

from stylewav_pl.processes.dispenser import END, WAIT, Dispenser


@pytest.mark.parametrize("seed", range(20))
def test_every_cohort_is_made_once_whoever_is_lost(seed: int) -> None:
    chance, cohorts = random.Random(seed), list(range(30))
    dispenser, made = Dispenser(cohorts), []
    alive, fresh, busy = [0, 1, 2], 3, {}
    while len(made) < len(cohorts):
        worker = chance.choice(alive)
        if worker in busy and chance.random() < 0.2:
            alive.remove(worker)
            dispenser.put_back([cohort for cohort in dispenser.lose(worker) if cohort not in made])
            assert dispenser.take(worker) == END, "it may be slow to die"
            del busy[worker]
            alive.append(fresh)
            fresh += 1
        elif worker in busy:
            made.append(busy.pop(worker))
        elif (cohort := dispenser.take(worker)) != WAIT:
            busy[worker] = cohort
    assert sorted(made) == cohorts
    dispenser.end()
    assert {dispenser.take(worker) for worker in alive} == {END}


def test_what_was_lost_comes_first() -> None:
    dispenser = Dispenser([0, 1, 2, 3])
    assert [dispenser.take(5), dispenser.take(5), dispenser.take(6)] == [0, 1, 2]
    dispenser.put_back(dispenser.lose(5))
    assert [dispenser.take(6) for _ in range(4)] == [0, 1, 3, WAIT]


def test_nobody_takes_work_ahead_that_others_could_begin() -> None:
    dispenser = Dispenser([0, 1, 2, 3, 4])
    assert [dispenser.take(7), dispenser.take(8)] == [0, 1]
    assert dispenser.take(7, ahead=True) == 2
    assert dispenser.take(8, ahead=True) == WAIT, "two are left for two workers"
    assert dispenser.take(8) == 3
    assert dispenser.workers() == [7, 8]

"""Cohorts that are handed out to workers of which any may be lost at any time."""

import itertools
import random

import pytest

from stylewav_pl.processes.dispenser import END, WAIT, Dispenser


@pytest.mark.parametrize("seed", range(20))
def test_every_cohort_is_made_once_whoever_is_lost(seed: int) -> None:
    chance, cohorts = random.Random(seed), list(range(30))
    ticks = itertools.count()
    dispenser, made = Dispenser(cohorts, clock=lambda: next(ticks)), []
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
            cohort = busy.pop(worker)
            made += [cohort] if dispenser.wins(worker, cohort) else []
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


def test_the_last_cohorts_are_handed_out_twice_and_made_once() -> None:
    now = [0.0]
    dispenser = Dispenser([0, 1, 2], clock=lambda: now[0])
    assert [dispenser.take(worker) for worker in (7, 8, 9)] == [0, 1, 2]
    now[0] = 10.0
    assert dispenser.take(7) == WAIT, "nobody knows how long a cohort takes"
    assert dispenser.wins(7, 0) and dispenser.take(7) == WAIT, "ten seconds are not too long"
    now[0] = 11.0
    assert dispenser.take(7, ahead=True) == WAIT
    assert dispenser.take(7) == 1
    assert dispenser.wins(9, 2) and dispenser.take(9) == WAIT, "not a third time"
    assert dispenser.idle() == [9]
    assert dispenser.wins(7, 1) and not dispenser.wins(8, 1)
    assert dispenser.idle() == [7, 8, 9]


def test_what_the_winner_has_not_written_when_it_is_lost_is_made_by_others() -> None:
    dispenser = Dispenser([0])
    dispenser.take(7)
    assert dispenser.wins(7, 0)
    dispenser.put_back(dispenser.lose(7))
    assert not dispenser.wins(7, 0), "it may be slow to die"
    assert dispenser.take(8) == 0 and dispenser.wins(8, 0)

"""Cohorts that come one by one are the batches that a share known before gives."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from stylewav_pl.data import ClipDataModule, Folder
from stylewav_pl.data.handed_out import HandedOutLoader
from stylewav_pl.processes.dispenser import END, WAIT
from stylewav_pl.runs.plan import Plan


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    for number in range(7):
        soundfile.write(
            folder / f"v{number}.wav", 0.1 * np.random.default_rng(number).standard_normal(9_600), 16_000
        )
    (folder / "v3.wav").write_bytes(b"no sound")
    return folder


class Counter:
    """Hands out what it was given, and remembers what it was asked for."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.asked, self.waited = list(answers), [], 0

    def take(self, ahead: bool) -> int:
        self.asked.append(ahead)
        return self.answers.pop(0)

    def wait(self) -> None:
        self.waited += 1


def batches(voices: Path, counter: Counter, num_workers: int = 0, count: int = 1) -> list:
    data = ClipDataModule([Folder(str(voices))], cohort_size=2, num_workers=num_workers, count=count)
    data.assign(Plan(2).extended(clip.id for clip in data.list_clips()).cohorts)
    data.loader = partial(HandedOutLoader, take=counter.take, wait=counter.wait)
    return list(data.train_dataloader())


def known_before(voices: Path, count: int = 1) -> list:
    data = ClipDataModule([Folder(str(voices))], cohort_size=2, num_workers=0, count=count)
    data.assign(Plan(2).extended(clip.id for clip in data.list_clips()).cohorts)
    return list(data.train_dataloader())


def assert_equal(batch, other) -> None:
    assert (batch.cohort, batch.slots, batch.skips) == (other.cohort, other.slots, other.skips)
    assert all(map(torch.equal, batch.waveforms, other.waveforms))
    assert len(batch.waveforms) == len(other.waveforms)


@pytest.mark.parametrize("count", [1, 3])
def test_the_batches_are_those_of_a_share_in_any_order(voices: Path, count: int) -> None:
    expected = known_before(voices, count)
    order = list(reversed(range(len(expected))))
    counter = Counter(*order, END)
    found = batches(voices, counter, count=count)
    for batch, index in zip(found, order, strict=True):
        assert_equal(batch, expected[index])
    assert not any(counter.asked), "nothing is taken ahead where nobody decodes ahead"


def test_processes_decode_the_next_cohort_ahead(voices: Path) -> None:
    counter = Counter(2, 0, WAIT, WAIT, 3, WAIT, 1, END, END)
    expected = known_before(voices)
    for batch, index in zip(batches(voices, counter, num_workers=1), (2, 0, 3, 1), strict=True):
        assert_equal(batch, expected[index])
    assert counter.asked == [False, True, True, False, False, True, False, True, False]
    assert counter.waited == 1


def test_what_a_wait_raises_ends_the_iteration(voices: Path) -> None:
    counter = Counter(0, WAIT)
    counter.wait = lambda: (_ for _ in ()).throw(RuntimeError("stopped"))  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="stopped"):
        batches(voices, counter)

"""Clips of a run whose generator was tuned to a photo: how it is changed for each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from safetensors import SafetensorError
from safetensors.torch import load

from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.tuning import Delta, check_delta, delta_in
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.journal import ClipRecord


@dataclass(frozen=True)
class Group:
    """Clips that one generator renders.

    Attributes:
        records: Of the clips.
        tuning: How the generator is changed for them; empty: not at all.
    """

    records: Sequence[ClipRecord]
    tuning: Delta


def groups(records: Sequence[ClipRecord], tuning_of: Callable[[ClipRecord], Delta]) -> Iterator[Group]:
    """Yields clips whose generator is tuned one by one, and then the others together.

    One change is in memory at a time: that of a large generator has a hundred megabytes.
    """
    plain = []
    for record in records:
        if delta := tuning_of(record):
            yield Group([record], delta)
        else:
            plain.append(record)
    if plain:
        yield Group(plain, {})


def read_tuning(run: FinishedRun, id: str, module: StyleWav) -> Delta:
    """Returns how the generator is changed for a clip; empty: not at all, or the latent cannot be read.

    Raises:
        ConfigError: The generator cannot be tuned.
        WeightsError: The change is another generator's.
    """
    try:
        delta = delta_in(load(run.latent(id)))
    except (FileNotFoundError, SafetensorError, ValueError):
        return {}  # told by whoever reads the latent itself
    check_delta(delta, module.generator, f"the latent of {id} in {run.path}")
    return delta

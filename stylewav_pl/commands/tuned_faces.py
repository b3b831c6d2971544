"""Clips of a run whose generator was tuned to a photo: how it is changed for each."""

from collections.abc import Sequence
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


def groups(records: Sequence[ClipRecord], tunings: Sequence[Delta]) -> list[Group]:
    """Returns clips whose generator is as it is together, and each of the others alone."""
    pairs = list(zip(records, tunings, strict=True))
    plain = [record for record, delta in pairs if not delta]
    alone = [Group([record], delta) for record, delta in pairs if delta]
    return [Group(plain, {}), *alone] if plain else alone


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

"""Sets finished runs of the same voices side by side: what each generator made of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.errors import ConfigError, RunDirectoryError, StyleWavError
from stylewav_pl.evaluation.consistency import Agreement, agreement, distance_ratio
from stylewav_pl.evaluation.diversity import faces_per_voice
from stylewav_pl.evaluation.evaluate import evaluate
from stylewav_pl.evaluation.image_features import RandomFeatures, standardised
from stylewav_pl.evaluation.image_quality import (
    KernelDistance,
    Manifold,
    kernel_distance,
    manifold,
    mean_distance,
)
from stylewav_pl.evaluation.prompts import PromptSet
from stylewav_pl.evaluation.settings import read_settings
from stylewav_pl.evaluation.statistics import Interval, NotComputable
from stylewav_pl.pictures.images import from_picture, load_face
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.members import MARK
from stylewav_pl.runs.rows import ResultRow

Image = Float[Tensor, "3 height width"]


@dataclass(frozen=True)
class Quality:
    """What features say about a set of pictures, beside reference pictures.

    Attributes:
        kernel: Distance of the distributions.
        manifold: Precision and recall.
        diversity: Mean distance of two of them, in that of two reference pictures.
    """

    kernel: KernelDistance | NotComputable
    manifold: Manifold | NotComputable
    diversity: float | NotComputable


@dataclass(frozen=True)
class Accuracies:
    """What the judge finds of one trait.

    Attributes:
        right: Share of the speakers nearest to the right prompt.
        balanced: The same, averaged over the populations.
        agreement: Of the faces of one voice.
    """

    right: Interval | NotComputable
    balanced: float | NotComputable
    agreement: Agreement | NotComputable


@dataclass(frozen=True)
class ComparedRun:
    """What one run made of the voices.

    Attributes:
        name: Of its directory.
        generator: As its configuration names it; empty where it does not tell.
        latent_space: The same.
        steps: The same.
        ids: Of the faces that are compared, in the order of the first run.
        seconds_per_face: Of all that the run has made, on whatever machine made it.
        similarity_start: Mean cosine of the start to the target, by the guide.
        similarity_end: The same of the final image.
        traits: By name.
        quality: Of these faces.
        same_voice: Distance between two faces of one voice over that between voices, by features.
    """

    name: str
    generator: str
    latent_space: str
    steps: str
    ids: tuple[str, ...]
    seconds_per_face: float | NotComputable
    similarity_start: float | NotComputable
    similarity_end: float | NotComputable
    traits: Mapping[str, Accuracies]
    quality: Quality
    same_voice: float | NotComputable


@dataclass(frozen=True)
class RunComparison:
    """Runs side by side.

    Attributes:
        runs: In the order given.
        voices: How many they have in common.
        left_out: How many faces of any run are not in all.
        guide: That of all runs; several names where they differ.
        judge: The same.
        reference: What stands for real pictures.
        yardstick: What as many other reference pictures reach.
    """

    runs: tuple[ComparedRun, ...]
    voices: int
    left_out: int
    guide: str
    judge: str
    reference: str
    yardstick: Quality


@dataclass(frozen=True)
class Reference:
    """Real pictures.

    Attributes:
        name: For people.
        images: Those that generated ones are compared with, RGB in [-1, 1].
        others: Some that are not among them, for the yardstick: as many as are asked for, or fewer.
    """

    name: str
    images: Iterable[Image]
    others: Callable[[int], Iterable[Image]]


def compare_runs(runs: Sequence[FinishedRun], names: Sequence[str], reference: Reference) -> RunComparison:
    """Compares what finished runs made of the same clips.

    Args:
        runs: At least one.
        names: One for each.
        reference: Real pictures.

    Raises:
        ConfigError: They were judged differently.
        RunDirectoryError: They have no clip in common, or a file is damaged.
    """
    rows = [{row.clip.id: row for row in run.rows if row.done} for run in runs]
    ids = [id for id in rows[0] if all(id in found for found in rows)]
    if not ids:
        raise RunDirectoryError(
            f"Expected runs of the same voices, found no clip that is in all of {', '.join(names)}. Make "
            "them from one configuration with an overlay for each generator."
        )
    settings = _settings_of(runs, names)
    network = RandomFeatures()
    real = network.of_all(reference.images)
    if len(real) < 2:
        raise ConfigError(f"Expected several pictures to compare with, found {len(real)}: {reference.name}.")
    seen = _Seer(network, real)
    compared = [
        _compared(run, name, [found[id] for id in ids], settings, seen)
        for run, name, found in zip(runs, names, rows, strict=True)
    ]
    return RunComparison(
        tuple(compared),
        voices=len(set(_voices(runs[0], ids))),
        left_out=len({id for found in rows for id in found}) - len(ids),
        guide=_joined(_scored_with(run).get("guide", "") for run in runs),
        judge=_joined(_scored_with(run).get("judge", "") for run in runs),
        reference=reference.name,
        yardstick=quality(seen.real, seen(reference.others(len(ids)))),
    )


def quality(real: Float[Tensor, "image feature"], made: Float[Tensor, "other feature"]) -> Quality:
    """Compares features of pictures, both standardised over the real ones."""
    spread, whole = mean_distance(made), mean_distance(real)
    relative: float | NotComputable = NotComputable("the reference pictures are all alike")
    if isinstance(spread, NotComputable):
        relative = spread
    elif isinstance(whole, float) and whole:
        relative = spread / whole
    return Quality(kernel_distance(real, made), manifold(real, made), relative)


class _Seer:
    """Sees features, standardised over the reference."""

    def __init__(self, network: RandomFeatures, real: Float[Tensor, "image feature"]) -> None:
        self.network, self.raw = network, real
        self.real = standardised(real, real)

    def __call__(self, images: Iterable[Image]) -> Float[Tensor, "image feature"]:
        return standardised(self.network.of_all(images), self.raw)


def _compared(
    run: FinishedRun,
    name: str,
    rows: Sequence[ResultRow],
    settings: Sequence[PromptSet],
    seen: _Seer,
) -> ComparedRun:
    ids = [row.clip.id for row in rows]
    voices = _voices(run, ids)
    features = seen(_image(run, id) for id in ids)
    return ComparedRun(
        name=name,
        generator=_setting(run, "generator"),
        latent_space=_setting(run, "latent_space"),
        steps=_setting(run, "num_steps"),
        ids=tuple(ids),
        seconds_per_face=_seconds(run),
        similarity_start=_mean([row.similarity_start for row in rows]),
        similarity_end=_mean([row.similarity_end for row in rows]),
        traits={one.trait: _accuracies(rows, voices, one) for one in settings},
        quality=quality(seen.real, features),
        same_voice=distance_ratio(features, voices),
    )


def _accuracies(rows: Sequence[ResultRow], voices: Sequence[str], prompts: PromptSet) -> Accuracies:
    observed = evaluate(rows, prompts, permutations=1).observed
    return Accuracies(observed.accuracy.share, observed.balanced_accuracy, agreement(rows, voices, prompts))


def _image(run: FinishedRun, id: str) -> Image:
    picture = load_face(run, id)
    if picture is None:
        raise RunDirectoryError(
            f"The image of {id} in {run.path} is missing or damaged. Start the run again, which mends it: "
            "the same `fit` command, or `generate`."
        )
    return from_picture(picture)


def _voices(run: FinishedRun, ids: Sequence[str]) -> list[str]:
    """Whose face each is: several have the same voice where the run was made so."""
    several = faces_per_voice(run) > 1
    return [id.rpartition(MARK)[0] if several else id for id in ids]


def _settings_of(runs: Sequence[FinishedRun], names: Sequence[str]) -> list[PromptSet]:
    """The questions that every run was asked.

    Raises:
        ConfigError: Another judge answered.
    """
    judges = [str(_scored_with(run).get("judge", "")) for run in runs]
    if len(set(judges)) > 1:
        told = ", ".join(f"{name}: {judge or 'none'}" for name, judge in zip(names, judges, strict=True))
        raise ConfigError(
            f"The runs have different judges ({told}), so their scores are not comparable. Score them alike: "
            "`stylewav-pl test --config X --run RUN`."
        )
    asked = [{one.trait: one for one in _questions(run)} for run in runs]
    return [one for trait, one in asked[0].items() if all(found.get(trait) == one for found in asked)]


def _questions(run: FinishedRun) -> list[PromptSet]:
    """What a run was scored with; of earlier versions, what it was evaluated with."""
    scored = _scored_with(run).get("prompts")
    if not isinstance(scored, dict):
        return [one for one, *_ in read_settings(run)]
    return [PromptSet(trait, dict(by)) for trait, by in scored.items() if isinstance(by, dict)]


def _scored_with(run: FinishedRun) -> Mapping[str, Any]:
    found = run.manifest.get("scored_with")
    return found if isinstance(found, dict) else {}


def _setting(run: FinishedRun, name: str) -> str:
    """A setting of the model as text; empty where the run does not tell."""
    value: Any = ""
    with suppress(StyleWavError, OSError, KeyError, TypeError, ValueError):
        value = run.configuration["model"][name]
        if isinstance(value, dict):
            value = value["class_path"]
    return str(value).rpartition("stylewav_pl.")[2] if name != "latent_space" else str(value).split(".")[-1]


def _seconds(run: FinishedRun) -> float | NotComputable:
    try:
        seconds = float(run.manifest["timing"]["cohort_seconds"])
        return seconds / int(run.manifest["counts"]["done"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return NotComputable("the run did not note it")


def _mean(values: Iterable[float | None]) -> float | NotComputable:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else NotComputable("the run did not note it")


def _joined(names: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(str(name) for name in names if name)) or "not known"

"""The callback that turns cohort results into named numbers, pictures and histograms.

It hands them to the trainer's loggers.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from PIL import Image

from stylewav_pl.callbacks.clip_score import ClipScore
from stylewav_pl.callbacks.dashboard import names
from stylewav_pl.callbacks.dashboard.finished_cohort import FinishedCohort
from stylewav_pl.callbacks.dashboard.run_summary import RunSummary
from stylewav_pl.callbacks.dashboard.running_stats import (
    RunningStats,
    memory,
    should_log_images,
    should_log_numbers,
)
from stylewav_pl.errors import one_line
from stylewav_pl.loggers import RunLogger
from stylewav_pl.pictures.grid import picture_grid
from stylewav_pl.ranges import check_number
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.journal import CohortRecord
from stylewav_pl.types import CohortResult

MAX_POPULATIONS = 8


class Dashboard(Callback):
    """Shows how a run goes, in every logger of the trainer.

    The names are those of :mod:`stylewav_pl.callbacks.dashboard.names`.

    Volume: a row of numbers per cohort for the first 1000 cohorts, then 500 for each doubling; pictures and
        histograms after
    1, 2, 4, 8, ... cohorts. So two million clips in cohorts of 256 give 2500 rows and 13 looks of at most 8
    pictures, and at the end one table of ``table_rows``. Nothing else grows with the number of clips.

    Loggers of Lightning itself get the numbers, those of :mod:`stylewav_pl.loggers` everything. A logger that
    fails is left alone from then on, with a message: a dashboard never ends a run.
    """

    def __init__(self, faces: int = 16, table_rows: int = 200, every_rank: bool = False) -> None:
        """Says how much is shown.

        Args:
            faces: Most faces of a population in one picture while the run works; 0: no pictures.
            table_rows: Most clips in the table at the end.
            every_rank: Every process shows its own numbers and faces; otherwise only the first. Not with
                Ray, where one shows those of all workers.

        Raises:
            ConfigError: A number is out of its range.
        """
        check_number("dashboard.faces", faces, least=0)
        check_number("dashboard.table_rows", table_rows, least=0)
        self.faces = faces
        self.table_rows = table_rows
        self.every_rank = every_rank
        self.clips_done = 0
        self._settings: Mapping[str, Any] = {}
        self._cohorts = 0
        self._stats = RunningStats(time.monotonic())
        self._given_up: list[Logger] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Reads what earlier starts of the run have done, and its configuration.

        Only where this process shows them.
        """
        if self._shows(trainer):
            run = RunDirectory(Path(trainer.default_root_dir))
            self.clips_done = run.finished().number_of_clips
            self._settings = run.first_configuration()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock; shows the configuration and the learning rate of a cohort."""
        self._stats = RunningStats(time.monotonic())
        if not self._shows(trainer):
            return
        module: Any = pl_module
        optimizer = next(iter(trainer.optimizers), None) or module.configure_optimizers()
        rate = optimizer.param_groups[0]["lr"]
        rates = [rate * factor for factor in module.recipe.learning_rate_factors]
        first = self.clips_done == 0  # a resumed run has its curve
        self._tell(trainer.loggers, lambda logger: _open(logger, self._settings, rates if first else []))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Adds a finished cohort, and shows what is due."""
        result: CohortResult = outputs["result"]
        if not result.clips or not self._shows(trainer):
            return
        cohort = FinishedCohort.of_result(result, outputs.get("scores", ()))
        self._show(trainer, cohort, f"rank{trainer.global_rank}", memory(pl_module.device))

    def begin_for_workers(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Does at the start what Lightning's hooks do in a process that makes faces itself."""
        self.setup(trainer, pl_module, "fit")
        self.on_train_start(trainer, pl_module)

    def show_worker_cohort(self, trainer: Trainer, record: CohortRecord) -> None:
        """Adds a cohort that a worker has finished; the numbers are over all workers.

        Args:
            trainer: Of the process that hands out cohorts.
            record: What the journal says about it.
        """
        if record.clips and self._shows(trainer):
            cohort = FinishedCohort.of_record(record, Path(trainer.default_root_dir))
            if score := _clip_score(trainer):
                score.count(cohort.scores, cohort.clips)
            self._show(trainer, cohort, names.WORKERS, {})

    def _show(self, trainer: Trainer, cohort: FinishedCohort, owner: str, used: Mapping[str, float]) -> None:
        self.clips_done += len(cohort.clips)
        self._cohorts += 1
        self._stats.add(cohort.curves)
        step, score = self.clips_done, _clip_score(trainer)
        if should_log_numbers(self._cohorts):
            row = self._row(score, used)
            told = {True: _of(owner, row), False: _of(owner, names.chosen(row))}
            self._tell(
                trainer.loggers,
                lambda logger: logger.log_metrics(told[_keeps_all_numbers(logger)], step),
                include_lightning_loggers=True,
            )
        if should_log_images(self._cohorts) and any(map(_wants_more_than_numbers, trainer.loggers)):
            faces, histograms = self._faces(cohort, score), _histograms(cohort)
            self._tell(trainer.loggers, lambda logger: _look(logger, faces, histograms, step))

    def show_results(self, trainer: Trainer) -> None:
        """Shows the whole run, once its tables, statistics and report are written."""
        summary = RunSummary(FinishedRun(Path(trainer.default_root_dir)), self.table_rows)
        self._tell(trainer.loggers, summary.show)

    def close(self, trainer: Trainer, failed: bool = False) -> None:
        """Ends the loggers."""
        self._tell(trainer.loggers, lambda logger: logger.close(failed))

    def _shows(self, trainer: Trainer) -> bool:
        return bool(trainer.loggers) and (self.every_rank or trainer.global_rank == 0)

    def _row(self, score: ClipScore | None, used: Mapping[str, float]) -> dict[str, float]:
        now = time.monotonic()
        numbers = {**self._stats.numbers(now), **used}
        means = score.running_means() if score else {}
        numbers |= {names.score(*population): mean for population, mean in means.items()}
        if score:
            separate = separations(score.prompts, means)
            numbers |= {names.score(trait, names.SEPARATION): value for trait, value in separate.items()}
        self._stats = RunningStats(now)
        return numbers

    def _faces(self, cohort: FinishedCohort, score: ClipScore | None) -> dict[str, Image.Image]:
        """A few faces of each population of the first trait that is scored, in the order of its prompts."""
        trait, labels = next(iter(score.prompts.items())) if score and score.prompts else ("", {})
        found = [clip.labels.get(trait, names.EVERYBODY) for clip in cohort.clips]
        chosen = {
            label: [row for row, of in enumerate(found) if of == label][: self.faces]
            for label in dict.fromkeys([*labels, *found])
        }
        shown = [(label, rows) for label, rows in chosen.items() if rows][:MAX_POPULATIONS]
        faces = {label: list(map(cohort.face, rows)) for label, rows in shown}
        there = {label: [face for face in row if face is not None] for label, row in faces.items()}
        return {label: picture_grid({label: row}, columns=8) for label, row in there.items() if row}

    def _tell(
        self, loggers: Sequence[Logger], act: Callable[[Any], None], include_lightning_loggers: bool = False
    ) -> None:
        for logger in loggers:
            if logger in self._given_up or not (include_lightning_loggers or isinstance(logger, RunLogger)):
                continue
            try:
                act(logger)
            except (
                Exception
            ) as problem:  # whatever a service, a disk or a library does: the faces matter more
                self._given_up.append(logger)
                print(
                    f"stylewav-pl: {type(logger).__name__} is left alone from now on, the run goes on "
                    f"without it: {one_line(repr(problem))}",
                    file=sys.stderr,
                )


def separations(
    prompts: Mapping[str, Mapping[str, str]], means: Mapping[tuple[str, str, str], float]
) -> dict[str, float]:
    """Tells how much higher prompts score on their own populations than on the others, on average.

    Args:
        prompts: Of each trait by label.
        means: By trait, label and prompt; a population without clips has none.

    Returns:
        By trait; a trait of which a population has no clip yet is left out.

    >>> prompts = {"pet": {"cat": "a cat", "dog": "a dog"}}
    >>> scores = {("pet", "cat", "a cat"): 0.5, ("pet", "cat", "a dog"): 0.25}
    >>> separations(prompts, scores | {("pet", "dog", "a cat"): 0.25, ("pet", "dog", "a dog"): 0.75})
    {'pet': 0.375}
    """
    found = {}
    for trait, by_label in prompts.items():
        gaps = []
        for own, prompt in by_label.items():
            others = [means.get((trait, label, prompt)) for label in by_label if label != own]
            known = [mean for mean in (means.get((trait, own, prompt)), *others) if mean is not None]
            if len(known) == len(by_label) > 1:
                gaps.append(known[0] - sum(known[1:]) / len(others))
        if len(gaps) == len(by_label):
            found[trait] = sum(gaps) / len(gaps)
    return found


def _of(owner: str, numbers: Mapping[str, float]) -> dict[str, float]:
    return {names.own(owner, name): value for name, value in numbers.items()}


def _keeps_all_numbers(logger: Logger) -> bool:
    """Whether it is a file of numbers; dashboards, those of Lightning too, get the chosen ones."""
    return isinstance(logger, RunLogger) and logger.only_numbers


def _wants_more_than_numbers(logger: Logger) -> bool:
    return isinstance(logger, RunLogger) and not logger.only_numbers


def _open(logger: RunLogger, settings: Mapping[str, Any], rates: Sequence[float]) -> None:
    logger.log_hyperparams(dict(settings))
    logger.log_curve(names.LEARNING_RATE, rates)


def _look(
    logger: RunLogger, faces: Mapping[str, Image.Image], histograms: Mapping[str, np.ndarray], step: int
) -> None:
    for label, picture in faces.items():
        logger.log_picture(names.faces(label), picture, step)
    for name, values in histograms.items():
        logger.log_histogram(names.histogram(name, live=True), values, step)


def _clip_score(trainer: Trainer) -> ClipScore | None:
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback for callback in callbacks if isinstance(callback, ClipScore)), None)


def _histograms(cohort: FinishedCohort) -> dict[str, np.ndarray]:
    scores = cohort.scores
    prompts = dict.fromkeys(prompt for row in scores for prompt in row.scores)
    by_prompt = {names.score(prompt): np.array([row.scores[prompt] for row in scores]) for prompt in prompts}
    return {"similarity_end": cohort.curves[:, -1].cpu().double().numpy(), **by_prompt}

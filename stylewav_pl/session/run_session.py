"""One start of a run by one of its processes: claim, plan, join, watch, close."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from subprocess import Popen
from types import TracebackType
from typing import Any

from lightning.pytorch import Trainer

from stylewav_pl.callbacks import ClipScore, Dashboard, ResultsWriter, Watch
from stylewav_pl.data import ClipDataModule
from stylewav_pl.errors import ConfigError, Stopped, StyleWavError
from stylewav_pl.files import remove_litter
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.building import check_tuned
from stylewav_pl.optimisation.prompts import check_columns
from stylewav_pl.processes.coordinator import Coordinator
from stylewav_pl.processes.participant import Participant
from stylewav_pl.processes.signals import on_stop, stop_requested
from stylewav_pl.processes.strategy import Launcher
from stylewav_pl.processes.threads import use_threads
from stylewav_pl.processes.worker import Worker
from stylewav_pl.runs.damage import Damage, DamageError
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.mirror import Mirror
from stylewav_pl.runs.objects import Objects
from stylewav_pl.runs.places import check_places
from stylewav_pl.runs.plan import Plan, cohorts_of_rank
from stylewav_pl.session.claim import claim, restore_plan
from stylewav_pl.session.failures import exit_code_of, to_user_error
from stylewav_pl.session.finalize import (
    check_skips,
    check_so_far,
    finalize_run,
    finalized_before,
    nothing_listed,
    print_now,
    record_prompts,
    sounds_of,
)
from stylewav_pl.session.first_start import AUTO, plan_so_far, threads_of
from stylewav_pl.session.mend import mend
from stylewav_pl.session.networks import Networks
from stylewav_pl.session.settings import RunSettings
from stylewav_pl.session.versions import facts_of


@dataclass
class RunSession:
    """A context for one start of a run; whatever ends it, the others hear of it, and the directory is free.

    ``fit`` calls :meth:`join`, lets the trainer work, and calls :meth:`finish`. Errors leave the context in a
    user's words.

    Attributes:
        settings: Of the run itself.
        trainer: Has the callbacks and loggers of the run.
        model: Optimises cohorts.
        data: Lists the clips.
        writer: Writes results.
        clip_score: Prompts and judge.
        dashboard: Ends the loggers.
        networks: Names and hashes of the networks.
        configuration: All settings, resolved.
    """

    settings: RunSettings
    trainer: Trainer
    model: StyleWav
    data: ClipDataModule
    writer: ResultsWriter
    clip_score: ClipScore
    dashboard: Dashboard
    networks: Networks
    configuration: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.job: Participant | None = None
        self.plan = Plan(1)
        self.lost: list[Damage] = []
        self.data.sample_rate = self.model.audio.sample_rate

    def __enter__(self) -> "RunSession":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        translated = error and to_user_error(error, self.run.path)
        try:
            if translated is not None and self.job is not None:
                self._report_exit(self.job, translated)
        finally:
            self.dashboard.close(self.trainer, failed=error is not None)
            if mirror := vars(self).get("mirror"):
                mirror.close()
            self.run.release()  # the same process may want to continue
        if translated is not None and translated is not error:
            raise translated from error

    @cached_property
    def run(self) -> RunDirectory:
        """Where the run's files lie."""
        return RunDirectory(self.settings.path)

    @cached_property
    def mirror(self) -> Mirror | None:
        """Copies what the first process sees to where ``--results`` says."""
        url = self.trainer.global_rank == 0 and self.settings.results
        return Mirror(self.run, Objects(url), print_now) if url else None

    def check_parts(self) -> None:
        """Refuses what cannot work before anything is written: it must not become part of the run.

        Raises:
            ConfigError: A precision, optimiser, start, prompt, judge or place is wrong.
        """
        device = self.trainer.strategy.root_device
        self.model.speed.check(device)
        self.model.check_optimizer(device)
        self.model.start.check_count(self.data.count)
        check_places(self.run.path)
        _ = self.mirror  # refuses an address that is none
        self.clip_score.prepare(self.model.guide, self.model.device)

    def listed_ids(self) -> list[str]:
        """Returns every clip of the sources.

        Raises:
            ConfigError: There is none, and no earlier start had one; no clip has a label that a prompt names;
                or clips side by side have generators of their own.
        """
        clips = self.data.list_clips()
        check_columns(self.model.guidance.vectors.columns, clips)
        ids = [clip.id for clip in clips]
        check_tuned(self.model.given, ids, self.data.cohort_size, self.model.speed)
        if not ids and (self.settings.begins_anew or "plan" not in self.run.read_manifest()):
            raise ConfigError(nothing_listed(self.data.early_skips, self.data.ignored))
        return ids

    def extended_plan(self, ids: Sequence[str]) -> Plan:
        """Returns the plan with these clips.

        Those whose files would have the names of others' become skips.
        """
        size = self.data.cohort_size
        plan = plan_so_far(self.run, size, len(ids), self.model, self.trainer).extended(ids)
        self.data.leave_out(plan.left_out(ids))
        return plan

    def join(self) -> None:
        """Claims the directory and takes this process's share of the plan.

        Other processes than the first wait until that one has claimed it.
        """
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        self.check_parts()
        ids = self.listed_ids()
        self.job = self._enter_job(ids)
        self.plan = self.run.read_plan(1)  # there is one by now
        if self.data.cohort_size == AUTO:
            self.data.cohort_size = self.plan.cohort_size  # the module takes its slots from there
        use_threads(self.threads)
        done = self.run.finished()
        self.data.assign(cohorts_of_rank(self.plan.cohorts, rank, world_size, frozenset(done)))
        self.run.check_place()
        # First of all callbacks: nothing is written or shown for a run that has to end. The stub of Trainer
        # lacks its property ``callbacks``.
        watch = Watch(self.check, self.check_results)
        self.trainer.callbacks.insert(0, watch)  # type: ignore[attr-defined]
        on_stop(lambda: self.launcher.kill(signal.SIGTERM))
        if not rank and done:
            print(f"{done.number_of_clips} faces are there already and are not made again.")

    def finish(self) -> None:
        """Waits for the other processes, then merges their journals and judges the whole.

        Only the first process does; every other one says that it is done.

        Raises:
            Stopped: A signal came.
            DamageError: Something is damaged and cannot be made again.
            TooManySkipsError: More clips were skipped than the settings allow.
            StrictError: A clip was skipped, and the settings allow none.
        """
        if self.trainer.received_sigterm or stop_requested():
            raise Stopped
        if not isinstance(self.job, Coordinator):
            assert self.job is not None
            return self.job.report_exit()
        self.job.wait(self._missing, self.check, print_now, self.settings.patience)
        scoring, early = self.networks.scoring(self.model.seed), self.data.early_skips
        totals = finalized_before(self.run, scoring, early) or finalize_run(
            self.run, self.plan, scoring, early, sounds_of(self.data), self.lost
        )
        self.dashboard.show_results(self.trainer)
        if self.mirror:
            self.mirror.finish()
        self.job.close(self.check, self.settings.patience)
        remove_litter(self.run.path)
        if self.lost:
            raise DamageError(self.run.path, self.lost)
        check_skips(totals.skips, totals.done, self.settings.strict, self.settings.max_skipped_fraction)

    def check(self) -> None:
        """Checks that this process may go on.

        Raises:
            ProcessError: Another process failed.
            Stopped: A signal came.
            OutputError: Results cannot be written.
        """
        assert self.job is not None
        self.job.check()
        if stop_requested():
            self.job.poll()  # launchers send signals when a process fails: its error is the better reason
            self.job.check()
            raise Stopped
        self.run.check_place()
        self.writer.check()
        if self.mirror:
            self.mirror.check()

    def check_results(self) -> None:
        """Ends a run that cannot end well: more clips were skipped than all together allow.

        Its tables tell which so far.

        Raises:
            TooManySkipsError: That is so, and there is work left that this saves.
        """
        if isinstance(self.job, Coordinator):
            check_so_far(self.run, self.plan, self.data.early_skips, self.settings.max_skipped_fraction)

    @property
    def threads(self) -> int:
        """Threads of each process."""
        return threads_of(self.run, self.settings.threads)

    @property
    def identity(self) -> dict[str, Any]:
        """What makes this run another than others; a file or a table of clips may change under its name."""
        return {**self.configuration, "weights": self.networks.weights, "samples": self.data.samples}

    @property
    def launcher(self) -> Launcher:
        """What starts the other processes of this machine."""
        launcher = self.trainer.strategy.launcher
        assert isinstance(launcher, Launcher)
        return launcher

    def _enter_job(self, ids: Sequence[str]) -> Participant:
        """Becomes the coordinator, or one of those who wait for it."""
        return self._join_job() if self.trainer.global_rank else self._start_coordinator(ids)

    def _start_coordinator(self, ids: Sequence[str]) -> Coordinator:
        """Claims the directory, writes the plan, and lets the other processes in."""
        weights, seed, output = self.networks.weights, self.model.seed, self.writer.output
        facts = lambda: facts_of(weights, seed, self.threads, output)  # noqa: E731 - not before it is claimed
        claim(self.run, self.settings.begins_anew, self.identity, self.data.funnel, facts, self.mirror)
        for ignored in self.data.ignored:
            print(ignored, flush=True)
        restore_plan(self.run, ids)
        self.run.write_plan(plan := self.extended_plan(ids))
        self.lost = mend(FinishedRun(self.run.path), plan, self.data, print_now)
        record_prompts(self.run, self.model.guide, self.clip_score.texts)
        if self.mirror:
            self.mirror.start()
        world_size = self.trainer.world_size
        return Coordinator(self.run.path, 0, world_size, self.launcher.name, self._children).open()

    def _join_job(self) -> Worker:
        """Waits until the first process has opened the directory."""
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        worker = Worker(self.run.path, rank, world_size, self.launcher.name, self._children)
        return worker.join(self._check_before_joining, print_now, self.settings.patience)

    def _check_before_joining(self) -> None:
        """Raises what would make the first process refuse; it may be gone before it could say so."""
        if stop_requested():
            raise Stopped
        if not self.settings.begins_anew:
            self.run.configuration.check(self.identity)

    def _missing(self) -> int:
        """Returns how many cohorts have no result yet."""
        done = self.run.finished()
        return sum(cohort.index not in done for cohort in self.plan.cohorts)

    def _report_exit(self, job: Participant, error: BaseException) -> None:
        """Tells the other processes what ended this one, and ends those that it started."""
        told = str(error) if isinstance(error, StyleWavError) else f"{type(error).__name__}: {error}"
        job.report_exit(exit_code_of(error), told)
        self.launcher.end()

    def _children(self) -> Sequence["Popen[bytes]"]:
        """Returns the processes that this one has started."""
        return tuple(self.launcher.procs)

"""A run whose cohorts are made by workers of Ray: who hands them out, and what each worker does."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from stylewav_pl.callbacks.progress import progress_bar
from stylewav_pl.data.handed_out import HandedOutLoader
from stylewav_pl.processes.coordinator import Coordinator
from stylewav_pl.processes.dispenser import Take
from stylewav_pl.processes.guest import Guest
from stylewav_pl.processes.participant import Participant
from stylewav_pl.processes.ray_actor import Outcome, Seat
from stylewav_pl.processes.ray_workers import Counts, Needs, Workers
from stylewav_pl.session.finalize import print_now
from stylewav_pl.session.run_session import RunSession

POLL_SECONDS = 0.5
IDLE_SECONDS = 1.0


@dataclass
class HandingOut(RunSession):
    """The start that claims the run, hands out its cohorts, and judges the whole. It makes none itself."""

    workers: Workers | None = None

    @property
    def token(self) -> str:
        """Whom the workers follow."""
        assert isinstance(self.job, Coordinator)
        return self.job.status.token

    def make_all(
        self, work: Callable[[Seat, Take], Outcome], counts: Counts, needs: Needs, shown: bool | None
    ) -> None:
        """Returns when every cohort has a result.

        Args:
            work: What a worker does.
            counts: How many there may be.
            needs: What each needs.
            shown: See :func:`progress_bar`.

        Raises:
            ProcessError: A worker failed, or there were too few.
            Stopped: A signal came.
        """
        left = {cohort.index: len(cohort.ids) for cohort in self.data.cohorts}
        if not left:
            return
        counts = counts.at_most(len(left))
        self.dashboard.begin_for_workers(self.trainer, self.model)
        self.workers = Workers(work, counts, needs, list(left), print_now, self.settings.patience)
        with progress_bar(sum(left.values()), "faces", shown) as bar:
            while left:
                self.check()
                done = self.run.finished()
                fresh = [index for index in left if index in done]
                bar.update(sum(left.pop(index) for index in fresh))
                for index in fresh:
                    self.dashboard.show_worker_cohort(self.trainer, done[index])
                if fresh:
                    self.check_results()
                bar.set_postfix(
                    workers=self.workers.look_after(self.run.finished, POLL_SECONDS), refresh=False
                )
        self.workers.finish(self.settings.patience, self.check)

    def _report_exit(self, job: Participant, error: BaseException) -> None:
        super()._report_exit(job, error)
        if self.workers is not None:
            self.workers.dismiss()


@dataclass
class HandedOut(RunSession):
    """What a worker does: the cohorts that it is handed, in a run that another process has claimed."""

    token: str = ""
    take: Take | None = None

    def join(self) -> None:
        """Follows the coordinator, and asks it for every cohort."""
        super().join()
        assert self.take is not None
        self.data.assign(self.plan.cohorts)
        self.writer.wins = self.take.wins
        self.data.loader = partial(HandedOutLoader, take=self.take, wait=self._wait)

    def _enter_job(self, ids: Sequence[str]) -> Participant:
        self._check_before_joining()
        return Guest(self.run.path, self.trainer.global_rank, self.trainer.world_size, self.token).join()

    def _wait(self) -> None:
        self.check()
        time.sleep(IDLE_SECONDS)

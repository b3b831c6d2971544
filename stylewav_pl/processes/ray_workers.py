"""Workers that Ray starts, places and watches: each is an actor that makes cohorts until there are no more.

Ray is imported when it is asked for: it is an extra of the package.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple, final

from stylewav_pl.errors import ConfigError, ProcessError, one_line
from stylewav_pl.processes.dispenser import Dispenser, Take
from stylewav_pl.processes.ray_actor import Actor, Outcome, Seat

MOST_LOSSES = 5  # of workers, with one cohort or in one place, before it is no accident any more
REMARK_SECONDS = 60.0
GRACE_SECONDS = 5.0
POLL_SECONDS = 0.5
MOST_WORKERS = 100_000


@dataclass(frozen=True)
class Counts:
    """How many workers there may be.

    Attributes:
        least: With fewer a run does not go on for ever.
        most: As many as are asked for; None: as many as there are GPUs, or else cores for, at the start.
    """

    least: int = 1
    most: int | None = None

    @classmethod
    def read(cls, text: str | None) -> "Counts":
        """Reads ``MAX`` or ``MIN:MAX``.

        Raises:
            ConfigError: It is neither.

        >>> Counts.read("8"), Counts.read("2:64")
        (Counts(least=1, most=8), Counts(least=2, most=64))
        """
        if text is None:
            return cls()
        match = re.fullmatch(r"(?:(\d{1,6}):)?(\d{1,6})", text)
        least, most = (int(match[1] or 1), int(match[2])) if match else (0, 0)
        if not 1 <= least <= most <= MOST_WORKERS:
            raise ConfigError(f"Expected --workers MAX or MIN:MAX, as in 4:64, found {text!r}. Correct it.")
        return cls(least, most)

    def at_most(self, cohorts: int) -> "Counts":
        """Returns no more than there are cohorts: others would find nothing to do.

        >>> Counts(2, 64).at_most(3), Counts(8, 64).at_most(3)
        (Counts(least=2, most=3), Counts(least=3, most=3))
        """
        most = cohorts if self.most is None else min(self.most, cohorts)
        return Counts(min(self.least, most), most)


@dataclass(frozen=True)
class Needs:
    """What Ray sets aside for a worker.

    Attributes:
        gpus: 0 or 1.
        cores: Of the CPU.
        environment: Variables of its process.
    """

    gpus: int
    cores: int
    environment: Mapping[str, str]


class _Employed(NamedTuple):
    seat: Seat
    number: int
    actor: Any


@final
class Workers:
    """The workers of a job: asked of Ray, replaced when they are lost, told when they fail.

    Args:
        work: Called in the process of each, with its seat and the way to cohorts.
        counts: How many; ``most`` is known.
        needs: Of each.
        cohorts: What is to be made.
        say: Tells a person.
        patience: How long there may be too few, in seconds.
    """

    def __init__(
        self,
        work: Callable[[Seat, Take], Outcome],
        counts: Counts,
        needs: Needs,
        cohorts: Collection[int],
        say: Callable[[str], None],
        patience: float,
    ) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        assert counts.most is not None
        self.counts, self.say, self.patience = counts, say, patience
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._dispenser = ray.remote(Dispenser).options(num_cpus=0, scheduling_strategy=here).remote(cohorts)
        # max_restarts is 0: what a lost worker had has to be put back before another takes its place.
        self._actor = ray.remote(Actor).options(
            num_cpus=needs.cores, num_gpus=needs.gpus, runtime_env={"env_vars": dict(needs.environment)}
        )
        self._work = ray.put(work)
        self._numbers = count()
        self._employed: dict[Any, _Employed] = {}
        self._losses: Counter[int | Seat] = Counter()
        self._enough_at = time.monotonic()
        self._remarked = False
        for number in range(counts.most):
            self._employ(Seat(number, counts.most))

    def look_after(self, finished: Callable[[], Collection[int]], seconds: float) -> int:
        """Replaces those that were lost; waits for ``seconds`` at most.

        Args:
            finished: Tells the cohorts that have a result by now.
            seconds: How long to wait for the first that ends.

        Returns:
            How many work.

        Raises:
            ProcessError: One failed, or there were too few for too long.
        """
        import ray

        ended, _ = ray.wait(list(self._employed), timeout=seconds)
        for reference in ended:
            employed = self._employed.pop(reference)
            try:
                self._check(ray.get(reference))
                why = "it ended early"
            except ray.exceptions.RayError as error:
                why = self._why(error)
            self._replace(employed, why, finished())
        working = self._call("workers")
        self._check_enough(len(working))
        return len(working)

    def finish(self, patience: float, check: Callable[[], None]) -> None:
        """Lets everybody end, and waits for that; not for those who make what another has made already.

        Args:
            patience: For how many seconds.
            check: Raises when waiting has no sense any more; a signal may have come.

        Raises:
            ProcessError: One failed in the end.
        """
        import ray

        self._call("end")
        working, began = set(self._call("idle")), time.monotonic()
        waited_for = [reference for reference, one in self._employed.items() if one.number in working]
        while waited_for and time.monotonic() - began < patience:
            check()
            ended, waited_for = ray.wait(waited_for, timeout=POLL_SECONDS)
            for reference in ended:
                with suppress(ray.exceptions.RayError):  # lost when it had nothing more to do
                    self._check(ray.get(reference))
        self.dismiss(0.0)

    def dismiss(self, grace: float = GRACE_SECONDS) -> None:
        """Ends those that are still there, after ``grace`` seconds."""
        import ray

        references = list(self._employed)
        if grace and references:
            ray.wait(references, num_returns=len(references), timeout=grace)
        for one in self._employed.values():
            ray.kill(one.actor)
        self._employed.clear()

    def _employ(self, seat: Seat) -> None:
        actor: Any = self._actor.remote()
        number = next(self._numbers)
        reference = actor.work.remote(self._work, seat, number, self._dispenser)
        self._employed[reference] = _Employed(seat, number, actor)

    def _replace(self, lost: _Employed, why: str, finished: Collection[int]) -> None:
        import ray

        taken: list[int] = self._call("lose", lost.number)
        undone = [cohort for cohort in taken if cohort not in finished]
        if len(undone) < len(taken):  # it has worked: its place is not to blame
            self._losses.pop(lost.seat, None)
        cause = undone[0] if undone else lost.seat
        self._losses[cause] += bool(undone or not taken)
        if self._losses[cause] == MOST_LOSSES:
            what = f"with cohort {cause}" if undone else "before they had done anything"
            raise ProcessError(
                f"{MOST_LOSSES} workers were lost {what}, the last one because: {why}. See Ray's logs; the "
                "same command continues.",
                1,
            )
        self.say(f"A worker was lost ({why}). Cohorts that are handed out again: {len(undone)}.")
        ray.kill(lost.actor)  # it may live, and only its connection be lost
        self._call("put_back", undone)
        self._employ(lost.seat)

    def _why(self, error: Exception) -> str:
        """Tells how a worker was lost.

        Raises:
            ProcessError: It was not: its program failed.
        """
        import ray

        if isinstance(error, ray.exceptions.RayTaskError | ray.exceptions.RuntimeEnvSetupError):
            cause = getattr(error, "cause", None) or error  # without the traceback of the other process
            raise ProcessError(
                f"A worker cannot work: {type(cause).__name__}: {one_line(cause)}. Every node needs the "
                "installation of this one.",
                1,
            )
        return one_line(error, 160)

    def _check(self, outcome: Outcome) -> None:
        code, error = outcome
        if code:
            raise ProcessError(f"A worker failed: {error}\nThe same command continues.", code)

    def _check_enough(self, working: int) -> None:
        now, least = time.monotonic(), self.counts.least
        if working >= least:
            self._enough_at, self._remarked = now, False
            return
        few, waited = f"Only {working} of at least {least} workers", now - self._enough_at
        if waited > self.patience:
            raise ProcessError(
                f"{few} for {waited:.0f} s: Ray finds no place for more, as `ray status` tells. Add nodes, "
                "or ask for less (--workers, --threads). The same command continues.",
                1,
            )
        if waited > REMARK_SECONDS and not self._remarked:
            self._remarked = True
            self.say(f"{few} for {waited:.0f} s; this process gives up after {self.patience:.0f} s.")

    def _call(self, name: str, *words: Any) -> Any:
        """Calls the dispenser.

        Raises:
            ProcessError: It is gone, and with it the knowledge of who has what.
        """
        import ray

        try:
            return ray.get(getattr(self._dispenser, name).remote(*words))
        except ray.exceptions.RayError as error:
            raise ProcessError(
                f"Ray lost the process that hands out cohorts ({one_line(error, 160)}). The same command "
                "continues.",
                1,
            ) from error

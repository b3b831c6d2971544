"""A copy of a run in an object store, from which a machine that has nothing else can go on.

The run directory stays where it is, on a disk: journals grow line by line, and locks need a file system. What
is finished is copied behind the optimisation, whole object by whole object: first the files of a cohort, then
``cohorts/N.json``, which makes them count, as its line in the journal does on the disk. A start fetches what
the store has and the disk lacks, and brings what the disk has and the store lacks, so a crash between the two
loses nothing. One listing tells 1,000 cohorts. Nothing is written after the claim is known to be lost, and
what a slow process might still write then is written on a condition: see :mod:`mirrored_cohorts`.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, final

import yaml

from stylewav_pl import bounded_yaml
from stylewav_pl.errors import RunDirectoryError, one_line
from stylewav_pl.files import whole_file
from stylewav_pl.runs.digests import NO_FILES
from stylewav_pl.runs.directory import PROMPTS, SCORES, RunDirectory
from stylewav_pl.runs.identity import differences
from stylewav_pl.runs.journal import Journals
from stylewav_pl.runs.mirrored_cohorts import AT_ONCE, WHOLE_BYTES, MirroredCohorts
from stylewav_pl.runs.objects import Objects
from stylewav_pl.runs.store_claim import CLAIM, TRIAL, Claim

PLAN, CONFIGURATION = "plan.jsonl", "config.yaml"
# In this order: whoever reads the manifest finds what it is about.
OF_THE_RUN = (CONFIGURATION, PLAN, PROMPTS, SCORES, "journal/manifest.json", "manifest.json")
SUFFIXES = (".csv", ".json", ".jsonl", ".yaml", ".html", ".png")  # of the files beside them
POLL_SECONDS = 1.0
LAST_SECONDS = 5.0  # what a run that is stopped still waits for


@final
class Mirror:
    """Keeps an object store equal to a run directory that this process has claimed.

    Args:
        run: The run directory.
        objects: The store.
        say: Tells a person.
    """

    def __init__(self, run: RunDirectory, objects: Objects, say: Callable[[str], None]) -> None:
        self.run, self.objects, self.say = run, objects, say
        self.claim = Claim(objects, str(run.path.absolute()))
        self._cohorts = MirroredCohorts(run, objects, self.claim)
        self._journals = Journals(run.journal_path)
        self._there: set[int] = set()  # cohorts that the store has
        self._versions: dict[str, Any] = {}  # of the objects in OF_THE_RUN, since this process has claimed it
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True, name="mirror")

    def check_empty(self) -> None:
        """Refuses to begin anew where a run lies; called before the one on the disk is moved aside.

        Raises:
            RunDirectoryError: The store has a run.
            OutputError: It does not answer.
        """
        if self.objects.read(CONFIGURATION) is not None:
            raise RunDirectoryError(
                f"{self.objects.url} has a run already, and --restart moves nothing there. Name another "
                "place with --results."
            )

    def fetch(self, identity: Mapping[str, Any]) -> None:
        """Claims the store, and fetches what the directory lacks.

        Args:
            identity: The configuration of this start.

        Raises:
            RunDirectoryError: The store has another run, or another machine works on this one.
            OutputError: The store does not answer.
        """
        self.claim.acquire(self.say)
        self.claim.keep()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            self._versions = dict(zip(OF_THE_RUN, pool.map(self.objects.version, OF_THE_RUN), strict=True))
        stored = self.objects.read(CONFIGURATION)
        if stored is None:
            return
        self._check(stored, identity)
        self._fetch_plan()
        self._there = set(self._fetch_cohorts())

    def start(self) -> None:
        """Copies what the run is, before anything of it counts there; then what is finished, as it comes.

        A cohort that was taken back here, since it is damaged, is replaced there when it is made again.

        Raises:
            ProcessError: Another machine has claimed the store meanwhile.
            OutputError: The store does not take what is written.
        """
        self._journals = Journals(
            self.run.journal_path
        ).refresh()  # they may be shorter than at :meth:`fetch`
        for cohort in self._there - set(self._journals):
            self._cohorts.replace(cohort)
        self._there &= set(self._journals)
        self._bring(OF_THE_RUN)
        self._thread.start()

    def check(self) -> None:
        """Raises what has kept this process from copying.

        Raises:
            OutputError: The store does not take what is written.
            ProcessError: Another machine has claimed it.
        """
        self.claim.check()
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Copies everything that is left; what exists once per run comes last."""
        self._stop(None)
        self.check()
        self._bring_cohorts()
        found = [path.name for path in self.run.path.iterdir() if path.suffix in SUFFIXES and path.is_file()]
        self._bring([*(name for name in sorted(found) if name not in OF_THE_RUN), *OF_THE_RUN])
        self.claim.release()

    def close(self) -> None:
        """Ends at once, but for what takes a few seconds."""
        self._stop(LAST_SECONDS)
        self.claim.release()

    def _stop(self, seconds: float | None) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _live(self) -> None:
        try:
            while not self._ended.wait(POLL_SECONDS):
                self._bring_cohorts()
            self._bring_cohorts()
        except Exception as error:  # whatever it is: the run must hear of it
            self._error = error

    def _bring_cohorts(self) -> None:
        for cohort in [cohort for cohort in self._journals.refresh() if cohort not in self._there]:
            self._cohorts.bring(cohort, self._journals[cohort], self._journals.files(cohort) or NO_FILES)
            self._there.add(cohort)

    def _bring(self, names: Iterable[str]) -> None:
        """Copies files of the run directory; of those that count last, the last one last."""
        present = [name for name in names if (self.run.path / name).is_file()]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._bring_one, (name for name in present if name not in OF_THE_RUN)))
        for name in present:
            if name in OF_THE_RUN:
                self._bring_own(name)

    def _bring_one(self, name: str) -> None:
        self.claim.check()
        self.objects.write(name, self.run.path / name)

    def _bring_own(self, name: str) -> None:
        """Copies a file of the run over the version that this process knows, and over no later one."""
        path, known = self.run.path / name, self._versions[name]
        if path.stat().st_size > WHOLE_BYTES:  # the plan of a million clips
            self.claim.renew()
            self._versions[name] = self.objects.write(name, path)
            return
        self.claim.check()
        data = path.read_bytes()
        written = self.objects.write(name, data, anew=known is None, over=known)
        if written is None:
            self.claim.renew()  # raises if another process has put it there
            found = self.objects.version(name)  # else one that had lost the run before, or an answer was lost
            written = self.objects.write(name, data, anew=found is None, over=found)
        self._versions[name] = written

    def _fetch_plan(self) -> None:
        """Takes the longer of two plans of which one is the beginning of the other.

        Raises:
            RunDirectoryError: They are two.
        """
        there = self.objects.read(PLAN) or b""
        path = self.run.path / PLAN
        here = path.read_bytes() if path.is_file() else b""
        if not (here.startswith(there) or there.startswith(here)):
            raise RunDirectoryError(
                f"{self.run.path} and {self.objects.url} are two runs: their plans differ. Choose another "
                "directory with --run, or another place with --results."
            )
        if len(there) > len(here) or not self.run.read_manifest():
            found = [name for name in self.objects.names() if name.endswith(SUFFIXES)]
            names = [name for name in found if name != CLAIM and not name.startswith(TRIAL)]
            for name in [*(name for name in names if name not in OF_THE_RUN), *OF_THE_RUN]:
                self._fetch_one(name)

    def _check(self, stored: bytes, identity: Mapping[str, Any]) -> None:
        try:
            found = bounded_yaml.load(stored.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            raise RunDirectoryError(
                f"{self.objects.url}/{CONFIGURATION} cannot be read ({one_line(error)}). Restore it, or name "
                "another place with --results."
            ) from error
        if changed := differences(found, identity):
            listed = "\n".join(f"  {line}" for line in changed)
            raise RunDirectoryError(
                f"{self.objects.url} was made with another configuration:\n{listed}\nName another place with "
                "--results."
            )

    def _fetch_one(self, name: str) -> None:
        path = self.run.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(_AbsentError), whole_file(path) as file:
            if not self.objects.fetch(name, file.write):
                raise _AbsentError

    def _fetch_cohorts(self) -> list[int]:
        """Fetches cohorts that the journals lack; returns all that the store has whole."""
        here = set(self._journals.refresh())
        there = self._cohorts.numbers()
        missing = [cohort for cohort in there if cohort not in here]
        if missing:
            self.say(f"Fetching {len(missing)} finished cohorts from {self.objects.url}.")
        damaged = {cohort for cohort in missing if not self._fetch_cohort(cohort)}
        if damaged:
            self.say(f"Damaged in {self.objects.url}, and made again: cohorts {sorted(damaged)}.")
        for cohort in damaged:
            self._cohorts.replace(cohort)
        return [cohort for cohort in there if cohort not in damaged]

    def _fetch_cohort(self, cohort: int) -> bool:
        self.claim.check()
        return self._cohorts.fetch(cohort)


class _AbsentError(Exception):
    """There is nothing to fetch; the file that was begun for it goes."""

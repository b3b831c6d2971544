"""A copy of a run in an object store, from which a machine that has nothing else can go on.

The run directory stays where it is, on a disk: journals grow line by line, and locks need a file system. What
is finished is copied behind the optimisation, whole object by whole object: first the files of a cohort, then
``cohorts/N.json``, which makes them count, as its line in the journal does on the disk. It is written on the
condition that there is none. A start fetches what the store has and the disk lacks, and brings what the disk
has and the store lacks, so a crash between the two loses nothing. One listing tells 1,000 cohorts.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, final

import yaml

from stylewav_pl import bounded_yaml
from stylewav_pl.errors import RunDirectoryError, one_line
from stylewav_pl.files import write_whole
from stylewav_pl.runs import journal
from stylewav_pl.runs.digests import CohortFiles, Digest, digest_of
from stylewav_pl.runs.directory import PROMPTS, SCORES, RunDirectory
from stylewav_pl.runs.identity import differences
from stylewav_pl.runs.journal import CohortRecord, Journals
from stylewav_pl.runs.objects import CLAIM, Claim, Objects

COHORTS = "cohorts"
PLAN, CONFIGURATION = "plan.jsonl", "config.yaml"
# In this order: whoever reads the manifest finds what it is about.
OF_THE_RUN = (CONFIGURATION, PLAN, PROMPTS, SCORES, "journal/manifest.json", "manifest.json")
SUFFIXES = (".csv", ".json", ".jsonl", ".yaml", ".html", ".png")  # of the files beside them
POLL_SECONDS = 1.0
LAST_SECONDS = 5.0  # what a run that is stopped still waits for
AT_ONCE = 16


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
        self._journals = Journals(run.journal_path)
        self._there: set[int] = set()  # cohorts that the store has
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
        stored = self.objects.read(CONFIGURATION)
        if stored is None:
            return
        self._check(stored, identity)
        self._fetch_plan()
        self._there = set(self._fetch_cohorts())

    def start(self) -> None:
        """Copies what the run is, before anything of it counts there; then what is finished, as it comes.

        A cohort that was taken back here, since it is damaged, does not count there any more either.
        """
        self._journals = Journals(
            self.run.journal_path
        ).refresh()  # they may be shorter than at :meth:`fetch`
        for cohort in self._there - set(self._journals):
            self.objects.remove(_name(cohort))
        self._there &= set(self._journals)
        self._bring(OF_THE_RUN)
        self._thread.start()

    def check(self) -> None:
        """Raises what has kept this process from copying.

        Raises:
            OutputError: The store does not take what is written.
            ProcessError: Another machine has claimed it.
        """
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
                self.claim.renew()
                self._bring_cohorts()
            self._bring_cohorts()
        except Exception as error:  # whatever it is: the run must hear of it
            self._error = error

    def _bring_cohorts(self) -> None:
        for cohort in [cohort for cohort in self._journals.refresh() if cohort not in self._there]:
            self.claim.renew()  # a run that was made without a store may take hours
            self._bring_cohort(cohort)

    def _bring_cohort(self, cohort: int) -> None:
        """Copies what a finished cohort has written, and then says that it counts."""
        files = self._journals.files(cohort) or CohortFiles()
        self._bring(files.files)
        lines = f"{self._journals[cohort].to_json()}\n{files.to_json()}\n"
        self.objects.write(_name(cohort), lines.encode("utf-8"), anew=True)
        self._there.add(cohort)

    def _bring(self, names: Iterable[str]) -> None:
        """Copies files of the run directory; of those that count last, the last one last."""
        present = [name for name in names if (self.run.path / name).is_file()]
        last = [name for name in present if name in OF_THE_RUN]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._bring_one, (name for name in present if name not in OF_THE_RUN)))
        for name in last:
            self._bring_one(name)

    def _bring_one(self, name: str) -> None:
        self.objects.write(name, self.run.path / name)

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
            names = [name for name in self.objects.names() if name.endswith(SUFFIXES) and name != CLAIM]
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

    def _fetch_one(self, name: str, size: int | None = None) -> bytes | None:
        data = self.objects.read(name, size)
        if data is not None:
            path = self.run.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, lambda file: file.write(data))
        return data

    def _fetch_cohorts(self) -> list[int]:
        """Fetches cohorts that the journals lack; returns all that the store has whole."""
        here = set(self._journals.refresh())
        there = sorted(self.objects.numbers(COHORTS))
        missing = [cohort for cohort in there if cohort not in here]
        if missing:
            self.say(f"Fetching {len(missing)} finished cohorts from {self.objects.url}.")
        damaged = {cohort for cohort in missing if not self._fetch_cohort(cohort)}
        if damaged:
            self.say(f"Damaged in {self.objects.url}, and made again: cohorts {sorted(damaged)}.")
        for cohort in damaged:
            self.objects.remove(_name(cohort))
        return [cohort for cohort in there if cohort not in damaged]

    def _fetch_cohort(self, cohort: int) -> bool:
        """Fetches a cohort, if everything is there as it was written."""
        self.claim.renew()
        try:
            record, files = _parsed(self.objects.read(_name(cohort)) or b"")
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
        with ThreadPoolExecutor(AT_ONCE) as pool:
            right = list(pool.map(self._fetch_whole, files.files, files.files.values()))
        if record.cohort != cohort or not all(right):
            return False
        journal.append(self.run.journal_path, 0, record, files)
        return True

    def _fetch_whole(self, name: str, expected: Digest) -> bool:
        data = self._fetch_one(name, expected.size)
        return data is not None and digest_of(data) == expected


def _name(cohort: int) -> str:
    return f"{COHORTS}/{cohort:06d}.json"


def _parsed(lines: bytes) -> tuple[CohortRecord, CohortFiles]:
    record, files = lines.splitlines()
    return CohortRecord.from_json(record), CohortFiles.from_json(files)

"""Crashes, signals, other processes and failing disks, with real processes: every clip once, the same bytes,
and no litter.

``CHAOS_KILLS`` says how many random kills there are: 5 by default, 25 for the full promise.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stylewav_pl.cli import main

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(1200)]

REPOSITORY = Path(__file__).resolve().parent.parent
KILLS = int(os.environ.get("CHAOS_KILLS", "5"))
COHORTS = 8
HANG_SECONDS = 500.0  # whatever a loaded machine takes, a process that takes longer hangs

CONFIG = """
model: {{generator: linear, guide: linear, audio: linear, num_steps: 8}}
data:
  cohort_size: 2
  num_workers: 0
  sources: [{{class_path: Folder, init_args: {{path: {folder}}}}}]
clip_score:
  prompts: {{sex: {{male: a boy, female: a girl}}}}
trainer: {{accelerator: cpu}}
"""

SLOW = """
import time
from stylewav_pl.embedders.linear import LinearAudioEmbedder
embed_audio = LinearAudioEmbedder.embed_audio
def slowly(self, waveforms):
    time.sleep({seconds})
    return embed_audio(self, waveforms)
LinearAudioEmbedder.embed_audio = slowly
"""

GATE = """
import pathlib, time
from stylewav_pl.embedders.linear import LinearAudioEmbedder
embed_audio = LinearAudioEmbedder.embed_audio
def when_open(self, waveforms):
    while not pathlib.Path("gate").exists():
        time.sleep(0.02)
    return embed_audio(self, waveforms)
LinearAudioEmbedder.embed_audio = when_open
"""

CRASH = """
from stylewav_pl.embedders.linear import LinearAudioEmbedder
embed_audio, calls = LinearAudioEmbedder.embed_audio, []
def crash(self, waveforms):
    calls.append(1)
    if len(calls) == {call}:
        raise RuntimeError("the audio encoder broke")
    return embed_audio(self, waveforms)
LinearAudioEmbedder.embed_audio = crash
"""

KILLED = """
import os, signal
from importlib import import_module
owner = import_module({module!r})
for part in {owners!r}:
    owner = getattr(owner, part)
inner, calls = getattr(owner, {name!r}), []
def kill():
    os.kill(os.getpid(), signal.SIGKILL)
def outer(*words, **options):
    calls.append(1)
    if len(calls) == {call} and {when!r} == "before":
        kill()
    result = inner(*words, **options)
    if len(calls) == {call}:
        kill()
    return result
setattr(owner, {name!r}, outer)
"""


class Started:
    """One process of a job."""

    def __init__(self, launchpad: "Launchpad", id: int, log: Path) -> None:
        self.launchpad, self.id, self.log = launchpad, id, log
        self.code: int | None = None

    def poll(self) -> int | None:
        if self.code is None:
            self.code = self.launchpad.ask({"poll": self.id})
        return self.code

    def send(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.id, number)

    def wait(self, seconds: float = HANG_SECONDS) -> int:
        wait_until(lambda: self.poll() is not None, seconds, lambda: f"the process did not end:\n{self.said}")
        assert self.code is not None
        return self.code

    @property
    def said(self) -> str:
        return self.log.read_text()


class Launchpad:
    """The other side of launchpad.py."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[Started] = []
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, str(REPOSITORY / "tests" / "launchpad.py")]
        self.server = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.server.stdout is not None and self.server.stdout.readline() == "ready\n"

    def ask(self, request: object) -> int | None:
        assert self.server.stdin is not None and self.server.stdout is not None
        print(json.dumps(request), file=self.server.stdin, flush=True)
        answer: int | None = json.loads(self.server.stdout.readline())
        return answer

    def start(
        self,
        *options: str,
        rank: int = 0,
        world_size: int = 1,
        launch: str = "a",
        prelude: str = "",
        port: int = 29517,
    ) -> Started:
        """One process, told what torchrun tells the processes that it starts."""
        log = self.folder / f"log-{len(self.processes)}.txt"
        environment = {"OMP_NUM_THREADS": "1"}
        if world_size > 1:
            names = {
                "RANK": rank,
                "LOCAL_RANK": rank,
                "WORLD_SIZE": world_size,
                "LOCAL_WORLD_SIZE": world_size,
                "GROUP_RANK": 0,
            }
            environment |= {name: str(value) for name, value in names.items()}
            environment |= {
                "TORCHELASTIC_RUN_ID": launch,
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }
        words = [
            "fit",
            "--config",
            "run.yaml",
            "--trainer.devices",
            str(world_size),
            "--threads",
            "1",
            *options,
        ]
        id = self.ask(
            {"start": {"words": words, "environment": environment, "log": str(log), "prelude": prelude}}
        )
        assert id is not None
        self.processes.append(Started(self, id, log))
        return self.processes[-1]

    def job(
        self,
        run: str,
        world_size: int,
        *options: str,
        launch: str = "a",
        preludes: Sequence[str] = (),
        port: int = 29517,
    ) -> list[Started]:
        """All processes of a job; ``preludes`` by rank."""
        return [
            self.start(
                "--run",
                run,
                *options,
                rank=rank,
                world_size=world_size,
                launch=launch,
                prelude="".join(preludes[rank : rank + 1]),
                port=port,
            )
            for rank in range(world_size)
        ]

    def end(self) -> None:
        for process in self.processes:
            process.send(signal.SIGKILL)
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.close()
        self.server.wait(60)
        self.server.stdout.close()


def wait_until(condition: Callable[[], bool], seconds: float, complaint: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.02)


def end_well(processes: Sequence[Started]) -> None:
    for process in processes:
        assert process.wait() == 0, process.said


def finished(run: Path) -> int:
    """How many cohorts count."""
    return sum(path.read_bytes().count(b"\n") for path in run.glob("journal/rank-*.index"))


def content(run: Path) -> dict[str, bytes]:
    """Everything in a run directory that must not depend on how it came about; a file that should not be
    there shows too."""
    found = {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() or path.is_symlink()
    }
    told_apart = (
        "journal/rank-",
        "journal/manifest.json",
        "log.csv",
        ".lock",
        "manifest.json",
        "config.yaml",
    )
    return {name: data for name, data in found.items() if not name.startswith((*told_apart, "report.html"))}


def assert_same(run: Path, expected: Path) -> None:
    found, right = content(run), content(expected)
    assert sorted(found) == sorted(right)
    assert [name for name in right if found[name] != right[name]] == []
    assert not [path for path in run.iterdir() if path.name.startswith((".writing", ".job"))]
    done = [
        int(line.split()[0])
        for path in run.glob("journal/rank-*.index")
        for line in path.read_bytes().splitlines()
    ]
    assert sorted(set(done)) == list(range(COHORTS))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Voices of a sort, and a configuration."""
    folder = tmp_path_factory.mktemp("chaos")
    noise = np.random.default_rng(0)
    for number in range(2 * COHORTS - 1):
        path = folder / "voices" / ("female" if number % 2 else "male") / f"v{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        seconds = np.arange(9_600) / 16_000
        soundfile.write(
            path,
            0.3 * np.sin(2 * np.pi * (120 + 30 * number) * seconds) + 0.05 * noise.standard_normal(9_600),
            16_000,
        )
    (folder / "run.yaml").write_text(CONFIG.format(folder=folder / "voices"))
    return folder


@pytest.fixture(scope="module")
def launchpad(place: Path) -> Iterator[Launchpad]:
    launchpad = Launchpad(place)
    yield launchpad
    launchpad.end()


@pytest.fixture(scope="module")
def whole(place: Path, launchpad: Launchpad) -> Path:
    """The run of one process that nobody disturbed."""
    end_well([launchpad.start("--run", "whole")])
    return place / "whole"


# Many processes


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_number_of_processes_changes_no_byte(
    place: Path, launchpad: Launchpad, whole: Path, world_size: int
) -> None:
    end_well(launchpad.job(f"world-{world_size}", world_size))
    assert_same(place / f"world-{world_size}", whole)
    assert len(list((place / f"world-{world_size}" / "journal").glob("*.index"))) == world_size


def test_four_cohorts_of_one_process_against_one_of_the_other_and_none_of_the_third(
    place: Path, launchpad: Launchpad, whole: Path
) -> None:
    """As after a crash: with three processes the first has cohorts 0, 3 and 6, the second 1, 4 and 7, the
    third 2 and 5."""
    run = place / "uneven"
    shutil.copytree(whole, run)
    (run / "results.csv").unlink()
    index = run / "journal" / "rank-00000.index"
    kept = (0, 2, 3, 5)
    index.write_bytes(
        b"".join(
            line for line in index.read_bytes().splitlines(keepends=True) if int(line.split()[0]) in kept
        )
    )
    end_well(launchpad.job("uneven", 3))
    assert [finished_by(run, rank) for rank in range(3)] == [[*kept, 6], [1, 4, 7], []]
    assert_same(run, whole)


def finished_by(run: Path, rank: int) -> list[int]:
    index = run / "journal" / f"rank-{rank:05d}.index"
    return [int(line.split()[0]) for line in index.read_bytes().splitlines()] if index.exists() else []


def test_a_crash_in_the_last_cohort_of_another_process_fails_the_job(
    place: Path, launchpad: Launchpad, whole: Path
) -> None:
    first, second = launchpad.job("crashed", 2, preludes=["", CRASH.format(call=COHORTS // 2)])
    assert second.wait() == 1
    assert first.wait() == 1
    assert "the audio encoder broke" in second.said
    assert "Process 1 of 2" in first.said and "RuntimeError: the audio encoder broke" in first.said
    assert finished(place / "crashed") == COHORTS - 1
    assert not (place / "crashed" / "results.csv").exists()
    end_well(launchpad.job("crashed", 3))  # another number of processes continues
    assert_same(place / "crashed", whole)


def test_a_crash_of_the_first_process_ends_the_others(place: Path, launchpad: Launchpad) -> None:
    first, second = launchpad.job("led", 2, preludes=[CRASH.format(call=2), SLOW.format(seconds=2)])
    assert first.wait() == 1
    assert second.wait() == 1
    assert "Process 0" in second.said and "the audio encoder broke" in second.said
    assert finished(place / "led") < COHORTS


def test_a_process_that_never_appears_is_named(place: Path, launchpad: Launchpad) -> None:
    alone = launchpad.start("--run", "lonely", "--patience", "1", rank=0, world_size=2)
    orphan = launchpad.start("--run", "orphan", "--patience", "1", rank=1, world_size=2)
    assert alone.wait() == 1
    assert "Process 1 of 2 has not appeared" in alone.said
    assert orphan.wait() == 1
    assert "Process 0 has not opened" in orphan.said


@pytest.mark.parametrize(
    ("launch", "other", "port"), [("a", "b", 29517), ("none", "none", 29518)], ids=["names", "addresses"]
)
def test_a_second_job_on_the_directory_is_refused_whole_and_the_first_is_not_disturbed(
    place: Path, launchpad: Launchpad, whole: Path, launch: str, other: str, port: int
) -> None:
    """Also where torchrun was given no name for either of them."""
    run = place / f"taken-{launch}"
    (place / "gate").unlink(missing_ok=True)
    job = launchpad.job(run.name, 2, launch=launch, preludes=[GATE, GATE])
    wait_until(lambda: (run / "plan.jsonl").exists(), HANG_SECONDS, lambda: job[0].said)
    for options in ((), ("--restart",)):
        for process in launchpad.job(run.name, 2, *options, launch=other, port=port):
            assert process.wait() == 5, process.said
            assert "in use by another" in process.said
    (place / "gate").touch()
    end_well(job)
    assert_same(run, whole)


def test_another_configuration_is_refused_by_every_process_and_restart_begins_anew(
    place: Path, launchpad: Launchpad, whole: Path
) -> None:
    shutil.copytree(whole, place / "other")
    for process in launchpad.job("other", 2, "--model.num_steps", "3"):
        assert process.wait() == 5, process.said
        assert "model.num_steps: 8 -> 3" in process.said
    assert_same(place / "other", whole)
    end_well(launchpad.job("other", 2, "--model.num_steps", "3", "--restart"))
    assert_same(place / "other.old-1", whole)
    assert len((place / "other" / "curves.csv").read_text().splitlines()[0].split(",")) == 1 + 4
    assert sorted(set(finished_by(place / "other", 0) + finished_by(place / "other", 1))) == list(
        range(COHORTS)
    )


# Exactly once


def kill_somebody(chance: random.Random, job: Sequence[Started], run: Path) -> bool:
    """Kills one process, and then the rest as its launcher does, or all at once; says whether anybody was
    there to be killed."""
    before = finished(run)
    if (
        chance.random() < 0.7
    ):  # once a cohort more counts: between optimisation, files and journal; else at any moment
        wait_until(
            lambda: finished(run) > before or any(process.poll() is not None for process in job),
            HANG_SECONDS,
            lambda: job[0].said,
        )
    time.sleep(chance.uniform(0, 0.4))
    victims = job if chance.random() < 0.5 else [chance.choice(job)]
    alive = any(process.poll() is None for process in victims)
    for process in victims:
        process.send(signal.SIGKILL)
    time.sleep(chance.uniform(0, 0.2))
    for process in job:
        process.send(signal.SIGKILL)
    return alive


def test_killed_at_random_moments_and_started_again_until_done(
    place: Path, launchpad: Launchpad, whole: Path
) -> None:
    """Each start of the same run has another number of processes."""
    chance, kills, inside, runs = random.Random(20), 0, 0, 0
    slow = SLOW.format(seconds=0.15)
    while kills < KILLS:
        run, codes = place / f"killed-{runs}", [1]
        while any(codes):
            size = chance.choice((1, 2, 3))
            job = launchpad.job(run.name, size, launch=f"{runs}-{kills}", preludes=[slow] * size)
            if kills < KILLS:
                kills += kill_somebody(chance, job, run)
                inside += finished(run) < COHORTS
            codes = [process.wait() for process in job]
            assert not any(codes) or -signal.SIGKILL in codes, [process.said for process in job]
        assert_same(run, whole)
        runs += 1
    assert inside > 0, "no kill came before the end"


def test_a_process_that_outlives_its_leader_gives_way_to_the_next_job(
    place: Path, launchpad: Launchpad, whole: Path
) -> None:
    """As where nobody kills the rest after a crash: two processes of one rank must not share a journal, and
    the old one must end."""
    run = place / "outlived"
    first, left_over = launchpad.job(run.name, 2, preludes=[SLOW.format(seconds=0.5), SLOW.format(seconds=5)])
    wait_until(lambda: finished(run) > 0, HANG_SECONDS, lambda: first.said)
    first.send(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    end_well(launchpad.job(run.name, 2))
    assert left_over.wait() == 1
    assert "Another job has begun in outlived" in left_over.said
    assert_same(run, whole)


# Where a start dies that mends a run: before or after which call of what.
MENDING = {
    "after cohorts are taken back": ("after", 1, "stylewav_pl.runs.journal:Journals.forget"),
    "after the notes are settled": ("after", 1, "stylewav_pl.session.mend:keep_notes"),
    "when all is mended on paper": ("before", 1, "stylewav_pl.session.run_session:record_prompts"),
    "in the first cohort": ("after", 1, "stylewav_pl.embedders.linear:LinearAudioEmbedder.embed_audio"),
    "in the last cohort": ("before", 3, "stylewav_pl.embedders.linear:LinearAudioEmbedder.embed_audio"),
    "before the tables": ("before", 1, "stylewav_pl.session.run_session:finalize_run"),
}


def dies(when: str, call: int, what: str) -> str:
    module, _, names = what.partition(":")
    *owners, name = names.split(".")
    return KILLED.format(module=module, owners=owners, name=name, call=call, when=when)


def damage(run: Path) -> None:
    """Three cohorts: a picture cut, a latent gone, and a picture of which one byte is another, as only
    ``verify`` sees."""
    first, changed = (next(run.glob(f"images/{name}-*.png")) for name in ("female-v1", "male-v8"))
    first.write_bytes(first.read_bytes()[:100])
    next(run.glob("latents/male-v14-*")).unlink()
    data = bytearray(changed.read_bytes())
    data[len(data) // 2] ^= 1
    changed.write_bytes(data)
    assert main(["verify", str(run)]) == 5


@pytest.mark.parametrize("moment", MENDING)
def test_killed_while_damage_is_mended_and_started_again(
    place: Path, launchpad: Launchpad, whole: Path, moment: str
) -> None:
    run = place / moment.replace(" ", "-")
    shutil.copytree(whole, run)
    damage(run)
    mending = launchpad.start("--run", run.name, prelude=dies(*MENDING[moment]))
    assert mending.wait() == -signal.SIGKILL, mending.said
    end_well([launchpad.start("--run", run.name)])
    assert_same(run, whole)


def test_what_cannot_be_mended_is_still_known_after_a_kill(
    place: Path, launchpad: Launchpad, whole: Path
) -> None:
    run, voice = place / "lost", place / "voices" / "male" / "v8.wav"
    shutil.copytree(whole, run)
    damage(run)
    sound = voice.read_bytes()
    voice.unlink()
    try:
        for prelude in (dies(*MENDING["after the notes are settled"]), ""):
            start = launchpad.start("--run", run.name, prelude=prelude)
            assert start.wait() == (-signal.SIGKILL if prelude else 5), start.said
        assert "male-v8-" in start.said.rpartition("stylewav-pl: ")[2]
    finally:
        voice.write_bytes(sound)


def test_a_signal_stops_the_job_and_the_same_command_goes_on(
    place: Path, launchpad: Launchpad, whole: Path
) -> None:
    """Both signals at once, one for each process; tests/processes/test_signals.py has a process that is
    stuck."""
    run, slow = place / "signalled", SLOW.format(seconds=0.3)
    job = launchpad.job(run.name, 2, preludes=[slow, slow])
    wait_until(lambda: finished(run) > 0, HANG_SECONDS, lambda: job[0].said)
    for process, number in zip(job, (signal.SIGTERM, signal.SIGUSR1), strict=True):
        process.send(number)
    assert [process.wait() for process in job] == [75, 75], job[0].said
    assert "stopped by a signal; the same command continues" in job[0].said
    assert finished(run) < COHORTS
    end_well([launchpad.start("--run", run.name)])
    assert_same(run, whole)


def test_a_signal_to_one_process_stops_all(place: Path, launchpad: Launchpad) -> None:
    slow = SLOW.format(seconds=0.5)
    job = launchpad.job("one-signal", 2, preludes=[slow, slow])
    wait_until(lambda: finished(place / "one-signal") > 0, HANG_SECONDS, lambda: job[0].said)
    job[1].send(signal.SIGTERM)
    assert [process.wait() for process in job] == [75, 75], job[0].said


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(
    place: Path, launchpad: Launchpad, whole: Path
) -> None:
    run = place / "interrupted"
    process = launchpad.start("--run", run.name, prelude=SLOW.format(seconds=0.3))
    wait_until(lambda: finished(run) > 0, HANG_SECONDS, lambda: process.said)
    process.send(signal.SIGINT)
    assert process.wait() == 130
    done = finished(run)
    assert done < COHORTS
    made = {path: path.stat().st_mtime_ns for path in run.glob("images/*.png")}
    end_well([launchpad.start("--run", run.name)])
    assert_same(run, whole)
    kept = [path for path, when in made.items() if path.stat().st_mtime_ns == when]
    assert len(kept) >= 2 * done - 1, "what was done is not made again; one cohort has a single clip"


# Failing disks


def test_a_directory_that_vanishes_ends_the_run_and_nothing_is_written_elsewhere(
    place: Path, launchpad: Launchpad, whole: Path
) -> None:
    run, away = place / "vanishing", place / "away"
    process = launchpad.start("--run", run.name, prelude=SLOW.format(seconds=0.3))
    wait_until(lambda: finished(run) > 0, HANG_SECONDS, lambda: process.said)
    run.rename(away)
    assert process.wait() == 1
    assert (
        "Nothing can be written into vanishing any more" in process.said and "Traceback" not in process.said
    )
    assert not run.exists()
    away.rename(run)
    end_well([launchpad.start("--run", run.name)])
    assert_same(run, whole)


@pytest.fixture
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of 300 kB; only root may mount one."""
    mount = place / "small"
    mount.mkdir(exist_ok=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(mount)], capture_output=True
    ).returncode:
        pytest.skip("needs the right to mount a file system")
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_space(
    place: Path, launchpad: Launchpad, whole: Path, small_disk: Path
) -> None:
    run = small_disk / "run"
    (small_disk / "ballast").write_bytes(bytes(200_000))
    process = launchpad.start("--run", str(run))
    assert process.wait() == 1
    assert "No space left on device" in process.said and "start the same command again" in process.said
    assert "Traceback" not in process.said
    assert finished(run) < COHORTS
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    end_well([launchpad.start("--run", str(run))])
    assert_same(run, whole)


def test_a_lost_mount_ends_the_run_and_the_folder_below_stays_empty(
    place: Path, launchpad: Launchpad, small_disk: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    run = small_disk / "run"
    process = launchpad.start("--run", str(run), prelude=SLOW.format(seconds=0.3))
    wait_until(lambda: finished(run) > 0, HANG_SECONDS, lambda: process.said)
    subprocess.run(["umount", "--lazy", str(small_disk)], check=True)
    assert process.wait() == 1
    assert "Nothing can be written into" in process.said
    assert list(small_disk.iterdir()) == []
    subprocess.run(
        ["mount", "-t", "tmpfs", "tmpfs", str(small_disk)], check=True
    )  # for the fixture to unmount


def test_a_read_only_disk_is_refused(place: Path, launchpad: Launchpad, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    process = launchpad.start("--run", str(small_disk / "run"))
    assert process.wait() == 5
    assert "cannot be written" in process.said and "--run" in process.said

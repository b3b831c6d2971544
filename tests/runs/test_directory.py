"""A run directory: one process at a time, one configuration, nothing ever deleted."""

import subprocess
import sys
from pathlib import Path

import pytest

from stylewav_pl.errors import OutputError, RunDirectoryError
from stylewav_pl.files import TEMPORARY_PREFIX
from stylewav_pl.runs import journal
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.journal import CohortRecord
from stylewav_pl.runs.plan import Plan


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "runs" / "a")


def test_naming_a_directory_creates_nothing(run: RunDirectory) -> None:
    assert run.read_manifest() == {}
    assert len(run.finished()) == 0
    assert run.read_scores() == {}
    assert run.read_plan(3) == Plan(3)
    assert not run.path.exists()


def test_a_second_owner_is_refused_until_the_first_lets_go(run: RunDirectory) -> None:
    run.acquire()
    with pytest.raises(RunDirectoryError, match="in use by another process") as error:
        RunDirectory(run.path).acquire()
    assert error.value.exit_code == 5
    run.release()
    RunDirectory(run.path).acquire()


def test_another_process_is_refused_and_a_killed_one_leaves_no_lock(run: RunDirectory) -> None:
    run.path.mkdir(parents=True)
    hold = (
        "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print('held', "
        "flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(run.path / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        try:
            with pytest.raises(RunDirectoryError, match="in use"):
                run.acquire()
        finally:
            other.kill()
    run.acquire()


def test_a_place_that_cannot_be_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunDirectoryError, match=r"cannot be written.*--run"):
        RunDirectory(tmp_path / "file" / "run").acquire()


def test_claiming_removes_the_litter_of_a_killed_process(run: RunDirectory) -> None:
    litter = [run.path / ".writing" / "a.png", run.path / f"{TEMPORARY_PREFIX}1-manifest.json"]
    for path in litter:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    with pytest.raises(RunDirectoryError):  # not while somebody else may still be writing
        _refused_while_held(run)
    assert all(path.exists() for path in litter)
    run.acquire()
    assert not any(path.exists() for path in litter)


def _refused_while_held(run: RunDirectory) -> None:
    from filelock import FileLock

    with FileLock(run.path / ".lock"):
        run.acquire()


def test_the_first_configuration_stays(run: RunDirectory) -> None:
    first = {"model": {"num_steps": 10, "name": "ä"}, "trainer": {"devices": 1}}
    run.configuration.adopt(first)
    stored = run.config_path.read_bytes()
    run.configuration.adopt({**first, "trainer": {"devices": 2}})
    assert run.config_path.read_bytes() == stored


def test_another_configuration_is_refused_with_the_difference(run: RunDirectory) -> None:
    run.configuration.adopt({"model": {"num_steps": 10, "noise": "const"}})
    stored = run.config_path.read_bytes()
    with pytest.raises(
        RunDirectoryError,
        match=r"model\.num_steps: 10 -> 40\nUse another directory \(--run DIR\), or --restart",
    ) as error:
        run.configuration.adopt({"model": {"num_steps": 40, "noise": "const"}})
    assert "noise" not in str(error.value)
    assert error.value.exit_code == 5
    assert run.config_path.read_bytes() == stored


def test_moving_aside_numbers_and_deletes_nothing(run: RunDirectory) -> None:
    assert run.move_aside() is None
    for number in (1, 2, 3):
        run.configuration.adopt({"number": number})
        assert run.move_aside() == run.path.with_name(f"a.old-{number}")
        assert not run.path.exists()
    assert [(run.path.with_name(f"a.old-{number}") / "config.yaml").read_text() for number in (1, 2, 3)] == [
        f"number: {n}\n" for n in (1, 2, 3)
    ]


def test_the_plan_comes_back_with_the_size_of_the_first_start(run: RunDirectory) -> None:
    plan = Plan(2).extended(["b", "ä", "c"])
    run.write_manifest({"seed": 3})
    run.write_plan(plan)
    assert RunDirectory(run.path).read_plan(cohort_size=99) == plan
    assert run.read_manifest()["seed"] == 3


@pytest.mark.parametrize("damage", ['{"seed": ', '{"seed": 4}', "[]", "", None])
def test_a_damaged_or_edited_manifest_is_told_and_its_copy_stands_in_until_it_is_written_again(
    run: RunDirectory, damage: str | None
) -> None:
    run.write_manifest({"seed": 3})
    write_or_remove(run.manifest_path, damage)
    assert run.read_manifest() == {"seed": 3}
    assert run.manifest.damage() == ("is missing" if damage is None else "is damaged or was edited")
    run.write_manifest({"more": 1})
    assert (run.read_manifest(), run.manifest.damage()) == ({"seed": 3, "more": 1}, "")


@pytest.mark.parametrize("damage", ['{"seed": ', "[]", None])
def test_a_manifest_without_its_copy_is_refused_by_name(run: RunDirectory, damage: str | None) -> None:
    run.write_plan(Plan(2).extended(["a"]))
    journal.append(run.journal_path, 0, CohortRecord(0, (), ()))
    write_or_remove(run.manifest_path, damage)
    write_or_remove(run.manifest.copy, "{")
    with pytest.raises(RunDirectoryError, match=r"manifest\.json is .*copy.*--restart"):
        run.read_plan(1)


def test_a_manifest_of_an_earlier_version_is_believed(run: RunDirectory) -> None:
    run.path.mkdir(parents=True)
    run.manifest_path.write_text('{"seed": 3}')
    assert run.read_manifest() == {"seed": 3}
    run.write_manifest({"more": 1})
    assert run.read_manifest() == {"seed": 3, "more": 1}


def write_or_remove(path: Path, text: str | None) -> None:
    path.unlink() if text is None else path.write_text(text)


def test_later_scores_come_back(run: RunDirectory) -> None:
    run.write_scores({"a": {"a boy": 0.25}})
    assert RunDirectory(run.path).read_scores() == {"a": {"a boy": 0.25}}
    assert len(run.finished()) == 0  # they are no journal


def test_an_image_has_the_stem_of_its_clip(run: RunDirectory) -> None:
    assert run.image_path("v1") == run.path / "images" / "v1.png"
    assert run.image_path("V1") != run.image_path("v1")
    assert run.image_path("../../v1").parent == run.path / "images"


def test_a_directory_that_has_vanished_or_is_another_one_is_noticed(run: RunDirectory) -> None:
    run.configuration.adopt({})
    run.check_place()
    run.check_place()
    moved = run.move_aside()
    with pytest.raises(OutputError, match="No such file"):
        run.check_place()
    run.path.mkdir()
    with pytest.raises(OutputError, match="another directory lies in its place"):
        run.check_place()
    run.path.rmdir()
    assert moved is not None
    moved.rename(run.path)
    run.check_place()

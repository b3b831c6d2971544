"""The command line in process, with linear networks and sounds written on the spot: what a user sees, from
first start to last."""

import csv
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from safetensors import safe_open
from torch.utils.data import DataLoader

from stylewav_pl import __version__
from stylewav_pl.cli import main
from stylewav_pl.commands.quiet import quiet_lightning
from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.pictures.images import from_picture
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.plan import stem_of
from stylewav_pl.session import finalize
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import sha256_of

RATE = 16_000
REPOSITORY = Path(__file__).resolve().parent.parent
TABLES = ("results.csv", "curves.csv", "skipped.csv")

CONFIG = """
model: {generator: linear, guide: linear, audio: linear, num_steps: 3, frame_steps: [0, 3]}
data:
  cohort_size: 2
  num_workers: 0
  sources:
    - class_path: Folder
      init_args: {path: VOICES}
clip_score:
  prompts: {sex: {male: a boy, female: a girl}}
writer: {strips: true}
progress: {enabled: false}
trainer: {accelerator: cpu}
"""


def write_voice(path: Path, seed: int, seconds: float = 0.6) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    moments = np.arange(int(RATE * seconds)) / RATE
    noise = np.random.default_rng(seed).normal(0, 0.05, moments.size)
    soundfile.write(path, 0.4 * np.sin(2 * np.pi * (110 + 37 * seed) * moments) + noise, RATE)


class Project:
    """A folder with voices, one configuration and one run."""

    def __init__(
        self,
        path: Path,
        voices: Sequence[str] = ("female/v1", "female/v3", "male/v0", "male/v2", "Loose one"),
    ) -> None:
        self.path, self.voices, self.run, self.config = (
            path,
            path / "voices",
            path / "run",
            path / "quick.yaml",
        )
        for seed, name in enumerate(voices):
            write_voice(self.voices / f"{name}.wav", seed)
        self.config.write_text(CONFIG.replace("VOICES", str(self.voices)))

    def main(self, command: str, *options: str) -> int:
        return main([command, "--config", str(self.config), "--run", str(self.run), *options])

    def copy(self, path: Path) -> "Project":
        """The run alone, over the same voices."""
        copied = Project.__new__(Project)
        copied.path, copied.voices, copied.run, copied.config = path, self.voices, path / "run", self.config
        shutil.copytree(self.run, copied.run)
        return copied

    def rows(self, table: str = "results.csv") -> list[dict[str, str]]:
        with (self.run / table).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def plan(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.run / "plan.jsonl").read_text().splitlines()]

    def tables(self) -> dict[str, bytes]:
        return {name: (self.run / name).read_bytes() for name in TABLES}

    def pictures(self) -> dict[str, tuple[int, bytes]]:
        return {
            path.name: (path.stat().st_mtime_ns, path.read_bytes())
            for path in sorted((self.run / "images").iterdir())
        }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One finished run; tests that change it work on a copy."""
    project = Project(tmp_path_factory.mktemp("finished"))
    assert project.main("fit") == 0
    return project


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Project:
    return finished.copy(tmp_path)


# The first start


def test_fit_writes_every_file_of_a_run(finished: Project) -> None:
    stems = {
        "female-v1-730c50452a",
        "female-v3-465c5a9610",
        "loose-one-a018a03c21",
        "male-v0-19014641da",
        "male-v2-9b8a7466ad",
    }
    found = {path.relative_to(finished.run).as_posix() for path in finished.run.rglob("*") if path.is_file()}
    pictures = {
        f"{folder}/{stem}.{suffix}"
        for stem in stems
        for folder, suffix in (("images", "png"), ("latents", "safetensors"), ("strips", "png"))
    }
    names = {
        "config.yaml",
        "manifest.json",
        "journal/manifest.json",
        "statistics.json",
        "grid.png",
        "report.html",
        "log.csv",
        "plan.jsonl",
        "journal/rank-00000.jsonl",
        "journal/rank-00000.index",
        *TABLES,
    }
    cohorts = {
        f"journal/cohort-{index:06}.{suffix}" for index in range(3) for suffix in ("safetensors", "jpg")
    }
    assert found - {".lock"} == pictures | names | cohorts | {"journal/prompts.safetensors"}


def test_results_are_one_row_per_clip_in_plan_order(finished: Project) -> None:
    rows = finished.rows()
    assert list(rows[0]) == [
        "id",
        "path",
        "speaker",
        "sex",
        "seed",
        "status",
        "similarity_start",
        "similarity_end",
        "score: a boy",
        "score: a girl",
    ]
    assert [row["id"] for row in rows] == ["Loose one", "female/v1", "female/v3", "male/v0", "male/v2"]
    assert [row["sex"] for row in rows] == ["", "female", "female", "male", "male"]
    assert {row["status"] for row in rows} == {"done"}
    assert all(float(row["similarity_end"]) > float(row["similarity_start"]) + 0.01 for row in rows)


def test_curves_begin_and_end_where_the_results_say(finished: Project) -> None:
    for row, curve in zip(finished.rows(), finished.rows("curves.csv"), strict=True):
        assert list(curve) == ["id", "0", "1", "2", "3"]
        assert (curve["id"], curve["0"], curve["3"]) == (
            row["id"],
            row["similarity_start"],
            row["similarity_end"],
        )


def test_the_manifest_tells_plan_counts_versions_and_scoring(finished: Project) -> None:
    manifest = json.loads((finished.run / "manifest.json").read_text())
    assert 0 < manifest["timing"]["cohort_seconds"] < 600
    assert (manifest["plan"]["cohort_size"], manifest["plan"]["cohorts"], manifest["plan"]["clips"]) == (
        2,
        3,
        5,
    )
    assert finished.plan() == [["Loose one", "female/v1"], ["female/v3", "male/v0"], ["male/v2"]]
    assert manifest["counts"] == {"done": 5, "skipped": 0}
    assert (
        manifest["versions"]["torch"] == torch.__version__.split("+")[0]
        or manifest["versions"]["torch"] == torch.__version__
    )
    assert manifest["scored_with"]["judge"] == manifest["scored_with"]["guide"] == "linear"


def test_the_report_names_the_judge_and_says_that_faces_are_no_portraits(finished: Project) -> None:
    page = (finished.run / "report.html").read_text("utf-8")
    assert "not a portrait" in page
    assert "Judge and guide are the same model" in page


# A second start


def test_a_second_start_makes_nothing_again(copied: Project, capsys: pytest.CaptureFixture[str]) -> None:
    tables, pictures, journal = (
        copied.tables(),
        copied.pictures(),
        (copied.run / "journal/rank-00000.jsonl").read_bytes(),
    )
    assert copied.main("fit") == 0
    assert "5 faces are there already" in capsys.readouterr().out
    assert copied.tables() == tables
    assert copied.pictures() == pictures
    assert (copied.run / "journal/rank-00000.jsonl").read_bytes() == journal


def test_a_start_that_finds_all_done_says_the_same_and_makes_no_table_again(
    copied: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a large run that would take as long as its end did."""
    (copied.run / "report.html").unlink()
    assert copied.main("fit") == 0
    told = capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setattr(finalize, "merge", lambda *_: pytest.fail("made again"))
        assert copied.main("fit") == 0
    assert capsys.readouterr().out == told
    assert "Statistics for sex" in told and "5 faces, 0 clips skipped" in told


@pytest.mark.parametrize("change", ["edited", "deleted", "scored", "journal"])
def test_tables_and_report_are_made_again_when_anything_about_them_changed(
    finished: Project, tmp_path: Path, change: str
) -> None:
    project, tables = finished.copy(tmp_path), finished.tables()
    if change == "edited":
        (project.run / "results.csv").write_text("id\n")
    elif change == "deleted":
        (project.run / "report.html").unlink()
    elif change == "scored":
        scores = {id: {"a boy": 0.5, "a girl": 0.25} for id in (row["id"] for row in project.rows())}
        RunDirectory(project.run).write_scores(scores)
    else:
        index = project.run / "journal" / "rank-00000.index"
        index.write_bytes(b"".join(index.read_bytes().splitlines(keepends=True)[:-1]))
    assert project.main("fit") == 0
    assert (project.tables() == tables) == (change != "scored")
    assert (project.run / "report.html").stat().st_size > 10_000


def test_a_file_that_appears_later_is_appended(finished: Project, tmp_path: Path) -> None:
    project = Project(tmp_path, voices=("b", "c", "d"))
    assert project.main("fit") == 0
    rows, pictures = project.rows(), project.pictures()
    write_voice(project.voices / "a.wav", 9)
    assert project.main("fit") == 0
    assert project.rows()[:3] == rows
    assert project.rows()[3]["id"] == "a"
    assert {name: project.pictures()[name] for name in pictures} == pictures
    assert project.plan() == [["b", "c"], ["d"], ["a"]]


def test_clips_with_confusable_names_have_a_picture_each_or_a_reason(tmp_path: Path) -> None:
    """An id that looks like the file name of another one; and two whose file names cannot be told apart."""
    names = ("voice 1.2", "voice-1-2-1b00bb88ed", "v#^<^#", "v'=:~&")
    project = Project(tmp_path, names)
    for _ in range(2):
        assert project.main("fit", "--max_skipped_fraction", "0.3") == 0
        assert [row["id"] for row in project.rows()] == ["v#^<^#", "voice 1.2", "voice-1-2-1b00bb88ed"]
        assert {path.stem for path in (project.run / "images").iterdir()} == {
            "v-8220e4aee3",
            "voice-1-2-1b00bb88ed",
            "voice-1-2-1b00bb88ed-734a25a99b",
        }
        (skip,) = project.rows("skipped.csv")
        assert (skip["id"], skip["reason"]) == ("v'=:~&", "duplicate-id") and "v#^<^#" in skip["detail"]
    assert project.main("validate") == 4, "it is told beforehand"


def test_a_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path, voices=("b", "c", "d"))
    assert project.main("fit") == 0
    tables = project.tables()
    (project.voices / "c.wav").unlink()
    assert project.main("fit") == 0
    assert project.tables() == tables


def test_other_settings_on_the_same_run_are_refused_with_the_difference(
    copied: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = copied.tables()
    assert copied.main("fit", "--model.num_steps", "4") == 5
    error = capsys.readouterr().err
    assert "model.num_steps: 3 -> 4" in error
    assert "--restart" in error
    assert copied.tables() == tables
    assert copied.main("fit") == 0  # a refusal leaves no lock behind


def test_restart_moves_the_old_run_aside_whole(copied: Project, capsys: pytest.CaptureFixture[str]) -> None:
    tables = copied.tables()
    assert copied.main("fit", "--restart", "--model.num_steps", "4") == 0
    old = copied.run.with_name("run.old-1")
    assert str(old) in capsys.readouterr().out
    assert {name: (old / name).read_bytes() for name in TABLES} == tables
    assert len(copied.rows("curves.csv")[0]) == 1 + 5
    assert copied.main("fit", "--restart") == 0
    assert copied.run.with_name("run.old-2").is_dir()
    assert copied.tables() == tables


@pytest.mark.parametrize("name", ["SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT"])
def test_a_job_that_its_scheduler_started_again_does_not_begin_anew(
    copied: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    assert copied.main("fit", "--restart") == 0
    assert not copied.run.with_name("run.old-1").exists()
    monkeypatch.setenv(name, "0")
    assert copied.main("fit", "--restart") == 0
    assert copied.run.with_name("run.old-1").exists()


@pytest.mark.parametrize("restart", [(), ("--restart",)], ids=["fit", "restart"])
def test_a_run_that_another_process_works_on_is_left_alone(
    copied: Project, restart: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    from filelock import FileLock

    with FileLock(copied.run / ".lock"):
        assert copied.main("fit", *restart) == 5
    assert "in use by another process" in capsys.readouterr().err
    assert not copied.run.with_name("run.old-1").exists()


# Bad clips


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(
        tmp_path_factory.mktemp("spoiled"), voices=("a", "b", "c", "d", "e", "f", "g", "h", "i")
    )
    (project.voices / "bad.wav").write_bytes(b"RIFF no sound here")
    (project.voices / "void.mp3").write_bytes(b"")
    assert project.main("fit") == 0
    return project


def test_a_bad_file_is_named_and_the_rest_is_finished(spoiled: Project) -> None:
    assert [(row["id"], row["reason"]) for row in spoiled.rows("skipped.csv")] == [
        ("bad", "unreadable"),
        ("void", "empty"),
    ]
    assert all(row["detail"] and Path(row["path"]).exists() for row in spoiled.rows("skipped.csv"))
    status = {row["id"]: row["status"] for row in spoiled.rows()}
    assert status == {**dict.fromkeys("abcdefghi", "done"), "bad": "skipped", "void": "skipped"}
    assert not [name for name in spoiled.pictures() if name.startswith(("bad", "void"))]


def test_strict_ends_with_3_after_finishing_everything(
    spoiled: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = spoiled.copy(tmp_path)
    assert again.main("fit", "--strict") == 3
    assert "2 clips were skipped, and --strict allows none" in capsys.readouterr().err
    assert again.tables() == spoiled.tables()


def test_too_many_skips_end_with_4(
    spoiled: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = spoiled.copy(tmp_path)
    assert again.main("fit", "--max_skipped_fraction", "0.1") == 4
    assert "2 of 11 clips were skipped" in capsys.readouterr().err


def test_neighbours_of_a_bad_clip_are_as_they_would_be_alone(spoiled: Project, tmp_path: Path) -> None:
    clean = Project(tmp_path, voices=("a", "b", "c", "d", "e", "f", "g", "h", "i"))
    assert clean.main("fit") == 0
    done = {row["id"]: row for row in spoiled.rows() if row["status"] == "done"}
    for row in clean.rows():
        assert row["seed"] == done[row["id"]]["seed"]
        assert float(row["similarity_end"]) == pytest.approx(
            float(done[row["id"]]["similarity_end"]), abs=1e-3
        )


def test_only_bad_files_end_with_4_and_still_leave_the_tables(tmp_path: Path) -> None:
    project = Project(tmp_path, voices=())
    project.voices.mkdir()
    (project.voices / "bad.wav").write_bytes(b"x")
    assert project.main("fit") == 4
    assert [row["status"] for row in project.rows()] == ["skipped"]


def test_names_that_are_no_utf8_get_a_face(tmp_path: Path) -> None:
    project = Project(tmp_path, voices=("a",))
    (project.voices / "a.wav").rename(project.voices / "caf\udce9.wav")
    assert project.main("validate") == 0
    assert project.main("fit") == 0
    assert project.main("fit") == 0
    assert len(project.pictures()) == 1
    assert b"caf\xe9,".replace(b",", b"") in (project.run / "results.csv").read_bytes()


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model.num_stepz", "4"], "num_stepz"),
        (["--model.num_steps", "many"], "num_steps"),
        (["--model.num_steps", "0"], "num_steps"),
        (["--data.cohort_size", "0"], "cohort_size"),
        (["--config", "no-such.yaml"], "no-such.yaml"),
        (["--model.generator", "no-such-weights.pt"], "no-such-weights.pt"),
        (["--clip_score.judge", "no-such-judge.pt"], "no-such-judge.pt"),
        (["--config", str(REPOSITORY / "configs")], "found the folder"),
        (["--max_skipped_fraction", "2"], "max_skipped_fraction of at least 0 and at most 1, found 2"),
        (["--trainer.strategy", "ddp"], "trainer.strategy must be 'independent'"),
        (["--trainer.max_epochs", "2"], "trainer.max_epochs must be 1"),
        (["--trainer.use_distributed_sampler", "true"], "trainer.use_distributed_sampler must be False"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_settings_end_with_2_and_a_sentence(
    finished: Project, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["fit", "--config", str(finished.config), "--run", str(run), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (run / "config.yaml").exists()  # the next, corrected start is not refused


def test_a_configuration_that_is_missing_or_empty_is_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.yaml").write_text("\n")
    for options, message in (
        ([], "Name an experiment with --config"),
        (
            ["--config", "nope.yaml"],
            "There is no configuration nope.yaml, neither here nor in the package, which has: age.yaml, "
            "compare.yaml",
        ),
        (["--config", str(tmp_path / "empty.yaml")], "empty.yaml is empty"),
    ):
        assert main(["fit", *options]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") <= 2


def test_a_folder_that_is_missing_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = Project(tmp_path, voices=())
    assert project.main("fit") == 2
    assert "Expected a folder with audio files" in capsys.readouterr().err


def test_a_folder_without_audio_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = Project(tmp_path, voices=())
    project.voices.mkdir()
    assert project.main("fit") == 2
    assert "No audio was found" in capsys.readouterr().err
    assert not project.run.exists()  # so that the corrected start is not refused


def test_an_unknown_command_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fitt"]) == 2
    assert "Expected one of: fit, validate" in capsys.readouterr().err
    assert main([]) == 2


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_command(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([flag]) == 0
    out = capsys.readouterr().out
    assert all(
        f"  {command} " in out
        for command in (
            "fit",
            "validate",
            "test",
            "predict",
            "generate",
            "report",
            "weights",
            "data",
            "pocket",
        )
    )


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"stylewav-pl {__version__}\n"


def test_the_whole_help_of_fit_explains_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--help-all"]) == 0
    out = capsys.readouterr().out
    assert "Optimisation steps per cohort" in out
    assert "--restart" in out


# validate, test, predict


def test_more_workers_than_cores_are_no_news() -> None:
    with pytest.warns(UserWarning, match="worker processes in total"):
        DataLoader([1], num_workers=2 + (os.cpu_count() or 1))
    with quiet_lightning():  # warnings are errors under test
        DataLoader([1], num_workers=2 + (os.cpu_count() or 1))


def test_validate_makes_nothing_and_lists_the_skips(
    spoiled: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "new"
    assert main(["validate", "--config", str(spoiled.config), "--run", str(run)]) == 0
    out = capsys.readouterr().out
    assert "plan: 11 clips in 6 cohorts of 2, 3 steps" in out
    assert "cannot be used: 2 clips" in out
    assert "bad.wav: unreadable" in out
    assert not run.exists()


def test_validate_tells_what_is_finished_and_obeys_strict(
    spoiled: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = spoiled.tables()
    assert spoiled.main("validate", "--strict") == 3
    assert "finished already: 6 cohorts" in capsys.readouterr().out
    assert spoiled.tables() == tables


def test_scoring_again_changes_score_columns_alone(copied: Project) -> None:
    before, pictures = copied.rows(), copied.pictures()
    prompts = '{"sex": {"male": "a king", "female": "a queen"}}'
    assert copied.main("test", "--clip_score.prompts", prompts) == 0
    after = copied.rows()
    assert list(after[0])[-2:] == ["score: a king", "score: a queen"]
    assert [list(row.values())[:-2] for row in after] == [list(row.values())[:-2] for row in before]
    assert copied.pictures() == pictures
    statistics = json.dumps(json.loads((copied.run / "statistics.json").read_text()))
    assert "a king" in statistics
    assert "a boy" not in statistics


def test_scoring_again_with_the_same_prompts_gives_the_same_bytes(copied: Project) -> None:
    tables = copied.tables()
    assert copied.main("test") == 0
    again = copied.tables()
    scored, scored_again = tables.pop("results.csv").splitlines(), again.pop("results.csv").splitlines()
    assert again == tables
    for line, other in zip(scored, scored_again, strict=True):  # a batch of another size may round otherwise
        *cells, boy, girl = line.split(b",")
        *others, boy_again, girl_again = other.split(b",")
        assert others == cells
        if cells[-3:-2] == [b"done"]:
            assert float(boy_again) == pytest.approx(float(boy), abs=2e-6)
            assert float(girl_again) == pytest.approx(float(girl), abs=2e-6)


def test_scoring_nothing_ends_with_5_and_without_prompts_with_2(
    finished: Project, tmp_path: Path, copied: Project
) -> None:
    assert main(["test", "--config", str(finished.config), "--run", str(tmp_path / "none")]) == 5
    assert not (tmp_path / "none").exists(), "a mistyped name leaves no directory behind"
    assert copied.main("test", "--clip_score.prompts", "null") == 2


def test_scoring_again_through_an_overlay_with_another_judge_names_both_everywhere(tmp_path: Path) -> None:
    project = Project(tmp_path, voices=("female/v1", "male/v0"))
    write_voice(
        project.voices / "male/v0.flac", 0
    )  # a second file of one id: in no journal, and still not forgotten
    assert project.main("fit", "--max_skipped_fraction", "1") == 0
    before = project.tables()
    overlay = tmp_path / "other-eyes.yaml"
    overlay.write_text(
        "clip_score: {judge: pocket, prompts: {sex: {male: a photo of a man, female: a photo of a woman}}}\n"
    )
    assert project.main("test", "--config", str(overlay)) == 0
    sha256 = sha256_of(resolve("pocket", "image_text"))
    scored = json.loads((project.run / "manifest.json").read_text())["scored_with"]
    assert (scored["judge"], scored["guide"], scored["judge_sha256"]) == ("pocket", "linear", sha256)
    page = (project.run / "report.html").read_text("utf-8")
    assert "guided by linear and judged by pocket" in page
    assert sha256 in page
    assert "a photo of a woman" in page
    rows = project.rows()
    assert list(rows[0])[-2:] == ["score: a photo of a man", "score: a photo of a woman"]
    judge = load_image_text_embedder("pocket")
    with Image.open(project.run / "images" / f"{stem_of(rows[0]['id'])}.png") as picture:
        seen = judge.embed_image(from_picture(picture)[None])
    expected = (seen @ judge.embed_text(["a photo of a man", "a photo of a woman"]).T)[0].tolist()
    assert [float(value) for value in list(rows[0].values())[-2:]] == pytest.approx(expected, abs=2e-6)
    assert project.tables()["skipped.csv"] == before["skipped.csv"]
    assert [row["reason"] for row in project.rows("skipped.csv")] == ["duplicate-id"]


def test_the_guide_under_another_name_is_still_the_guide(tmp_path: Path) -> None:
    project = Project(tmp_path, voices=("female/v1", "male/v0"))
    copy = shutil.copy(resolve("pocket", "image_text"), tmp_path / "other-name.safetensors")
    networks = ["--model.generator", "pocket", "--model.guide", "pocket", "--model.audio", "pocket"]
    prompts = '{"sex": {"male": "a photo of a man", "female": "a photo of a woman"}}'
    assert (
        project.main("fit", *networks, "--clip_score.judge", str(copy), "--clip_score.prompts", prompts) == 0
    )
    manifest = json.loads((project.run / "manifest.json").read_text())
    assert manifest["weights"]["judge"] == {
        "source": str(copy),
        "sha256": manifest["weights"]["guide"]["sha256"],
    }
    assert manifest["scored_with"]["judge"] == "pocket"
    assert "Judge and guide are the same model" in (project.run / "report.html").read_text("utf-8")


def test_predict_renders_the_same_images(copied: Project) -> None:
    assert copied.main("predict") == 0
    originals = sorted((copied.run / "images").iterdir())
    assert [path.name for path in originals] == sorted(
        path.name for path in (copied.run / "rendered").iterdir()
    )
    for path in originals:
        with Image.open(path) as original, Image.open(copied.run / "rendered" / path.name) as rendered:
            assert np.array_equal(np.asarray(original), np.asarray(rendered))


def test_predict_refuses_latents_of_another_space(
    copied: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert copied.main("predict", "--model.latent_space", "WPlus") == 2
    assert "has space 'w', the configuration means 'w+'" in capsys.readouterr().err


# Interrupted runs


def tear(run: Path, keep_lines: int, extra: bytes) -> None:
    """Leaves the directory as a process that was killed leaves it."""
    for name, lines in (("rank-00000.jsonl", 2 * keep_lines), ("rank-00000.index", keep_lines)):
        path = run / "journal" / name
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]) + extra)
    (run / ".writing").mkdir(exist_ok=True)
    (run / ".writing" / "male-v2.png").write_bytes(b"half")
    (run / ".writing-1-manifest.json").write_bytes(b"half")
    for name in (*TABLES, "statistics.json", "grid.png", "report.html"):
        (run / name).unlink()


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("keep_lines", "extra"),
    [(0, b""), (1, b""), (1, b'{"cohort": 1, "cl'), (1, b"1 2 80"), (2, b"\0\0"), (3, b"")],
)
def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    finished: Project, copied: Project, keep_lines: int, extra: bytes
) -> None:
    tear(copied.run, keep_lines, extra)
    kept = copied.pictures()
    assert copied.main("fit") == 0
    assert copied.tables() == finished.tables()
    assert {name: data for name, (_, data) in copied.pictures().items()} == {
        name: data for name, (_, data) in finished.pictures().items()
    }
    if keep_lines == 3:
        assert copied.pictures() == {name: kept[name] for name in copied.pictures()}
    for path in (finished.run / "latents").iterdir():
        with (
            safe_open(path, framework="pt") as one,
            safe_open(copied.run / "latents" / path.name, framework="pt") as other,
        ):
            assert torch.equal(one.get_tensor("latent"), other.get_tensor("latent"))
    assert not list(copied.run.rglob(".writing*"))


@pytest.mark.chaos
def test_an_unfinished_cohort_keeps_its_company_when_a_file_came_in_between(tmp_path: Path) -> None:
    project = Project(tmp_path, voices=("b", "c", "d"))
    assert project.main("fit") == 0
    whole = {name: data for name, (_, data) in project.pictures().items()}
    rows = project.rows()
    tear(project.run, 0, b"")
    write_voice(project.voices / "a.wav", 9)
    assert project.main("fit") == 0
    assert project.rows()[:3] == rows
    assert {name: project.pictures()[name][1] for name in whole} == whole


@pytest.mark.chaos
def test_a_full_disk_is_named_and_what_was_done_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    from stylewav_pl.runs.stores.files import FileStore

    project = Project(tmp_path)
    project.voices, project.config = finished.voices, finished.config
    monkeypatch.setattr(FileStore, "_write", failing_after(8, FileStore._write))
    assert project.main("fit") == 1
    error = capsys.readouterr().err
    assert "No space left on device" in error and "start the same command again" in error
    assert "Traceback" not in error
    assert len((project.run / "journal/rank-00000.index").read_bytes().splitlines()) == 1
    assert not (project.run / "results.csv").exists()
    monkeypatch.undo()
    assert project.main("fit") == 0
    assert project.tables() == finished.tables()


def failing_after(calls: int, function: Callable[..., object]) -> Callable[..., object]:
    remaining = [calls]

    def limited(*args: object, **kwargs: object) -> object:
        remaining[0] -= 1
        if remaining[0] < 0:
            raise OSError(28, "No space left on device")
        return function(*args, **kwargs)

    return limited

"""What a dashboard shows, how often, and that nothing it does can end a run."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from numpy import ndarray
from PIL import Image

from stylewav_pl.callbacks import ClipScore, Dashboard
from stylewav_pl.callbacks.dashboard import callback, finished_cohort, names
from stylewav_pl.callbacks.dashboard.run_summary import RunSummary
from stylewav_pl.callbacks.dashboard.running_stats import (
    GIB,
    RunningStats,
    memory,
    should_log_images,
    should_log_numbers,
)
from stylewav_pl.loggers import Cell, CsvLog, RunLogger
from stylewav_pl.runs import journal
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.journal import ClipRecord, CohortRecord
from stylewav_pl.types import Clip, CohortResult, ScoreRow

PROMPTS = {"sex": {"male": "a boy", "female": "a girl"}}


class Notebook(RunLogger):
    """Remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[tuple[int, dict[str, float]]] = []
        self.pictures: list[tuple[int, str, Image.Image]] = []
        self.histograms: list[tuple[int, str, Float[ndarray, " value"]]] = []
        self.curves: dict[str, list[float]] = {}
        self.tables: dict[str, tuple[Sequence[str], Sequence[Sequence[Cell]]]] = {}
        self.facts: dict[str, str | float] = {}
        self.files: dict[str, list[str]] = {}
        self.settings: dict[str, Any] = {}
        self.closed: list[bool] = []

    def log_metrics(self, metrics, step=None) -> None:
        self.numbers.append((step, dict(metrics)))

    def log_hyperparams(self, params, *args, **kwargs) -> None:
        self.settings |= params

    def log_curve(self, name, values) -> None:
        self.curves[name] = list(values)

    def log_picture(self, name, picture, step) -> None:
        self.pictures.append((step, name, picture))

    def log_histogram(self, name, values, step) -> None:
        self.histograms.append((step, name, values))

    def log_table(self, name, columns, rows, step) -> None:
        self.tables[name] = columns, rows

    def log_summary(self, facts, step) -> None:
        self.facts |= facts

    def log_files(self, name, paths) -> None:
        self.files[name] = [path.name for path in paths]

    def close(self, failed=False) -> None:
        self.closed.append(failed)


def cohort(labels: Sequence[str], end: float = 0.5) -> CohortResult:
    count = len(labels)
    return CohortResult(
        cohort=0,
        clips=tuple(
            Clip(str(index), "", labels={"sex": label} if label else {}) for index, label in enumerate(labels)
        ),
        skips=(),
        images=torch.zeros(count, 3, 8, 8),
        latents=torch.zeros(count, 4),
        curves=torch.tensor([0.0, end / 2, end]).expand(count, 3),
        targets=torch.zeros(count, 4),
        frames=torch.zeros(count, 0, 3, 8, 8),
        frame_steps=(),
        seeds=(0,) * count,
        embeddings=torch.zeros(count, 4),
        starts=torch.zeros(count, 3, 8, 8),
    )


def trainer_with(*loggers: Logger, rank: int = 0, score: ClipScore | None = None) -> Any:
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.1}])
    return Mock(
        Trainer,
        loggers=list(loggers),
        callbacks=[score or ClipScore(PROMPTS)],
        global_rank=rank,
        optimizers=[optimizer],
    )


def module() -> Any:
    recipe = SimpleNamespace(learning_rate_factors=[1.0, 0.5])
    return Mock(LightningModule, device=torch.device("cpu"), recipe=recipe)


def finished_trainer(run: Path, *loggers: Logger) -> Any:
    return Mock(Trainer, loggers=list(loggers), default_root_dir=str(run))


def earlier_starts(run: Path, clips: int) -> None:
    """What earlier starts of a run have left: the configuration, and a cohort of so many clips."""
    run.mkdir(exist_ok=True)
    (run / "config.yaml").write_text("seed: 3\n")
    records = tuple(ClipRecord(str(index), "", "", {}, 0, 0.0, 0.5, {}, (0.0, 0.5)) for index in range(clips))
    if records:
        journal.append(run / "journal", 0, CohortRecord(0, records, ()))


def work(
    dashboard: Dashboard, trainer: Any, cohorts: Sequence[CohortResult], path: Path, clips_done: int = 0
) -> None:
    trainer.default_root_dir = str(path)
    earlier_starts(path, clips_done)
    dashboard.setup(trainer, module(), "fit")
    dashboard.on_train_start(trainer, module())
    for number, result in enumerate(cohorts):
        scores = tuple(ScoreRow(clip.id, {"a boy": 0.1, "a girl": 0.2}) for clip in result.clips)
        dashboard.on_train_batch_end(trainer, module(), {"result": result, "scores": scores}, None, number)


def test_one_row_per_cohort_over_the_clips_that_are_done(tmp_path: Path) -> None:
    notebook = Notebook()
    work(
        Dashboard(),
        trainer_with(notebook),
        [cohort(["male"] * 3, 0.5), cohort([]), cohort(["female"] * 2, 0.25)],
        tmp_path,
        clips_done=40,
    )
    assert [step for step, _ in notebook.numbers] == [43, 45]
    ends = [numbers["rank0/similarity/end"] for _, numbers in notebook.numbers]
    assert ends == pytest.approx([0.5, 0.25])
    assert notebook.numbers[0][1]["rank0/similarity/start"] == 0.0
    assert all(name.startswith("rank0/") for _, numbers in notebook.numbers for name in numbers)
    assert notebook.settings == {"seed": 3}


def test_the_learning_rate_is_shown_once_and_not_by_a_resumed_run(tmp_path: Path) -> None:
    notebook, resumed = Notebook(), Notebook()
    work(Dashboard(), trainer_with(notebook), [], tmp_path)
    assert notebook.curves == {"curve/learning_rate": pytest.approx([0.1, 0.05])}
    work(Dashboard(), trainer_with(resumed), [], tmp_path, clips_done=1)
    assert resumed.curves == {"curve/learning_rate": []}


def scored() -> ClipScore:
    """Two clips so far: a man's and a woman's."""
    score = ClipScore(PROMPTS)
    score.means.update(
        torch.tensor([[0.5, 0.25], [0.125, 0.625]]), torch.tensor([[True, False], [False, True]])
    )
    return score


def test_running_scores_carry_the_rank(tmp_path: Path) -> None:
    notebook = Notebook()
    work(
        Dashboard(every_rank=True),
        trainer_with(notebook, rank=2, score=scored()),
        [cohort(["female"])],
        tmp_path,
    )
    numbers = notebook.numbers[0][1]
    found = {name: value for name, value in numbers.items() if "score" in name}
    assert found == {"rank2/score/sex/separation": (0.5 - 0.125 + 0.625 - 0.25) / 2}


def test_a_dashboard_gets_half_a_dozen_numbers_and_the_file_all(tmp_path: Path) -> None:
    notebook = Notebook()
    work(Dashboard(), trainer_with(notebook, CsvLog(tmp_path), score=scored()), [cohort(["male"])], tmp_path)
    shown = notebook.numbers[0][1]
    assert list(shown) == [
        "rank0/similarity/start",
        "rank0/similarity/end",
        "rank0/throughput/clips_per_second",
        "rank0/memory/process_peak_gib",
        "rank0/score/sex/separation",
    ]
    with (tmp_path / "log.csv").open(newline="") as file:
        kept = {row["metric"]: float(row["value"]) for row in csv.DictReader(file)}
    assert shown.keys() < kept.keys()
    assert kept["rank0/similarity/half"] == 0.25
    assert kept["rank0/score/sex/female/a girl"] == 0.625


def test_cohorts_of_workers_are_shown_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finished_cohort, "FinishedRun", lambda run: run)
    face = Image.new("RGB", (8, 8), "red")
    monkeypatch.setattr(finished_cohort, "load_face", lambda run, id: None if id == "lost" else face)
    notebook, dashboard = Notebook(), Dashboard()
    trainer = trainer_with(notebook)
    trainer.default_root_dir = str(tmp_path)
    earlier_starts(tmp_path, 2)
    dashboard.begin_for_workers(trainer, module())
    for number, (label, end) in enumerate([("male", 0.5), ("female", 0.25)], start=1):
        scores = {"a boy": 0.5, "a girl": 0.125 * number}
        clips = [ClipRecord(id, "", "", {"sex": label}, 0, 0.0, end, scores, (0.0, end / 2, end))
                 for id in (label, "lost")]  # fmt: skip
        dashboard.show_worker_cohort(trainer, CohortRecord(number, tuple(clips), ()))
    dashboard.show_worker_cohort(trainer, CohortRecord(3, (), ()))
    assert [step for step, _ in notebook.numbers] == [4, 6]
    last = notebook.numbers[-1][1]
    assert last["workers/similarity/end"] == pytest.approx(0.25)
    assert last["workers/score/sex/separation"] == pytest.approx((0.0 + 0.25 - 0.125) / 2)
    assert all(name.startswith("workers/") and "memory" not in name for name in last)
    assert [(step, name) for step, name, _ in notebook.pictures] == [(4, "faces/male"), (6, "faces/female")]
    assert notebook.histograms[0][2].tolist() == [0.5, 0.5]


def test_a_population_without_a_clip_has_no_separation() -> None:
    means = {("sex", "male", "a boy"): 0.5, ("sex", "male", "a girl"): 0.25}
    assert callback.separations(PROMPTS, means) == {}


def test_only_the_first_process_shows_anything_unless_asked(tmp_path: Path) -> None:
    notebook = Notebook()
    work(Dashboard(), trainer_with(notebook, rank=1), [cohort(["male"])], tmp_path)
    assert (notebook.numbers, notebook.pictures, notebook.settings) == ([], [], {})


def test_faces_of_each_population_now_and_then_and_never_too_many(tmp_path: Path) -> None:
    notebook = Notebook()
    work(Dashboard(faces=4), trainer_with(notebook), [cohort(["female"] * 9 + ["male", ""])] * 5, tmp_path)
    assert [(step, name) for step, name, _ in notebook.pictures] == [
        (11 * cohorts, name) for cohorts in (1, 2, 4) for name in ("faces/male", "faces/female", "faces/all")
    ]
    widths = {name: picture.width for _, name, picture in notebook.pictures}
    assert widths["faces/female"] == pytest.approx(4 * 96, abs=80), "four faces of 96 pixels, not nine"
    assert widths["faces/male"] < 2 * 96


def test_histograms_are_those_of_the_cohort(tmp_path: Path) -> None:
    notebook = Notebook()
    work(Dashboard(faces=0), trainer_with(notebook), [cohort(["male", "female"], 0.75)], tmp_path)
    found = {name: values.tolist() for _, name, values in notebook.histograms}
    expected = {"similarity_end": [0.75, 0.75], "score/a boy": [0.1, 0.1], "score/a girl": [0.2, 0.2]}
    assert found == {f"live_histogram/{name}": pytest.approx(values) for name, values in expected.items()}
    assert notebook.pictures == []


def test_no_picture_is_made_where_nobody_can_keep_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        callback, "picture_grid", Mock(side_effect=AssertionError("a picture for a table of numbers"))
    )
    work(Dashboard(), trainer_with(CsvLog(tmp_path)), [cohort(["male"])], tmp_path)
    with (tmp_path / "log.csv").open(newline="") as file:
        assert "rank0/similarity/end" in {row["metric"] for row in csv.DictReader(file)}


def test_loggers_of_lightning_get_the_numbers(tmp_path: Path) -> None:
    stranger = Mock(Logger)
    work(Dashboard(), trainer_with(stranger), [cohort(["male"])], tmp_path)
    (numbers, step), _ = stranger.log_metrics.call_args
    assert step == 1 and numbers["rank0/similarity/end"] == 0.5


def test_a_logger_that_fails_is_left_alone_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, notebook = (
        Mock(Logger, log_metrics=Mock(side_effect=ConnectionError("no route to host"))),
        Notebook(),
    )
    dashboard, trainer = Dashboard(), trainer_with(broken, notebook)
    work(dashboard, trainer, [cohort(["male"])] * 3, tmp_path)
    assert broken.log_metrics.call_count == 1
    assert len(notebook.numbers) == 3
    error = capsys.readouterr().err
    assert "the run goes on without it: ConnectionError('no route to host')" in error
    dashboard.close(trainer, failed=True)
    assert notebook.closed == [True]


def test_a_run_without_loggers_costs_nothing(tmp_path: Path) -> None:
    dashboard = Dashboard()
    work(dashboard, trainer_with(), [cohort(["male"])], tmp_path)
    assert dashboard.clips_done == 0


# How much


def test_two_million_clips_stay_a_small_log() -> None:
    cohorts = range(1, 2_000_000 // 256 + 2)
    assert sum(map(should_log_numbers, cohorts)) < 2600
    assert sum(map(should_log_images, cohorts)) == 13
    assert sum(map(should_log_numbers, range(16_001, 32_001))) == 500, (
        "cohorts of one clip: each doubling of their number adds 500 rows"
    )
    assert sum(map(should_log_images, range(16_001, 32_001))) == 1


def test_a_window_is_the_mean_over_its_clips_and_its_speed() -> None:
    window = RunningStats(began=100.0)
    window.add(torch.tensor([[0.0, 0.2, 0.4, 0.6], [0.0, 0.2, 0.4, 1.0]]))
    window.add(torch.tensor([[0.3, 0.2, 0.1, 0.2]]))
    numbers = window.numbers(now=104.0)
    assert [numbers[name] for name in names.SIMILARITY] == pytest.approx([0.1, 0.3, 0.6])
    assert numbers[names.CLIPS_PER_SECOND] == pytest.approx(3 / 4)
    assert numbers[names.CLIP_STEPS_PER_SECOND] == pytest.approx(9 / 4)


def test_memory_is_what_this_process_uses() -> None:
    numbers = memory(torch.device("cpu"))
    assert list(numbers) == [names.PROCESS_MEMORY]
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(
            int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")
        )
        assert numbers[names.PROCESS_MEMORY] == pytest.approx(peak * 1024 / GIB, rel=0.05)


# The end


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of four clips, one of them skipped."""
    header = "id,path,speaker,sex,seed,status,similarity_start,similarity_end,score: a boy,score: a girl"
    rows = [
        "a,a.wav,s,male,1,done,0.0,0.5,0.3,0.1",
        "b,b.wav,t,female,2,done,0.0,0.7,0.1,0.4",
        "c,c.wav,,,3,done,0.0,0.6,0.2,0.2",
    ]
    (tmp_path / "results.csv").write_text("\n".join([header, *rows, "d,d.wav,,,,skipped,,,,"]) + "\n")
    (tmp_path / "curves.csv").write_text("id,0,1\na,0.0,0.5\nb,0.0,0.7\nc,0.0,0.6\n")
    (tmp_path / "manifest.json").write_text(
        json.dumps(
            {"counts": {"done": 3, "skipped": 1}, "scored_with": {"guide": "pocket", "judge": "other"}}
        )
    )
    between = [
        {"label": "male", "p_holm": 0.03, "hedges_g": {"value": 2.5, "low": 1.0}},
        {"label": "female", "p_holm": 0.01, "hedges_g": {"value": 3.0}},
        {"label": "nobody", "p_holm": {"not_computable": "why"}, "hedges_g": {"not_computable": "why"}},
    ]
    shuffled = [
        {"label": "male", "hedges_g": {"value": 0.1}},
        {"label": "female", "hedges_g": {"value": -0.4}},
    ]
    trait = {
        "verdict": "they differ",
        "prompts": PROMPTS["sex"],
        "seed": 0,
        "permutations": 1,
        "notes": ["a note"],
        "observed": {"between": between, "accuracy": {"share": {"value": 0.75, "low": 0.5}}},
        "heard": {"not_computable": "the run recorded no targets"},
        "permuted": {"between": shuffled},
    }
    (tmp_path / "statistics.json").write_text(json.dumps({"format": 1, "traits": {"sex": trait}}))
    (tmp_path / "report.html").write_text("<html></html>")
    (tmp_path / "images").mkdir()
    Image.new("RGB", (512, 512)).save(tmp_path / "images" / "a.png")
    Image.new("RGB", (20, 10)).save(tmp_path / "grid.png")
    return tmp_path


def test_the_end_shows_all_clips(run: Path) -> None:
    notebook = Notebook()
    Dashboard().show_results(finished_trainer(run, notebook))
    assert notebook.curves == {
        "curve/similarity/all": pytest.approx([0.0, 0.6]),
        "curve/similarity/male": pytest.approx([0.0, 0.5]),
        "curve/similarity/female": pytest.approx([0.0, 0.7]),
    }
    found = {name: values.tolist() for _, name, values in notebook.histograms}
    assert found["histogram/similarity_end"] == [0.5, 0.7, 0.6]
    assert found["histogram/score/sex/male/a boy"] == [0.3]
    assert found["histogram/score/sex/female/a girl"] == [0.4]
    assert notebook.files == {"report": ["report.html", "statistics.json"]}
    assert [(step, name, picture.size) for step, name, picture in notebook.pictures] == [
        (3, "final/faces", (20, 10))
    ]
    assert notebook.facts == {
        "statistics/sex/verdict": "they differ",
        "statistics/sex/faces_right": 0.75,
        "statistics/sex/hedges_g_least": 2.5,
        "statistics/sex/p_holm_largest": 0.03,
        "statistics/sex/control_hedges_g_largest": -0.4,
        "clips/done": 3,
        "clips/skipped": 1,
        "networks/guide": "pocket",
        "networks/judge": "other",
    }, "what was not computable is left out"


def test_the_table_is_a_sample_with_small_pictures(run: Path) -> None:
    columns, rows = RunSummary(FinishedRun(run), table_rows=2).table
    assert columns == [
        "face",
        "id",
        "speaker",
        "sex",
        "similarity_start",
        "similarity_end",
        "score: a boy",
        "score: a girl",
    ]
    assert [row[1:] for row in rows] == [
        ["a", "s", "male", 0.0, 0.5, 0.3, 0.1],
        ["c", "", "", 0.0, 0.6, 0.2, 0.2],
    ]
    assert isinstance(rows[0][0], Image.Image) and rows[0][0].size == (96, 96)
    assert rows[1][0] is None, "its image is gone"


def test_a_table_of_numbers_gets_only_the_statistics(run: Path) -> None:
    logger = CsvLog(run)
    Dashboard().show_results(finished_trainer(run, logger))
    with (run / "log.csv").open(newline="") as file:
        found = {row["metric"]: (row["step"], float(row["value"])) for row in csv.DictReader(file)}
    assert found["statistics/sex/observed/between/female/p_holm"] == ("3", 0.01)
    assert found["statistics/sex/hedges_g_least"] == ("3", 2.5)
    assert found["clips/done"] == ("3", 3.0)
    assert not any(name.startswith(("histogram", "curve", "final")) for name in found)


def test_numbers_of_one_type(run: Path) -> None:
    histograms = RunSummary(FinishedRun(run), 2).histograms
    assert all(
        isinstance(values, np.ndarray) and values.dtype == np.float64 for values in histograms.values()
    )

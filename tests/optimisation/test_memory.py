"""How many clips are optimised side by side where that is not given."""

from pathlib import Path

import pytest
import torch

from stylewav_pl.cli import main
from stylewav_pl.embedders.linear import LinearImageTextEmbedder
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.memory import (
    CPU_COHORT,
    LARGEST_COHORT,
    MARGIN,
    fitting_cohort,
    measured_cohort,
    peak_bytes,
)
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.views import Views


def step_bytes(count: int) -> int:
    return 1000 + 400 * count


@pytest.mark.parametrize("clips", range(1, 30))
def test_as_many_clips_as_there_is_room_for(clips: int) -> None:
    """With exactly the room of ``clips`` within the margin, and with a byte less."""
    free = step_bytes(clips) / MARGIN
    assert fitting_cohort(int(free) + 1, step_bytes, 1000) == clips
    assert fitting_cohort(int(free) - 1, step_bytes, 1000) == max(1, clips - 1)


def test_a_cohort_is_bounded_by_the_clips_and_by_reason() -> None:
    assert fitting_cohort(1 << 40, step_bytes, 4) == 4
    assert fitting_cohort(1 << 40, step_bytes, 10**6) == LARGEST_COHORT
    assert fitting_cohort(0, step_bytes, 4) == 1, "a run that may fail is better than none"


def test_on_a_cpu_nothing_is_measured() -> None:
    def step(clips: int) -> torch.Tensor:
        raise AssertionError(f"a step of {clips} was done")

    assert [measured_cohort(step, torch.device("cpu"), clips) for clips in (1, 100)] == [1, CPU_COHORT]


def test_what_is_measured_is_a_whole_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the copies that views add, each of which the guide keeps memory for, and with all terms."""
    guide = LinearImageTextEmbedder()
    seen = []

    def embed(images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        return LinearImageTextEmbedder.embed_image(guide, images)

    monkeypatch.setattr(guide, "embed_image", embed)
    objective = Objective(distance_to_start=0.1, follow="all")
    model = StyleWav.from_sources(
        "linear", guide, "linear", cohort_size="auto", views=Views(count=3), objective=objective
    )
    loss = model.trial_loss(5)
    assert sum(seen) == 5 + 3 * 5
    (leaf,) = {node.variable for node in leaves(loss)}
    assert leaf.shape == (5, *model.mean_latent.shape)
    loss.backward()
    assert leaf.grad.abs().sum() > 0


def leaves(loss: torch.Tensor) -> list:
    """The nodes of a graph at which gradients arrive."""
    found, ahead = {}, [loss.grad_fn]
    while ahead:
        node = ahead.pop()
        if hasattr(node, "variable"):
            found[id(node)] = node
        ahead += [before for before, _ in node.next_functions if before is not None]
    return list(found.values())


@pytest.mark.gpu
def test_on_a_gpu_a_larger_cohort_takes_as_much_more_as_was_foretold() -> None:
    model = StyleWav.from_sources(cohort_size="auto")
    device = torch.device("cuda")
    model.to(device)
    one, two, four = (peak_bytes(model.trial_loss, count, device) for count in (1, 2, 4))
    assert four == pytest.approx(one + 3 * (two - one), rel=0.2)
    assert measured_cohort(model.trial_loss, device, 8) == 8


def test_a_cohort_size_that_was_chosen_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    words = ["fit", "--config", "demo.yaml", "--run", str(run), "--data.max_clips", "3"]
    words += ["--model.num_steps", "1", "--model.start", "{truncation: 0.0, candidates: 1}"]
    words += ["--data.num_workers", "0", "--data.cohort_size", "auto", "--trainer.accelerator", "cpu"]
    assert main(words) == 0
    assert "Cohorts of 3" in capsys.readouterr().out
    assert len((run / "plan.jsonl").read_text().splitlines()) == 1
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "Cohorts of" not in said and "3 faces are there already" in said

"""The loop that recipes run in: it goes on where it was interrupted, shows progress and keeps the state."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from stylewav_pl.files import write_whole


@runtime_checkable
class Learner(Protocol):
    """What a recipe trains, as far as its state goes."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Whatever learns, and averages of it, by their names in the state file."""

    @property
    def optimisers(self) -> Sequence[Optimizer]:
        """In an order that does not change."""


def run_steps(
    take_step: Callable[[int], Mapping[str, int | float]],
    save: Callable[[int], None],
    *,
    steps: range,
    save_every: int,
    name: str,
    progress: bool,
) -> None:
    """Takes one step after the other.

    Args:
        take_step: Is given the number of the step; returns what the progress bar shows.
        save: Is given the number of steps done.
        steps: Those that are left, up to the last of the training.
        save_every: Steps between two calls of ``save``.
        name: Of the progress bar.
        progress: Whether to show it.
    """
    bar = tqdm(steps, initial=steps.start, total=steps.stop, desc=name, disable=not progress, mininterval=1)
    for step in bar:
        shown = take_step(step)
        bar.set_postfix({key: _text(value) for key, value in shown.items()}, refresh=False)
        if (step + 1) % save_every == 0:
            save(step + 1)


def run_resumable(
    learner: Learner,
    take_step: Callable[[int], Mapping[str, int | float]],
    write: Callable[[], None],
    output: Path,
    *,
    steps: int,
    resume: bool,
    save_every: int,
    name: str,
    progress: bool,
) -> None:
    """Trains from the first step, or from where an earlier start was interrupted, to the last.

    Args:
        learner: What is trained.
        take_step: See :func:`run_steps`.
        write: Writes the weights to ``output``, at the end and with each state.
        output: The weight file; beside it lies :func:`state_of` it, until the training ends.
        steps: Of the whole training.
        resume: Whether to go on from the state file if there is one.
        save_every: Steps between two state files.
        name: Of the progress bar.
        progress: Whether to show it.
    """
    state = state_of(output)
    first = restore_state(learner, state) if resume and state.is_file() else 0

    def save(done: int) -> None:
        keep_state(learner, state, done)
        write()

    run_steps(take_step, save, steps=range(first, steps), save_every=save_every, name=name, progress=progress)
    write()
    state.unlink(missing_ok=True)


def state_of(output: Path) -> Path:
    """Returns the state file of a training."""
    return output.with_name(output.name + ".state")


def descend(optimisers: Sequence[Optimizer], loss: Tensor) -> None:
    """Takes one step of each optimiser down a loss."""
    for optimiser in optimisers:
        optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    for optimiser in optimisers:
        optimiser.step()


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Moves the parameters of an average towards those of a network; ``decay`` of what was there stays."""
    ours, theirs = (list[Tensor](part.parameters()) for part in (average, network))
    torch._foreach_lerp_(ours, theirs, 1 - decay)


def keep_state(learner: Learner, path: Path, step: int) -> None:
    """Writes what :func:`restore_state` goes on from, whole or not at all; ``step`` is the next one."""
    state = {
        "step": step,
        **{name: network.state_dict() for name, network in learner.networks.items()},
        "optimisers": [optimiser.state_dict() for optimiser in learner.optimisers],
    }
    write_whole(path, lambda file: torch.save(state, file))


def restore_state(learner: Learner, path: Path) -> int:
    """Reads what :func:`keep_state` wrote into a learner before its first step; returns the next step."""
    device = next(next(iter(learner.networks.values())).parameters()).device
    state: Mapping[str, Any] = torch.load(path, map_location=device, weights_only=True)
    for name, network in learner.networks.items():
        network.load_state_dict(state[name])
    # files of the first recipes: one entry per player
    saved = state["optimisers"] if "optimisers" in state else [state["first"], state["second"]]
    for optimiser, groups in zip(learner.optimisers, saved, strict=True):
        _restore_optimiser(optimiser, groups)
    return int(state["step"] if "step" in state else state["iteration"])


def _restore_optimiser(optimiser: Optimizer, saved: dict[str, Any]) -> None:
    """Loading replaces the groups, and with them the peak rates that older files do not hold."""
    peaks = [group.get("peak", group["lr"]) for group in optimiser.param_groups]
    optimiser.load_state_dict(saved)
    for group, peak in zip(optimiser.param_groups, peaks, strict=True):
        group.setdefault("peak", peak)


def _text(value: int | float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)

"""What ``generate`` does unless told otherwise.

It is the shipped ``generate.yaml``, so that Python and the command agree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch

from stylewav_pl import bounded_yaml
from stylewav_pl.data.window import Window
from stylewav_pl.errors import ConfigError
from stylewav_pl.installed import configs_directory
from stylewav_pl.optimisation.latents import LatentSpace, S, W, WPlus
from stylewav_pl.optimisation.start import Start

SPACES: Mapping[str, type[LatentSpace]] = {"W": W, "WPlus": WPlus, "S": S}
SPREAD = 5  # frames are spread over the steps in so many gaps
PRIOR = "pocket"


@dataclass(frozen=True)
class Defaults:
    """The settings of the command.

    Attributes:
        model: Of :class:`~stylewav_pl.module.StyleWav`, by name; networks by their source.
        window: Which part of a recording.
        side_by_side: Faces that are made at once.
        seed: Of the run.
    """

    model: Mapping[str, Any]
    window: Window
    side_by_side: int
    seed: int


@cache
def defaults() -> Defaults:
    """Reads the shipped configuration."""
    text = (configs_directory() / "generate.yaml").read_text("utf-8")
    settings = bounded_yaml.load(text)
    model, data = dict(settings["model"]), settings["data"]
    model["latent_space"] = SPACES[model["latent_space"]]()
    model["start"] = Start(**model["start"])
    model["optimizer"] = _optimizer(**model["optimizer"])
    window = Window(data["seconds"], data["window"], high_pass=_number(data["high_pass"]))
    return Defaults(model, window, data["cohort_size"], settings["seed_everything"])


def _number(value: Any) -> float | None:
    """YAML reads 40 as a whole number."""
    return None if value is None else float(value)


def _optimizer(class_path: str, init_args: Mapping[str, Any]) -> Callable[..., torch.optim.Optimizer]:
    return partial(getattr(torch.optim, class_path.rpartition(".")[2]), **init_args)


def named_start(name: str) -> Start:
    """Returns the start of a name; ``prior`` is that of the pocket networks.

    Raises:
        ConfigError: There is no such start.
    """
    shipped: Start = defaults().model["start"]
    samples = shipped if shipped.prior is None else Start(truncation=0.3, candidates=8)
    starts = {"mean": Start(), "samples": samples, "prior": Start(prior=PRIOR)}
    if name not in starts:
        raise ConfigError(f"Expected a start named {', '.join(starts)}, or a Start; found {name!r}.")
    return starts[name]


def spread_frames(steps: int) -> list[int]:
    """Returns the steps whose images are kept.

    >>> spread_frames(20), spread_frames(0)
    ([0, 4, 8, 12, 16, 20], [0])
    """
    return sorted({round(steps * share / SPREAD) for share in range(SPREAD + 1)})

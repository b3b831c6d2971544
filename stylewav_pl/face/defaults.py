"""What ``generate`` does unless told otherwise.

It is the shipped ``generate.yaml``, so that Python and the command agree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from stylewav_pl import bounded_yaml
from stylewav_pl.data.window import Window
from stylewav_pl.errors import ConfigError
from stylewav_pl.installed import configs_directory
from stylewav_pl.optimisation.latents import Codes, LatentSpace, S, W, WPlus
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.start import Start

SPACES: Mapping[str, type[LatentSpace]] = {"W": W, "WPlus": WPlus, "S": S, "Codes": Codes}
SPREAD = 5  # frames are spread over the steps in so many gaps
PRIOR = "pocket"  # networks and prior have this name in the registry
PRIOR_START = "prior"
WITHOUT_PRIOR, WITH_WORDS = "overlays/samples.yaml", "overlays/words.yaml"


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
def defaults(from_prior: bool = True, with_words: bool = False) -> Defaults:
    """Reads the shipped configuration.

    Args:
        from_prior: Whether faces begin at the prior's answer; else at samples, see ``overlays/samples.yaml``.
        with_words: Whether anything but the voice pulls: that needs the steps of this overlay, too.
    """
    settings = _shipped("generate.yaml")
    model, data = dict(settings["model"]), settings["data"]
    for overlay in overlays(from_prior, with_words):
        model |= _shipped(overlay)["model"]
    model["latent_space"] = SPACES[model["latent_space"]]()
    model["start"] = Start(**model["start"])
    model["objective"] = Objective(**model["objective"])
    model["optimizer"] = _optimizer(**model["optimizer"])
    window = Window(data["seconds"], data["window"], high_pass=_number(data["high_pass"]))
    return Defaults(model, window, data["cohort_size"], settings["seed_everything"])


def overlays(from_prior: bool, with_words: bool) -> list[str]:
    """Returns what is laid over ``generate.yaml``.

    Words seldom arrive in the few small steps from the prior's answer to the voice alone.

    >>> overlays(True, False), overlays(True, True), overlays(False, True)
    ([], ['overlays/words.yaml'], ['overlays/samples.yaml'])
    """
    if not from_prior:
        return [WITHOUT_PRIOR]
    return [WITH_WORDS] if with_words else []


def suits_prior(generator: str | Path | None, guide: str | Path | None, start: str | Start | None) -> bool:
    """Returns whether faces begin at the shipped prior.

    They do by its networks, and unless another start is asked for.

    >>> asked = (None, "pocket", None), ("ffhq-1024", None, None), (None, None, "mean")
    >>> tuple(suits_prior(*names) for names in asked)
    (True, False, False)
    """
    if isinstance(start, Start):
        return start.prior is not None
    return start == PRIOR_START or (start is None and {generator, guide} <= {None, PRIOR})


def _shipped(name: str) -> Any:
    return bounded_yaml.load((configs_directory() / name).read_text("utf-8"))


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
    starts: dict[str, Start] = {
        "mean": Start(),
        "samples": defaults(from_prior=False).model["start"],
        PRIOR_START: defaults().model["start"],
    }
    if name not in starts:
        raise ConfigError(f"Expected a start named {', '.join(starts)}, or a Start; found {name!r}.")
    return starts[name]


def spread_frames(steps: int) -> list[int]:
    """Returns the steps whose images are kept.

    >>> spread_frames(20), spread_frames(0)
    ([0, 4, 8, 12, 16, 20], [0])
    """
    return sorted({round(steps * share / SPREAD) for share in range(SPREAD + 1)})

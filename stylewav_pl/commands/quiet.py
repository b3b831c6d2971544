"""What Lightning says about trainings in general, and nobody needs to hear here."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silences what Lightning says about trainings in general and what is meant to be so here."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        # frozen networks are in eval mode; Lightning 2.6 asks torch's tree library in a way that newer torch
        # deprecates and how many processes decode is the user's choice, also on few cores
        for expected in (
            r"Found .* module\(s\) in eval mode",
            r".*isinstance\(treespec, LeafSpec\)",
            ".*does not have many workers.*",
            "This DataLoader will create .* worker processes",
        ):
            warnings.filterwarnings("ignore", message=expected)
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)

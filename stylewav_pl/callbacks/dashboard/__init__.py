"""What a run shows while it works and when it is done, in whatever loggers the trainer has."""

from stylewav_pl.callbacks.dashboard.callback import Dashboard

__all__ = ["Dashboard"]

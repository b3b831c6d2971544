"""Where a run shows how it goes.

A table in its directory, TensorBoard, Weights & Biases. What is shown, and when, is not decided here.
"""

from stylewav_pl.loggers.base import Cell, RunLogger
from stylewav_pl.loggers.csv_file import CsvLog
from stylewav_pl.loggers.tensorboard import TensorBoardLog
from stylewav_pl.loggers.wandb import WandbLog

__all__ = ["Cell", "CsvLog", "RunLogger", "TensorBoardLog", "WandbLog"]

"""Callbacks watch: they write, score, show and log what the module gives, and change nothing."""

from stylewav_pl.callbacks.clip_score import ClipScore
from stylewav_pl.callbacks.dashboard import Dashboard
from stylewav_pl.callbacks.progress import ClipProgress
from stylewav_pl.callbacks.watch import Watch
from stylewav_pl.callbacks.writer import ResultsWriter

__all__ = ["ClipProgress", "ClipScore", "Dashboard", "ResultsWriter", "Watch"]

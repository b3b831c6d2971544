"""Callbacks watch: they write, score, show and log what the module gives, and change nothing."""

from stylewav_pl.callbacks.clip_score import ClipScore
from stylewav_pl.callbacks.live_log import AppendingCsvLogger, LiveLog
from stylewav_pl.callbacks.progress import ClipProgress
from stylewav_pl.callbacks.writer import ResultsWriter

__all__ = ["AppendingCsvLogger", "ClipProgress", "ClipScore", "LiveLog", "ResultsWriter"]

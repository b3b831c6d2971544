"""The rows of ``results.csv``; see :mod:`stylewav_pl.runs.rows`."""

from stylewav_pl.runs.rows import ResultRow as ResultRow
from stylewav_pl.runs.rows import read_results as read_results

"""Pickles read without running anything they contain.

The result is plain containers, numbers and inert records.
"""

from stylewav_pl.weights.pickles.budget import Budget, RefusedPickleError
from stylewav_pl.weights.pickles.builders import BUILDERS, InertObject
from stylewav_pl.weights.pickles.contract import Builder
from stylewav_pl.weights.pickles.machine import Machine
from stylewav_pl.weights.pickles.numbers import Numbers
from stylewav_pl.weights.pickles.storages import read_legacy_torch, read_torch_records
from stylewav_pl.weights.pickles.values import brief

__all__ = [
    "BUILDERS",
    "Budget",
    "Builder",
    "InertObject",
    "Machine",
    "Numbers",
    "RefusedPickleError",
    "brief",
    "read_legacy_torch",
    "read_torch_records",
]

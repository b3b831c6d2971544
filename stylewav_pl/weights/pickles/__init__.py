"""Pickles read without running anything they contain: the result is plain containers, numbers and inert records."""

from stylewav_pl.weights.pickles.budget import Budget, RefusedPickleError
from stylewav_pl.weights.pickles.builders import BUILDERS, Record
from stylewav_pl.weights.pickles.machine import Builder, Machine, brief
from stylewav_pl.weights.pickles.numbers import Numbers
from stylewav_pl.weights.pickles.storages import read_legacy_torch, read_torch_records

__all__ = [
    "BUILDERS",
    "Budget",
    "Builder",
    "Machine",
    "Numbers",
    "Record",
    "RefusedPickleError",
    "brief",
    "read_legacy_torch",
    "read_torch_records",
]

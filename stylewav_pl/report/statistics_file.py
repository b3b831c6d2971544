"""``statistics.json``: the numbers for machines, with stable keys and finite numbers only.

Layout: ``{"format": 1, "traits": {TRAIT: {"verdict": ..., **fields of Evaluation}}, "retrieval": {...}}``,
and ``"objective": [...]`` where the loss had several terms;
the fields are those of the records in :mod:`stylewav_pl.evaluation.records` and
:class:`~stylewav_pl.evaluation.guide_view.Retrieval`,
:class:`~stylewav_pl.evaluation.objective.TermShare` and (``"diversity"``, where each voice has several faces)
:class:`~stylewav_pl.evaluation.diversity.Diversity`, and what has no answer is ``{"not_computable":
REASON}``.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path

from stylewav_pl.evaluation.diversity import Diversity
from stylewav_pl.evaluation.guide_view import NOT_RECORDED, Retrieval
from stylewav_pl.evaluation.objective import TermShare
from stylewav_pl.evaluation.records import Evaluation
from stylewav_pl.evaluation.statistics import NotComputable
from stylewav_pl.files import write_text
from stylewav_pl.report.verdict import verdict, where_lost
from stylewav_pl.runs.finished import STATISTICS, FinishedRun


def as_json(value: object) -> object:
    """Turns a record into what JSON can say.

    Raises:
        ValueError: If a number is not finite: such a thing must never look like a result.

    >>> as_json(NotComputable("a population is empty"))
    {'not_computable': 'a population is empty'}
    """
    if isinstance(value, NotComputable):
        return {"not_computable": value.reason}
    if is_dataclass(value):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(key): as_json(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(
            f"Expected a finite number for {STATISTICS}, found {value}. State NotComputable with a reason "
            "instead."
        )
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"Expected a record, a mapping, a list or a plain value for {STATISTICS}, found "
        f"{type(value).__name__}."
    )


def write_statistics(
    run: FinishedRun,
    evaluations: Sequence[Evaluation],
    retrieval: Retrieval | NotComputable = NOT_RECORDED,
    terms: Sequence[TermShare] = (),
    diversity: Diversity | None = None,
) -> Path:
    """Writes ``statistics.json``, whole or not at all, and returns its path."""
    traits = {
        evaluation.trait: {
            "verdict": verdict(evaluation),
            "where_lost": where_lost(evaluation),
            **_fields(evaluation),
        }
        for evaluation in evaluations
    }
    content: dict[str, object] = {"format": 1, "traits": traits, "retrieval": as_json(retrieval)}
    if terms:
        content["objective"] = as_json(list(terms))
    if diversity is not None:
        content["diversity"] = as_json(diversity)
    path = run.path / STATISTICS
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")  # ASCII, whatever the labels hold
    return path


def _fields(record: object) -> dict[str, object]:
    assert is_dataclass(record)
    return {field.name: as_json(getattr(record, field.name)) for field in fields(record)}

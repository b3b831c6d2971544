"""The ``config.yaml`` that a run has written, given as configuration: the run is made again, or goes on.

Beside its settings it records what cannot be set: the hashes of the networks (``weights``) and the clips that
were drawn (``samples``). These are compared with what this start finds.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from stylewav_pl.commands.configuration import SECTIONS, Document
from stylewav_pl.runs.identity import differences

RECORDED = ("weights", "samples")
# Where and how the run was made: given anew, or not at all. Its directory is where the file lies.
OF_ONE_START = ("run", "restart", "results", "engine", "workers")


def is_own(value: Any) -> bool:
    """Tells whether a configuration is one that a run has written."""
    return isinstance(value, dict) and {*SECTIONS, *RECORDED} <= value.keys()


def settings_in(value: Any) -> Any:
    """Returns what a parser may see of a configuration: of a run's own one only what sets something.

    >>> own = {**dict.fromkeys(SECTIONS, {}), "weights": {}, "samples": {}, "restart": True, "strict": True}
    >>> sorted(settings_in(own).keys() - set(SECTIONS))
    ['strict']
    """
    if not is_own(value):
        return value
    return {name: one for name, one in value.items() if name not in (*RECORDED, *OF_ONE_START)}


def remarks(documents: Iterable[Document], identity: Mapping[str, Any]) -> list[str]:
    """Returns what a person should know where a run's own configuration meets other networks or clips.

    Args:
        documents: The configurations of this start.
        identity: What this start has found.
    """
    now = _recorded(identity)
    told = []
    for document in documents:
        if is_own(document.value) and (changed := differences(_recorded(document.value), now)):
            listed = "\n".join(f"  {line}" for line in changed)
            told.append(f"This is no repetition of the run of {document.path}, which had others:\n{listed}")
    return told


def _recorded(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[name] for name in RECORDED}

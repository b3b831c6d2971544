"""Whether two starts mean the same run: everything that can change a result is compared, nothing else."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# What may differ between two starts of one run: where it computes, how it talks, and which clips it is given.
FREE = frozenset(
    {
        "config",
        "run",
        "restart",
        "strict",
        "max_skipped_fraction",
        "threads",  # the manifest keeps the first number, and another one is refused
        "patience",
        "engine",
        "workers",
        "results",
        "writer.workers",
        "writer.queue",
        "progress",
        "dashboard",
        "trainer.accelerator",
        "trainer.devices",
        "trainer.num_nodes",
        "trainer.strategy",
        "trainer.logger",
        "trainer.callbacks",
        "trainer.default_root_dir",
        "trainer.enable_progress_bar",
        "trainer.enable_model_summary",
        "trainer.log_every_n_steps",
        "trainer.profiler",
        "data.num_workers",
    }
)


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings and lists as one mapping from dotted names to leaves.

    >>> flatten({"a": {"b": 1}, "c": [2]})
    {'a.b': 1, 'c.0': 2}
    """
    if isinstance(value, Mapping):
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        items = [(str(index), item) for index, item in enumerate(value)]
    else:
        return {prefix: value}
    return {
        name: leaf
        for key, item in items
        for name, leaf in flatten(item, f"{prefix}.{key}" if prefix else key).items()
    }


def is_free(name: str) -> bool:
    """Tells whether the setting may differ between two starts of one run.

    >>> is_free("trainer.devices"), is_free("data.sources.0.init_args.paths.3"), is_free("model.num_steps")
    (True, True, False)
    """
    # which files, and where a release was unpacked: data, not configuration (a sample that was drawn is
    # compared by its ids)
    files = any(f".init_args.{option}." in f"{name}." for option in ("paths", "known"))
    data = name.startswith("data.sources.") and (files or name.endswith(".init_args.root"))
    return data or any(name == free or name.startswith(f"{free}.") for free in FREE)


def digest_of_identity(config: Mapping[str, Any]) -> str:
    """SHA-256 over every setting that makes a run another one."""
    settings = {name: value for name, value in flatten(config).items() if not is_free(name)}
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode("ascii")).hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """One line for each setting that makes ``new`` another run than ``old``.

    >>> differences({"model": {"num_steps": 10}}, {"model": {"num_steps": 40}})
    ['model.num_steps: 10 -> 40']
    """
    before, after = flatten(old), flatten(new)
    names = sorted(name for name in before.keys() | after.keys() if not is_free(name))
    absent = "(absent)"
    return [
        _difference(name, f"{before.get(name, absent)!r} -> {after.get(name, absent)!r}").replace(
            f"'{absent}'", absent
        )
        for name in names
        if before.get(name, absent) != after.get(name, absent)
    ]


def _difference(name: str, change: str) -> str:
    if name.startswith("samples."):
        why = "the settings, a table or the files on disk have changed"
        return f"{name}: {change}: other clips are drawn, since {why}"
    return f"{name}: {change}"

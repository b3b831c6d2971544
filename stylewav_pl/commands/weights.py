"""``weights``: what networks there are, whether their files are whole, and what is in a file."""

import argparse
import json
from pathlib import Path

from stylewav_pl.types import WeightsError
from stylewav_pl.weights.registry import ENTRIES
from stylewav_pl.weights.store import describe, read_weights, sha256_of


def run(command: str, options: list[str]) -> int:
    """Runs ``list``, ``verify`` or ``inspect``."""
    parser = argparse.ArgumentParser(prog="stylewav-pl weights", description="Lists, verifies and inspects network weights.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="every name that a configuration may use")
    actions.add_parser("verify", help="read every packaged file completely and print its SHA-256")
    actions.add_parser("inspect", help="what a weight file holds").add_argument("file", type=Path, metavar="FILE")
    asked = parser.parse_args(options)
    if asked.action == "inspect":
        inspect_file(asked.file)
    else:
        list_entries(verify=asked.action == "verify")
    return 0


def list_entries(verify: bool) -> None:
    """Prints the registry, one line per entry; ``verify`` also reads each file."""
    for entry in ENTRIES:
        path = entry.locate()
        print(f"{entry.name:<10}{entry.kind:<12}{path.stat().st_size / 1e6:6.2f} MB  {entry.licence:<6}{entry.summary}")
        if verify:
            tensors = read_weights(path, entry.kind).tensors
            broken = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
            if broken:
                raise WeightsError(f"{path} holds numbers that are not finite in {', '.join(broken)}. Install stylewav-pl again.")
            print(f"          whole, {len(tensors)} tensors, SHA-256 {sha256_of(path)}")


def inspect_file(path: Path) -> None:
    """Prints kind, architecture, configuration and tensors of a file of this project's format."""
    kind = describe(path).get("kind", "")
    file = read_weights(path, kind)
    parameters = sum(tensor.numel() for tensor in file.tensors.values())
    print(f"{path}\nkind          {file.kind}\narchitecture  {file.architecture}\nnumbers       {parameters:,} in {len(file.tensors)} tensors")
    print(f"SHA-256       {sha256_of(path)}\nconfiguration {json.dumps(dict(file.config), ensure_ascii=False)}")
    for name, tensor in file.tensors.items():
        print(f"  {name:<48}{tuple(tensor.shape)}")

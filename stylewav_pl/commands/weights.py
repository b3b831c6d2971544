"""``weights``: what networks there are, and fetching them.

Also whether their files are whole, and what is in a file.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from stylewav_pl.commands.options import Options
from stylewav_pl.errors import WeightsError
from stylewav_pl.weights import cache, licences
from stylewav_pl.weights.digest import sha256_of
from stylewav_pl.weights.entry import Entry
from stylewav_pl.weights.open_clip_name import parse_open_clip
from stylewav_pl.weights.registry import ENTRIES, entries_named, resolve
from stylewav_pl.weights.remote import RemoteWeights
from stylewav_pl.weights.wheel import WheelWeights


def parser() -> argparse.ArgumentParser:
    """The actions and their options."""
    options = Options(
        prog="stylewav-pl weights",
        description="Lists, fetches, verifies, inspects and converts network weights.",
    )
    actions = options.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser(
        "list", help="every name that a configuration may use; size, licence, whether it is in the cache"
    )
    listing.add_argument("--json", action="store_true", help="all that is known of them, for programs")
    fetching = actions.add_parser(
        "fetch", help="fetch weights into the cache, where runs find them, also offline"
    )
    fetching.add_argument("names", nargs="+", metavar="NAME")
    fetching.add_argument(
        "--accept-licence",
        action="append",
        default=[],
        metavar="LICENCE",
        help="accept a licence that limits the use, once for all its weights",
    )
    verifying = actions.add_parser(
        "verify", help="check the hash of what is in the cache, and read packaged files completely"
    )
    verifying.add_argument("names", nargs="*", metavar="NAME", help="default: all that are there")
    actions.add_parser("inspect", help="what a weight file of any known format holds").add_argument(
        "file", type=Path, metavar="FILE"
    )
    converting = actions.add_parser(
        "convert", help="write a generator of any known format as safetensors of this project"
    )
    converting.add_argument("source", metavar="SOURCE", help="weight file or name")
    converting.add_argument("target", type=Path, metavar="TARGET", help="file to write")
    return options


def run(command: str, options: list[str]) -> int:
    """Runs one of the actions."""
    asked = parser().parse_args(options)
    if asked.action == "list":
        list_entries(as_json=asked.json)
    elif asked.action == "fetch":
        fetch(asked.names, asked.accept_licence)
    elif asked.action == "verify":
        verify(asked.names)
    else:
        from stylewav_pl.commands import weight_files  # loads torch

        if asked.action == "inspect":
            weight_files.inspect_file(asked.file.expanduser())
        else:
            weight_files.convert_file(asked.source, asked.target.expanduser())
    return 0


def list_entries(as_json: bool) -> None:
    """Prints the registry: one line per entry, or JSON with everything."""
    facts = [facts_of(entry) for entry in ENTRIES]
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    columns = ("name", "kind", "size", "licence", "from", "state", "summary")
    rows = [
        columns,
        *(
            [megabytes(fact["size"]) if column == "size" else fact[column] for column in columns]
            for fact in facts
        ),
    ]
    widths = [max(len(row[index]) for row in rows) for index in range(len(columns))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    needed = sorted({fact["licence"] for fact in facts if not fact["licence_accepted"]})
    print("\nguides, besides: open_clip:MODEL/TAG, any CLIP model of the open_clip library")
    print(f"cache: {cache.cache_directory()} (choose another with {cache.DIRECTORY})")
    if needed:
        print(
            f"To be accepted before fetching (--accept-licence NAME, or {licences.ACCEPT}=NAME): "
            f"{', '.join(needed)}"
        )


def facts_of(entry: Entry) -> dict[str, Any]:
    """What a listing says about an entry; nothing is fetched or read."""
    facts: dict[str, Any] = {
        "name": entry.name,
        "kind": entry.kind,
        "summary": entry.summary,
        "licence": entry.licence,
        "licence_accepted": licences.is_accepted(entry.licence),
    }
    if isinstance(entry, WheelWeights):
        return facts | facts_of_wheel(entry)
    if not isinstance(entry, RemoteWeights):
        path = entry.locate()
        return facts | {
            "from": "package",
            "urls": [],
            "path": str(path),
            "size": path.stat().st_size,
            "state": "packaged",
            "sha256": "",
        }
    cached = entry.path.is_file()
    facts |= {"from": entry.host, "urls": list(entry.urls), "path": str(entry.path), "sha256": entry.expected}
    facts["size"] = entry.path.stat().st_size if cached else entry.size
    facts["state"] = "-" if not cached else "verified" if entry.is_verified else "not verified"
    return facts


def facts_of_wheel(entry: WheelWeights) -> dict[str, Any]:
    """What a listing says about weights inside another project's wheel."""
    path = entry.path
    return {
        "from": f"wheel of {entry.package}",
        "urls": [],
        "path": str(path or ""),
        "size": path.stat().st_size if path else None,
        "state": "installed" if path else entry.install,
        "sha256": entry.sha256,
    }


def megabytes(size: int | None) -> str:
    """A size for people.

    >>> megabytes(381_624_121), megabytes(2_400_000), megabytes(None)
    ('382 MB', '2.4 MB', '?')
    """
    if size is None:
        return "?"
    return f"{size / 1e6:.0f} MB" if size >= 10e6 else f"{size / 1e6:.1f} MB"


def fetch(names: list[str], accepted: list[str]) -> None:
    """Fetches weights that are not there yet, and prints where they are.

    Any CLIP model of ``open_clip`` has a name, too.
    """
    registered = {entry.name for entry in ENTRIES}
    models = [name for name in names if name not in registered and parse_open_clip(name)]
    entries = [entry for name in names if name not in models for entry in entries_named([name])]
    licences.accept(accepted)
    for path in (*(entry.locate() for entry in entries), *(resolve(model, "image_text") for model in models)):
        print(path)


def verify(names: list[str]) -> None:
    """Checks files against their hashes and prints these; packaged files are also read completely."""
    for entry in entries_named(names):
        if isinstance(entry, RemoteWeights):
            if names or entry.path.is_file():
                print(f"{entry.name}: whole, SHA-256 {sha256_of(entry.verify())}")
        elif isinstance(entry, WheelWeights):
            if names or entry.path is not None:
                print(f"{entry.name}: whole, SHA-256 {sha256_of(entry.locate())}")
        else:
            read_completely(entry)


def read_completely(entry: Entry) -> None:
    """Reads a file of this project's format and prints its hash.

    Raises:
        WeightsError: It is damaged, or holds numbers that are not finite.
    """
    from stylewav_pl.weights.store import read_weights  # loads torch

    path = entry.locate()
    tensors = read_weights(path, entry.kind).tensors
    broken = [
        name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()
    ]
    if broken:
        raise WeightsError(
            f"{path} holds numbers that are not finite in {', '.join(broken)}. Install stylewav-pl again."
        )
    print(f"{entry.name} ({entry.kind}): whole, {len(tensors)} tensors, SHA-256 {sha256_of(path)}")

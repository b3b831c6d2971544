"""Where the images and latents of a run lie."""

from collections.abc import Callable
from pathlib import Path

from stylewav_pl.runs.stores.base import IMAGE, LATENT, RECORD, STRIP, Member, Output, Store
from stylewav_pl.runs.stores.files import FileStore
from stylewav_pl.runs.stores.shards import ShardStore

__all__ = [
    "IMAGE",
    "LATENT",
    "RECORD",
    "STRIP",
    "FileStore",
    "Member",
    "Output",
    "ShardStore",
    "Store",
    "open_store",
]


def open_store(run: Path, output: Output, cohort_of: Callable[[str], int]) -> Store:
    """The store that ``output`` asks for."""
    return (ShardStore if output.store == "shards" else FileStore)(run, output, cohort_of)

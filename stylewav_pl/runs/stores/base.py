"""The contract of every store, and what is put into one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from stylewav_pl.runs.digests import CohortFiles, Digest

Kind: TypeAlias = Literal["images", "latents", "strips", "records"]
IMAGE: Kind = "images"
LATENT: Kind = "latents"
STRIP: Kind = "strips"
RECORD: Kind = "records"


@dataclass(frozen=True)
class Output:
    """What a run writes for each clip; part of its identity.

    Attributes:
        store: ``files``: one file each; ``shards``: one tar for each cohort, which webdataset reads.
        image: Format of the image; ``none`` where only the latent is wanted.
    """

    store: Literal["files", "shards"] = "files"
    image: Literal["png", "jpeg", "webp", "none"] = "png"

    def suffix(self, kind: Kind) -> str:
        """The suffix of a member's name, with its dot."""
        return {IMAGE: f".{self.image}", LATENT: ".safetensors", STRIP: ".png", RECORD: ".json"}[kind]


@dataclass(frozen=True)
class Member:
    """One thing that is kept about one clip."""

    id: str
    kind: Kind
    data: bytes


class Store(ABC):
    """Keeps members, each whole or not at all.

    Args:
        run: The run directory.
        output: What the run writes.
        cohort_of: The cohort of a clip.
    """

    def __init__(self, run: Path, output: Output, cohort_of: Callable[[str], int]) -> None:
        self.run = run
        self.output = output
        self.cohort_of = cohort_of

    @abstractmethod
    def write(self, cohort: int, members: Sequence[Member], pool: Executor) -> CohortFiles:
        """Writes everything about a cohort; on return it is on disk and will be there after any crash.

        Args:
            cohort: Index in the plan.
            members: In slot order.
            pool: Threads that may help.

        Returns:
            What was written, hashed on its way.
        """

    @abstractmethod
    def read(self, id: str, kind: Kind) -> bytes:
        """Tells what is kept about a clip.

        Raises:
            FileNotFoundError: Nothing of this kind is.
            RunDirectoryError: What it lies in cannot be read at all.
        """

    @abstractmethod
    def place(self, id: str, kind: Kind) -> str:
        """Tells where it lies in the run directory.

        Inside a shard, with the member's name behind that of the shard.
        """

    @abstractmethod
    def digest(self, files: CohortFiles, id: str, kind: Kind) -> Digest | None:
        """Tells what was recorded about it when it was written; None where nothing was."""

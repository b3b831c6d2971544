"""Weights inside the wheel of another project.

They are read where pip has put them, without importing anything of that project.
"""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from stylewav_pl.errors import WeightsError
from stylewav_pl.weights.digest import sha256_of
from stylewav_pl.weights.entry import Entry


@dataclass(frozen=True)
class WheelWeights(Entry):
    """A file of an installed distribution.

    Attributes:
        package: The distribution, as pip calls it.
        file: The file's place in it.
        sha256: The only content that is accepted.
        install: The command that brings it.
    """

    package: str
    file: str
    sha256: str
    install: str

    @property
    def path(self) -> Path | None:
        """Tells where the file lies; ``None`` where the distribution is not installed or lacks it."""
        try:
            path = Path(str(distribution(self.package).locate_file(self.file)))
        except PackageNotFoundError:
            return None
        return path if path.is_file() else None

    def locate(self) -> Path:
        """See :meth:`Entry.locate`; the hash is compared each time."""
        path = self.path
        if path is None:
            raise WeightsError(
                f"The weights {self.name!r} are missing: they lie in the Python package {self.package}, "
                f"which is not installed. Get it with: {self.install}"
            )
        found = sha256_of(path)
        if found != self.sha256:
            raise WeightsError(
                f"{path} is another file than expected: SHA-256 {found} instead of {self.sha256}. Get the "
                f"right one with: {self.install} --force-reinstall"
            )
        return path

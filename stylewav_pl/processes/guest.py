"""A process that an engine has started and watches: it follows the one that claimed the run."""

from pathlib import Path
from typing import final

from stylewav_pl.processes.participant import Participant
from stylewav_pl.processes.status import COORDINATOR, read_status


@final
class Guest(Participant):
    """Ends with the job of the coordinator that invited it, and says nothing about itself.

    Args:
        run: The run directory.
        rank: This process.
        world_size: How many there may be.
        token: Of the coordinator.
    """

    _path = property(lambda self: self.folder)  # nothing is published

    def __init__(self, run: Path, rank: int, world_size: int, token: str) -> None:
        super().__init__(run, rank, world_size)
        self._coordinator_token = token

    def join(self) -> "Guest":
        """Begins to follow; another coordinator, or the failure of this one, ends the process."""
        self.poll()
        self.check()
        self._thread.start()
        return self

    def _read_others(self) -> None:
        if coordinator := read_status(self.folder / COORDINATOR):
            self._heed(coordinator)

    def _publish(self) -> None:
        """Leaves that to the engine."""

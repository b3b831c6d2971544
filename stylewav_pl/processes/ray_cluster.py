"""The connection to a cluster of Ray, which is an extra of the package and imported when it is asked for."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, final

from stylewav_pl.errors import ConfigError, one_line


@final
class Cluster:
    """A connection to the Ray cluster that is there, or to one of this machine alone that ends with it.

    Ray finds a cluster by ``RAY_ADDRESS``, or where ``ray start`` was called on this machine.
    """

    def __init__(self) -> None:
        """Does not connect yet.

        Raises:
            ConfigError: Ray is not installed.
        """
        if find_spec("ray") is None:
            raise ConfigError(
                "--engine ray needs Ray, which is not installed. Install it: pip install 'stylewav-pl[ray]'"
            )
        self._ends_here = False
        self.gpus = self.cores = 0

    def connect(self) -> None:
        """Connects, and looks what there is.

        Raises:
            ConfigError: The cluster does not answer.
        """
        import ray

        self._ends_here = not ray.is_initialized()
        if self._ends_here:
            with _own_signals():
                _connect(ray)
        resources: Mapping[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self.gpus, self.cores = (int(resources.get(name, 0)) for name in ("GPU", "CPU"))

    def close(self) -> None:
        """Disconnects; a program that was connected before stays so."""
        import ray

        if self._ends_here:
            ray.shutdown()


def _connect(ray: Any) -> None:
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody unasked
        os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")  # Python's own print stays what it is
        ray.init(log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"The Ray cluster cannot be used: {one_line(error)}. Correct RAY_ADDRESS, or unset it for a "
            "cluster of this machine alone."
        ) from error


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keeps this program's handler of SIGTERM, which Ray would replace."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)

"""Rules for every test: no network, few threads, nothing from or into the caches of the person who runs them.

Must not import stylewav_pl: jaxtyping's import hook, which checks shapes under test, is installed after this file is read.
"""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Read when the libraries are imported, and inherited by the processes that tests start; so set before anything else.
_CACHE = Path(tempfile.gettempdir()) / f"stylewav-pl-tests-{os.getuid()}"
os.environ.update(
    STYLEWAV_CACHE=str(_CACHE / "stylewav-pl"),
    STYLEWAV_ACCEPT_LICENCE="",
    STYLEWAV_OFFLINE="",
    HF_HUB_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    HF_HOME=str(_CACHE / "huggingface"),
    TORCH_HOME=str(_CACHE / "torch"),
    WANDB_MODE="offline",
    WANDB_SILENT="true",
    MPLBACKEND="Agg",
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    # Nothing listens there: a process that a test starts cannot reach the network through the usual clients either.
    HTTP_PROXY="http://127.0.0.1:9",
    HTTPS_PROXY="http://127.0.0.1:9",
    http_proxy="http://127.0.0.1:9",
    https_proxy="http://127.0.0.1:9",
    NO_PROXY="localhost,127.0.0.1,::1",
    no_proxy="localhost,127.0.0.1,::1",
)

import pytest  # noqa: E402
import torch  # noqa: E402

# Tensors in tests are small: more threads cost more than they bring, and one thread gives the same bytes everywhere.
torch.set_num_threads(1)

REPOSITORY = Path(__file__).resolve().parent.parent
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "", None)


class NetworkBlockedError(RuntimeError):
    """A test tried to reach the network."""


def _refuse_unless_local(host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name not in LOOPBACK and name != socket.gethostname() and not str(name).startswith("127."):
        raise NetworkBlockedError(f"Tests run without a network, but something asked for {name!r}. Use a file in tmp_path or a server on localhost.")


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Blocks look-ups and connections that leave this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded_connection(getattr(socket.socket, name)))
        patch.setattr(socket, "getaddrinfo", _guarded_lookup(socket.getaddrinfo))
        yield


def _guarded_connection(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse_unless_local(address[0])
        return connect(self, address)

    return guarded


def _guarded_lookup(look_up: Any) -> Any:
    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_unless_local(host)
        return look_up(host, *args, **kwargs)

    return guarded


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a GPU where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top directory of the repository."""
    return REPOSITORY

"""The names that a pickle of weights may use, and the harmless values they become.

Everything else is refused.

``torch_utils.persistence._reconstruct_persistent_obj`` is how NVIDIA's PyTorch networks are stored: a
dictionary with the source code of a class and the state of the object. The state is kept, the source is
dropped unread.
"""

from collections.abc import Callable, Mapping
from typing import Any

from stylewav_pl.weights.pickles import numbers
from stylewav_pl.weights.pickles.budget import RefusedPickleError
from stylewav_pl.weights.pickles.contract import Builder, Stateful
from stylewav_pl.weights.pickles.storages import STORAGES, read_storage
from stylewav_pl.weights.pickles.values import brief, checked_keys


class InertObject(Stateful):
    """An object reduced to its data: the name of its class and its attributes."""

    def __init__(self, kind: str, state: Mapping[str, Any] | None = None) -> None:
        self.kind = kind
        self.state = state or {}

    def set_state(self, state: Any) -> None:
        """The attributes by name."""
        if not isinstance(state, dict):
            raise ValueError(f"a {self.kind} without attributes")
        self.state = state


def _persistent_object(meta: Any) -> InertObject:
    if not isinstance(meta, dict) or meta.get("type") != "class" or not isinstance(meta.get("state"), dict):
        raise ValueError("a persistent object of unknown form")
    name = meta.get("class_name")
    if not isinstance(name, str):
        raise ValueError(f"a persistent object of a class called {brief(name)}")
    return InertObject(name, meta["state"])


def _dictionary(pairs: Any = ()) -> dict[Any, Any]:
    pairs = _items(pairs)
    keys = checked_keys([key for key, _ in pairs])
    return dict(zip(keys, (value for _, value in pairs), strict=True))


def _set(values: Any = ()) -> set[Any]:
    return set(checked_keys(_items(values)))


def _items(values: Any) -> list[Any]:
    """Tells what a container is made of; of a text, each character would become a value."""
    if not isinstance(values, list | tuple):
        raise RefusedPickleError(f"a container made of a {type(values).__name__}")
    return list(values)


def _encoded(text: Any, encoding: Any) -> bytes:
    """Bytes as protocol 2 writes them: as text."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise RefusedPickleError(f"a text in encoding {brief(encoding)}")
    return text.encode("latin1")


def _record(kind: str) -> Callable[[], InertObject]:
    return lambda: InertObject(kind)


_BUILD: Mapping[str, Callable[..., object] | None] = {
    "collections.OrderedDict": _dictionary,
    "dnnlib.util.EasyDict": _dictionary,
    "builtins.set": _set,
    "builtins.frozenset": _set,
    "_codecs.encode": _encoded,
    "argparse.Namespace": _record("Namespace"),
    "dnnlib.tflib.network.Network": _record("Network"),
    "torch_utils.persistence._reconstruct_persistent_obj": _persistent_object,
    "numpy.ndarray": None,
    "numpy.dtype": numbers.NumberType,
    "numpy.core.multiarray._reconstruct": numbers.reconstructed,
    "numpy.core.multiarray.scalar": numbers.scalar,
    "numpy.core.numeric._frombuffer": numbers.array_from_buffer,
    "torch._utils._rebuild_tensor_v2": numbers.tensor,
    "torch._utils._rebuild_parameter": numbers.parameter,
    "torch.nn.parameter.Parameter": numbers.parameter,
    "torch.storage._load_from_bytes": read_storage,
    "torch.Size": numbers.sizes,
}

_TAKE_BUDGET = (numbers.tensor, read_storage)

BUILDERS: Mapping[str, Builder] = {
    name: Builder(name, build, takes_budget=build in _TAKE_BUDGET) for name, build in _BUILD.items()
} | dict(STORAGES)

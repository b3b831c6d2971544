"""A stack machine for pickles that can do nothing but put values together.

Python's own unpickler looks up and calls whatever a file names. This one walks the opcodes as ``pickletools``
parses them, and a name becomes one of the few builders of a table, or an error. It never imports, never calls
what a file describes, and does not recurse, so nesting costs no stack. Whatever it makes is first taken from
the file's :class:`Budget`, so that nothing that a file repeats (a text in the memo, a set made of it) grows
beyond its size. The opcodes are documented in Python's ``pickletools``.
"""

import pickletools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stylewav_pl.weights.pickles.budget import Budget, RefusedPickleError
from stylewav_pl.weights.pickles.contract import Builder, Stateful, Stream
from stylewav_pl.weights.pickles.values import ITEM_BYTES, canonical, checked_keys, size_of, typed

PUSHED = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
    | {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)
CONSTANTS: Mapping[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
CONTAINERS: Mapping[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
STEP_BYTES = 64
"""What an instruction may leave behind besides its value: a place on the stack and one in a container."""

MEMO_BYTES = 128
"""What a place in the memo takes."""

OBJECT_BYTES = 1024
"""What a builder may make besides: a record, an array without its numbers."""


class Machine:
    """Runs one pickle.

    Args:
        builders: Allowed names.
        budget: What the file may still ask for.
        load_persistent: Turns a persistent id into a value; ``None`` where a file must not use them.
    """

    def __init__(
        self,
        builders: Mapping[str, Builder],
        budget: Budget,
        load_persistent: Callable[[Any], object] | None = None,
    ) -> None:
        self.builders = builders
        self.budget = budget
        self.load_persistent = load_persistent
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self, stream: Stream) -> Any:
        """The value of the pickle that starts at the stream's position; leaves the stream behind its end.

        Raises:
            RefusedPickleError: It asks for something that is not allowed, or for too much.
            ValueError: It is damaged. Other exceptions of damaged data: IndexError, KeyError, TypeError,
                AttributeError.
        """
        # it needs no more than a Stream
        for opcode, argument, _ in pickletools.genops(stream):  # type: ignore[arg-type]
            self.budget.step()
            self.budget.spend(STEP_BYTES + sys.getsizeof(argument))
            if opcode.name == "STOP":
                return self.stack.pop()
            self._step(opcode.name, argument)
        raise ValueError("it has no end")

    def _step(self, opcode: str, argument: Any) -> None:
        if opcode in PUSHED:
            self.stack.append(argument)
        elif opcode in CONSTANTS:
            self.stack.append(CONSTANTS[opcode])
        elif opcode in CONTAINERS:
            self._keep(CONTAINERS[opcode]())
        elif opcode in SHORT_TUPLES:
            values = self._last(SHORT_TUPLES[opcode])
            del self.stack[-len(values) :]
            self._keep(tuple(values))
        elif handler := getattr(self, f"_{opcode.lower()}", None):
            handler() if argument is None else handler(argument)
        elif opcode not in ("PROTO", "FRAME"):
            raise RefusedPickleError(
                f"the pickle instruction {opcode}" + ("" if argument is None else f" ({argument})")
            )

    def _keep(self, value: Any) -> None:
        """Pushes a container that an instruction has just made of values that were there."""
        self.budget.spend(sys.getsizeof(value))
        self.stack.append(value)

    def _last(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("its stack is empty too early")
        return self.stack[-count:]

    def _marked(self) -> list[Any]:
        """The values since the last mark, which goes."""
        values, self.stack = self.stack, self.outer.pop()
        return values

    def _mark(self) -> None:
        self.budget.spend(sys.getsizeof([]))
        self.outer.append(self.stack)
        self.stack = []

    def _pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._marked()

    def _pop_mark(self) -> None:
        self._marked()

    def _dup(self) -> None:
        self.stack.append(self.stack[-1])

    def _memoize(self) -> None:
        self._put(len(self.memo))

    def _put(self, index: int) -> None:
        self.budget.spend(MEMO_BYTES)
        self.memo[index] = self.stack[-1]

    _binput = _long_binput = _put

    def _get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    _binget = _long_binget = _get

    def _tuple(self) -> None:
        values = self._marked()
        self._keep(tuple(values))

    def _list(self) -> None:
        values = self._marked()
        self.stack.append(values)

    def _append(self) -> None:
        value = self.stack.pop()
        typed(self.stack[-1], list).append(value)

    def _appends(self) -> None:
        values = self._marked()
        typed(self.stack[-1], list).extend(values)

    def _dict(self) -> None:
        values = self._marked()
        self._keep({})
        self._set_items(values)

    def _setitem(self) -> None:
        values = self._last(2)
        del self.stack[-2:]
        self._set_items(values)

    def _setitems(self) -> None:
        self._set_items(self._marked())

    def _set_items(self, values: list[Any]) -> None:
        typed(self.stack[-1], dict).update(zip(checked_keys(values[::2]), values[1::2], strict=True))

    def _additems(self) -> None:
        values = self._marked()
        typed(self.stack[-1], set).update(checked_keys(values))

    def _frozenset(self) -> None:
        values = self._marked()
        self._keep(frozenset(checked_keys(values)))

    def _global(self, argument: str) -> None:
        self.stack.append(self._find(*argument.split(" ", 1)))

    def _stack_global(self) -> None:
        module, name = self._last(2)
        self.stack[-2:] = [self._find(typed(module, str), typed(name, str))]

    def _inst(self, argument: str) -> None:
        builder = self._find(*argument.split(" ", 1))
        values = self._marked()
        self.stack.append(self._built(builder, values))

    def _obj(self) -> None:
        builder, *values = self._marked()
        self.stack.append(self._built(builder, values))

    def _reduce(self) -> None:
        builder, arguments = self._last(2)
        self.stack[-2:] = [self._built(builder, typed(arguments, tuple))]

    _newobj = _reduce

    def _build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        self._spend_on([state])
        if isinstance(state, tuple):  # the content of an array lies in there
            self._spend_on(state)
        if isinstance(target, Stateful):
            target.set_state(state)
        elif not (
            isinstance(target, dict) and isinstance(state, dict)
        ):  # attributes of a dictionary are no content
            raise RefusedPickleError(f"state for a value of type {type(target).__name__}")

    def _persid(self, identifier: Any) -> None:
        if self.load_persistent is None:
            raise RefusedPickleError("an object outside the file (persistent id)")
        self.budget.spend(OBJECT_BYTES)
        self.stack.append(self.load_persistent(identifier))

    def _binpersid(self) -> None:
        self._persid(self.stack.pop())

    def _built(self, builder: Any, arguments: Sequence[Any]) -> object:
        """Calls the builder, after what it may make of these arguments was taken from the budget."""
        if not isinstance(builder, Builder) or builder.build is None:
            raise RefusedPickleError(
                f"a call of {builder.name if isinstance(builder, Builder) else type(builder).__name__}"
            )
        self._spend_on(arguments)
        return builder.build(*([self.budget] if builder.takes_budget else []), *arguments)

    def _spend_on(self, arguments: Sequence[Any]) -> None:
        self.budget.spend(OBJECT_BYTES + ITEM_BYTES * len(arguments))  # first: there may be many
        self.budget.spend(sum(size_of(argument) for argument in arguments))

    def _find(self, module: str, name: str) -> Builder:
        self.budget.spend(OBJECT_BYTES)
        try:
            return self.builders[canonical(f"{module}.{name}")]
        except KeyError:
            raise RefusedPickleError(f"{module}.{name}") from None

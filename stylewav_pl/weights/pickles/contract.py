"""What the machine for pickles works with: a stream, builders of allowed names, and values with a state."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Stream(Protocol):
    """What a pickle is read from.

    ``read`` must not set memory aside for more bytes than there are (files do, memory maps do not).
    """

    def read(self, size: int, /) -> bytes:
        """The next bytes, fewer at the end."""

    def readline(self) -> bytes:
        """The next line."""

    def tell(self) -> int:
        """The position."""


@dataclass(frozen=True)
class Builder:
    """What an allowed name stands for.

    Attributes:
        name: Module and name, as in the file.
        build: Makes the inert value; ``None`` where the name only appears as an argument. It may look as deep
            as into the items of its arguments; that much is taken from the budget before it is called.
        takes_budget: Whether it makes more than that, and takes it from the budget, its first argument,
            itself.
    """

    name: str
    build: Callable[..., object] | None = None
    takes_budget: bool = False


class Stateful(ABC):
    """A value that gets its content after it was made."""

    @abstractmethod
    def set_state(self, state: Any) -> None:
        """Takes over the state that the file holds.

        Raises:
            ValueError: The state is not of the expected form.
        """

"""What reading one file may cost.

A small file must not ask for much memory or time, however cleverly it repeats itself.
"""

MAX_INSTRUCTIONS = 500_000
"""Of all pickles in one file. A published generator needs up to 100,000; this many take a second or two."""

FLOOR = 32 << 20
"""Bytes that any file may ask for: the layout of a network takes as much in a small file as in a large one.
"""

FACTOR = 8
"""Bytes per byte of the file on top. An honest file needs about three: its bytes as they are pushed, as an
array
and as a tensor; tied weights are shown several times."""


class RefusedPickleError(ValueError):
    """A pickle asks for something that data does not need."""


class Budget:
    """Counts down the bytes and the instructions that one file may ask for.

    All pickles of a file, those inside others included, share one budget.

    Args:
        file_bytes: Size of the file.
    """

    def __init__(self, file_bytes: int) -> None:
        self.file_bytes = file_bytes
        self.bytes_left = FLOOR + FACTOR * file_bytes
        self.instructions_left = MAX_INSTRUCTIONS

    def spend(self, count: int) -> None:
        """Takes ``count`` bytes, before the memory is set aside.

        Raises:
            RefusedPickleError: So many are not left.
        """
        self.bytes_left -= count
        if self.bytes_left < 0:
            allowed = (FLOOR + FACTOR * self.file_bytes) / 1e6
            raise RefusedPickleError(
                f"more than {allowed:,.0f} MB of memory, in a file of {self.file_bytes / 1e6:,.1f} MB"
            )

    def step(self) -> None:
        """Takes one instruction.

        Raises:
            RefusedPickleError: None is left.
        """
        self.instructions_left -= 1
        if self.instructions_left < 0:
            raise RefusedPickleError(f"more than {MAX_INSTRUCTIONS:,} instructions")

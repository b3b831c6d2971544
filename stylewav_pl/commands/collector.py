"""When Python looks for garbage: seldom while the program is being loaded.

Nothing that an import makes becomes garbage, and Python would look through all of it a thousand times: a
quarter of the time that a start takes.
"""

import gc

SELDOM = (50_000, 20, 100)  # allocations, then collections of the generation below
_usual: list[tuple[int, int, int]] = []


def collect_seldom() -> None:
    """Begins to look for garbage seldom; for a process that is a command line, not for a library's caller."""
    if not _usual:
        _usual.append(gc.get_threshold())
        gc.set_threshold(*SELDOM)


def collect_as_usual() -> None:
    """Ends it, and leaves alone for good what has been loaded by now; does nothing where it never began."""
    if _usual:
        gc.set_threshold(*_usual.pop())
        gc.freeze()

"""What is no longer as it was written, and the note about it that the next start of the run heeds."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.files import append_durably, write_whole

NOTE = "damaged"  # beside the journals: one cohort in a line
_MOST_NAMED = 20
MAKE_IT_AGAIN = "The same `fit` command makes it again."
MAKE_THEM_AGAIN = "The same `fit` command makes them again."


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing of a run that is damaged or missing.

    Attributes:
        path: In the run directory; inside a shard with the name of the member behind it.
        what: How it differs from what was written, as the rest of a sentence.
        cohort: Which cohort has to be made again; None where it is no part of one.
        remedy: What the user does about it.
    """

    path: str
    what: str
    cohort: int | None = None
    remedy: str = MAKE_IT_AGAIN

    def __str__(self) -> str:
        """One line for the terminal."""
        return f"{self.path} {self.what}"


class DamageError(RunDirectoryError):
    """Something in a run directory is not what was written.

    Attributes:
        damages: What.
    """

    def __init__(self, run: Path, damages: Sequence[Damage]) -> None:
        self.damages = tuple(damages)
        remedies = " ".join(dict.fromkeys(damage.remedy for damage in damages))
        if len(damages) == 1:
            super().__init__(f"{run / damages[0].path} {damages[0].what}. {remedies}")
        else:
            super().__init__(
                f"{len(damages)} files of {run} are damaged or missing:\n{listed(damages)}\n"
                + remedies.replace(MAKE_IT_AGAIN, MAKE_THEM_AGAIN)
            )


def listed(damages: Sequence[Damage]) -> str:
    """One line for each, of many the first."""
    lines = [f"  {damage}" for damage in damages[:_MOST_NAMED]]
    rest = len(damages) - _MOST_NAMED
    return "\n".join([*lines, f"  and {rest} more"] if rest > 0 else lines)


def note(journals: Path, cohorts: Iterable[int]) -> bool:
    """Notes cohorts for the next start, which looks at every byte of them.

    Returns whether that was possible.
    """
    lines = b"".join(b"%d\n" % cohort for cohort in sorted(set(cohorts) - noted(journals)))
    try:
        if lines:
            append_durably(journals / NOTE, lines)
    except OSError:  # a run that may only be read
        return False
    return True


def noted(journals: Path) -> frozenset[int]:
    """The cohorts that were noted; what is no number is nobody's note."""
    try:
        return frozenset(
            int(line) for line in re.findall(rb"^\d{1,9}$", (journals / NOTE).read_bytes(), re.MULTILINE)
        )
    except OSError:
        return frozenset()


def keep_notes(journals: Path, cohorts: Iterable[int]) -> None:
    """Leaves only the notes about these cohorts, at once.

    What the others are about is whole, or will be made again.
    """
    kept = b"".join(b"%d\n" % cohort for cohort in sorted(set(cohorts)))
    if kept:
        write_whole(journals / NOTE, lambda file: file.write(kept))
    else:
        (journals / NOTE).unlink(missing_ok=True)

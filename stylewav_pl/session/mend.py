"""What a start does about damage that it finds in the run.

What can be made again is taken back, the rest is named.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from stylewav_pl.data import ClipDataModule
from stylewav_pl.data.sound import recording_of
from stylewav_pl.runs.damage import Damage, DamageError, keep_notes, listed, noted
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.journal import Journals
from stylewav_pl.runs.plan import Plan
from stylewav_pl.runs.verification import Checked, check_cohorts
from stylewav_pl.session.finalize import counted
from stylewav_pl.types import Recording

MOST_NAMED = 5


def mend(run: FinishedRun, plan: Plan, data: ClipDataModule, say: Callable[[str], None]) -> list[Damage]:
    """Looks at what earlier starts have finished, and takes back the cohorts that are damaged.

    They are made again.

    Sizes of all files are compared, and every byte of the cohorts that were noted as damaged.

    Args:
        run: Claimed by this process; nobody else works in it.
        plan: Of the run.
        data: Lists the clips.
        say: Tells a person.

    Returns:
        What is damaged and cannot be made again.
    """
    journals, journal_path = run.journals, run.directory.journal_path
    checked = check_cohorts(run, thorough=noted(journal_path))
    for line in findings(checked, journals, plan):
        say(line)
    lost = {cohort: why for cohort in cohorts_of(checked.damages) if (why := why_lost(run, cohort, data))}
    again = set(cohorts_of(checked.damages)) - lost.keys()
    if again or journals.broken:
        journals.forget(again)
    keep_notes(journal_path, lost)
    if again:
        run.directory.write_manifest({"settled": {}})  # tables and report are made again, too
        say(f"{counted(len(again), 'cohort')} {'is' if len(again) == 1 else 'are'} made again.")
    return [
        replace(damage, remedy=lost[damage.cohort]) for damage in checked.damages if damage.cohort in lost
    ]


def findings(checked: Checked, journals: Journals, plan: Plan) -> Iterable[str]:
    """What a person should know, a sentence each."""
    if checked.damages:
        yield f"Damaged or missing:\n{listed(checked.damages)}"
    if journals.broken and any(cohort.index not in journals for cohort in plan.cohorts):
        names = ", ".join(f"journal/{name} ({count})" for name, count in sorted(journals.broken.items()))
        yield (
            f"Lines that a crash or damage has broken are left out: {names}. What they were about is made "
            "again."
        )
    if checked.changed:
        names = ", ".join(checked.changed[:MOST_NAMED]) + (
            ", ..." if len(checked.changed) > MOST_NAMED else ""
        )
        one = len(checked.changed) == 1
        yield (
            f"{counted(len(checked.changed), 'recording')} {'has' if one else 'have'} changed since "
            f"{'its face was made, which is' if one else 'their faces were made, which are'} kept: {names}. "
            "For faces of the new sounds give the files other names, or begin anew with --restart."
        )


def why_lost(run: FinishedRun, cohort: int, data: ClipDataModule) -> str:
    """Why a cohort would not come out as it was, as a remedy for a person.

    Empty where it can be made again.
    """
    try:
        ids = [clip.id for clip in run.journals[cohort].clips]
    except DamageError:
        return ""  # there is no result that could be lost
    try:
        recordings = run.files(cohort).recordings
    except DamageError:
        recordings = ()
    before = {recording.path: recording for recording in recordings}
    obstacle = next((why for id in ids if (why := _obstacle(id, data, before))), "")
    return obstacle and (
        f"Its cohort ({counted(len(ids), 'clip')}) cannot be made again: {obstacle}. Restore that or the "
        "damaged file, or begin anew with --restart."
    )


def _obstacle(id: str, data: ClipDataModule, before: Mapping[str, Recording]) -> str:
    if not data.lists(id):
        return f"no data source lists {id} any more"
    path = data.file_of(id)
    now = recording_of(path)
    if now is None:
        return "" if path is None else f"{path} is gone"
    return "" if before.get(now.path, now) == now else f"{path} has changed"


def cohorts_of(damages: Iterable[Damage]) -> list[int]:
    """The cohorts with damage, in order."""
    return sorted({damage.cohort for damage in damages if damage.cohort is not None})

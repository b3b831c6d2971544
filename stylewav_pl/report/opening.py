"""What the report opens with: a few faces of each population, their voices, and how each came about."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from stylewav_pl.errors import StyleWavError
from stylewav_pl.evaluation.findings import Findings
from stylewav_pl.evaluation.heard import QUESTIONS, Heard, Questions, heard_in
from stylewav_pl.evaluation.populations import Populations
from stylewav_pl.evaluation.sampling import evenly_spaced
from stylewav_pl.report.clips import ClipEntry
from stylewav_pl.report.media import face_uri, strip_uris
from stylewav_pl.runs.finished import FinishedRun

MOST_FACES = 6
FACE_PIXELS, LARGE_PIXELS = 256, 512


@dataclass(frozen=True)
class OpeningFace:
    """One face at the top of the page.

    Attributes:
        entry: The same clip in the list.
        face: Its image, larger than there.
        frames: What stands below a picture on the way, and the picture; from the start to the final image.
        heard: What the audio encoder heard, as far as the run tells.
    """

    entry: ClipEntry
    face: str
    frames: tuple[tuple[str, str], ...]
    heard: tuple[Heard, ...]


@dataclass(frozen=True)
class OpeningGroup:
    """The faces of one population, or of everybody.

    Attributes:
        label: Of the population; empty for those without one.
        faces: At most :data:`MOST_FACES`.
        total: How many faces the population has.
    """

    label: str
    faces: tuple[OpeningFace, ...]
    total: int


def questions_of(findings: Findings) -> Questions:
    """Returns what can be said about a voice: the run's own prompts, else those that every run is asked."""
    return {one.trait: one.prompts for one in findings.evaluations} or QUESTIONS


def build_opening(
    run: FinishedRun, findings: Findings, populations: Populations, clips: Sequence[ClipEntry]
) -> tuple[OpeningGroup, ...]:
    """Chooses the faces and reads what is shown of them.

    Args:
        run: Has the pictures.
        findings: Tell what was asked.
        populations: All ids by label.
        clips: Those of the list, of which the faces are chosen.
    """
    by_id = {entry.row.clip.id: entry for entry in clips}
    chosen = {
        label: _first_own([by_id[id] for id in ids if id in by_id]) for label, ids in populations.items()
    }
    ids = [entry.row.clip.id for entries in chosen.values() for entry in entries]
    heard = heard_in(run, ids, questions_of(findings))
    pixels = FACE_PIXELS if findings.evaluations else LARGE_PIXELS
    steps = frame_steps(run)
    groups = []
    for label, entries in chosen.items():
        faces = [_face(run, entry, pixels, steps, heard) for entry in entries]
        groups.append(OpeningGroup(label, tuple(face for face in faces if face), len(populations[label])))
    return tuple(group for group in groups if group.faces)


def frame_steps(run: FinishedRun) -> tuple[int, ...]:
    """Returns the steps of a run's strips; none where its configuration does not tell."""
    with suppress(StyleWavError, OSError, KeyError, TypeError, ValueError):
        return tuple(sorted({int(step) for step in run.configuration["model"]["frame_steps"]}))
    return ()


def captions(count: int, steps: Sequence[int]) -> list[str]:
    """Returns what stands below the frames of a strip.

    >>> captions(3, (0, 4, 20)), captions(2, ())
    (['start', 'step 4', 'final'], ['start', 'final'])
    """
    between = [f"step {step}" for step in steps[1:-1]] if len(steps) == count else [""] * (count - 2)
    return ["start", *between, "final"]


def _first_own(entries: Sequence[ClipEntry]) -> list[ClipEntry]:
    own = evenly_spaced([entry for entry in entries if not entry.is_built_in], MOST_FACES)
    others = [entry for entry in entries if entry.is_built_in]
    return [*own, *evenly_spaced(others, MOST_FACES - len(own))]


def _face(
    run: FinishedRun,
    entry: ClipEntry,
    pixels: int,
    steps: Sequence[int],
    heard: Mapping[str, tuple[Heard, ...]],
) -> OpeningFace | None:
    id = entry.row.clip.id
    face = face_uri(run, id, pixels)
    if face is None or entry.face is None:
        return None
    frames = strip_uris(run, id)
    if len(frames) < 2:
        frames = [entry.start, entry.face] if entry.start else []
    named = zip(captions(len(frames), steps), frames, strict=True) if frames else ()
    return OpeningFace(entry, face, tuple(named), heard.get(id, ()))

"""What the report shows, gathered from the files of a run; whatever is missing is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from stylewav_pl.data.funnel import Stage
from stylewav_pl.evaluation.findings import Findings, recompute_findings
from stylewav_pl.evaluation.populations import Populations, group
from stylewav_pl.evaluation.prompts import REPORT_NOTICE
from stylewav_pl.evaluation.records import Evaluation
from stylewav_pl.evaluation.sampling import evenly_spaced
from stylewav_pl.report.clips import ClipEntry, Sounds, choose, read_clips, sort_names
from stylewav_pl.report.figures import distributions, forest_plot, mean_curves
from stylewav_pl.report.media import face_uri
from stylewav_pl.report.opening import OpeningGroup, build_opening
from stylewav_pl.report.tables import caveats
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.identity import flatten
from stylewav_pl.runs.manifest import RECORDED

MAX_FACES = 24
MAX_CLIPS = 200
MAX_SKIPS = 500


@dataclass(frozen=True)
class TraitSection:
    """One trait: its evaluation and figures (SVG, None where there is nothing to draw)."""

    evaluation: Evaluation
    forest: Markup | None
    distributions: Markup | None


@dataclass(frozen=True)
class Tile:
    """A small face among those of its population.

    Attributes:
        id: Of the clip.
        face: Data URI.
        number: Of the same clip in the list; None where it is not listed.
    """

    id: str
    face: str
    number: int | None


@dataclass(frozen=True)
class Page:
    """Everything the template needs.

    Attributes:
        opening: A few faces of each population, with all that is known about them.
        tiles: More of them, small, by population.
        curves: How near the faces of each population came, step by step, of the listed clips.
        sort_names: What the list of clips can be sorted by.
    """

    title: str
    findings: Findings
    traits: tuple[TraitSection, ...]
    notice: str
    notes: tuple[str, ...]
    opening: tuple[OpeningGroup, ...]
    tiles: Mapping[str, tuple[Tile, ...]]
    population_sizes: Mapping[str, int]
    curves: Markup | None
    sort_names: tuple[str, ...]
    clips: tuple[ClipEntry, ...]
    done: int
    funnel: tuple[Stage, ...]
    skipped: tuple[Mapping[str, str], ...]
    facts: Mapping[str, str]
    config: str

    @property
    def all_opened(self) -> bool:
        """Whether the page opens with all faces of a run without statistics: then nothing is shown twice."""
        opened = sum(len(group.faces) for group in self.opening)
        return not self.traits and 0 < opened == self.done


def build_page(
    run: FinishedRun,
    findings: Findings | None = None,
    sounds: Sounds = lambda _: None,
) -> Page:
    """Reads a run.

    Args:
        run: Of any age.
        findings: What was computed about it; computed here when None.
        sounds: Where the clips' audio is to be had.

    Raises:
        RunDirectoryError: If there are no results, or a file that is there is damaged.
    """
    done = [row for row in run.rows if row.done]
    found = findings or recompute_findings(run)
    populations = group(run)
    clips = read_clips(run, choose(done, MAX_CLIPS), done, sounds)
    traits = [TraitSection(one, forest_plot(one), distributions(one, run.rows)) for one in found.evaluations]
    notes = [note for one in found.evaluations for note in caveats(one) if note != REPORT_NOTICE]
    return Page(
        title=run.path.resolve().name,
        findings=found,
        traits=tuple(traits),
        notice=REPORT_NOTICE,
        notes=tuple(dict.fromkeys(notes)),
        opening=build_opening(run, found, populations, clips),
        tiles=_tiles(run, populations, clips),
        population_sizes={label: len(ids) for label, ids in populations.items()},
        curves=mean_curves(_curves(populations, clips)),
        sort_names=sort_names(done),
        clips=clips,
        done=len(done),
        funnel=tuple(Stage(**stage) for stage in run.funnel),
        skipped=_skipped(run),
        facts={name: str(value) for name, value in flatten(_short(run.manifest)).items()},
        config=run.configuration_text,
    )


def _tiles(
    run: FinishedRun, populations: Populations, clips: Sequence[ClipEntry]
) -> dict[str, tuple[Tile, ...]]:
    listed = {entry.row.clip.id: entry for entry in clips}
    tiles = {}
    for label, ids in populations.items():
        chosen = evenly_spaced(ids, MAX_FACES)
        found = [(id, listed[id].face if id in listed else face_uri(run, id)) for id in chosen]
        tiles[label] = tuple(
            Tile(id, face, listed[id].number if id in listed else None) for id, face in found if face
        )
    return tiles


def _curves(populations: Populations, clips: Sequence[ClipEntry]) -> dict[str, list[tuple[float, ...]]]:
    listed = {entry.row.clip.id: entry.curve for entry in clips if entry.curve}
    return {label: [listed[id] for id in ids if id in listed] for label, ids in populations.items()}


def _skipped(run: FinishedRun) -> tuple[Mapping[str, str], ...]:
    columns = ("id", "path", "reason", "detail")
    return tuple({name: line.get(name, "") for name in columns} for line in run.skip_lines)


def _short(manifest: Mapping[str, object]) -> Mapping[str, object]:
    """Returns the manifest without the plan.

    What it notes about the files of the run, this page among them, is left out too.
    """
    return {
        name: value
        for name, value in manifest.items()
        if name not in ("plan", "settled", RECORDED, "identity")
    }

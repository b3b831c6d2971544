"""The end of a run: merged tables, statistics, picture grid, report, and what the terminal says."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch

from stylewav_pl.data import ClipDataModule
from stylewav_pl.data.ignored import Ignored
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.errors import (
    ConfigError,
    RunDirectoryError,
    StrictError,
    TooManySkipsError,
    printable,
    printable_lines,
)
from stylewav_pl.evaluation.findings import Findings, compute_findings
from stylewav_pl.evaluation.heard import QUESTIONS
from stylewav_pl.evaluation.prompts import REPORT_NOTICE, PromptSet, judge_note
from stylewav_pl.report.clips import Sound, Sounds
from stylewav_pl.report.html import write_report
from stylewav_pl.report.run_pictures import save_grid
from stylewav_pl.report.statistics_file import write_statistics
from stylewav_pl.report.tables import summary, wrapped
from stylewav_pl.report.verdict import diversity_sentence, retrieval_sentence
from stylewav_pl.runs.damage import Damage, DamageError
from stylewav_pl.runs.digests import Digest, digest_of_file
from stylewav_pl.runs.directory import PROMPTS, RunDirectory
from stylewav_pl.runs.embeddings import write_prompts
from stylewav_pl.runs.finished import TABLES, FinishedRun
from stylewav_pl.runs.plan import Plan
from stylewav_pl.runs.results import Totals, merge, read_skips
from stylewav_pl.session.report_cache import basis_of, mark_up_to_date, up_to_date
from stylewav_pl.types import Skip

MOST_SKIPS_TOLD = 5
MADE = ("statistics.json", "grid.png", "report.html")


@dataclass(frozen=True)
class Scoring:
    """What the statistics need to know about the scores.

    Attributes:
        prompts: For each trait the prompt of each label.
        guide: Name of the CLIP model that was optimised against.
        judge: Name of the CLIP model that scored.
        seed: Seed of the permutations.
        judge_sha256: Hash of the judge's weight file; empty for a network built in place.
    """

    prompts: Mapping[str, Mapping[str, str]]
    guide: str
    judge: str
    seed: int
    judge_sha256: str = ""


def finalize_run(
    run: RunDirectory,
    plan: Plan,
    scoring: Scoring,
    early_skips: Sequence[Skip] = (),
    sounds: Sounds = lambda _: None,
    lost: Sequence[Damage] = (),
) -> Totals:
    """Writes everything that exists once per run, and says where it is.

    Args:
        run: The run directory, claimed by this process.
        plan: Of the run.
        scoring: How the clips were scored.
        early_skips: Clips that are in no plan.
        sounds: Where the clips' audio is to be had.
        lost: What is known to be damaged, and why it cannot be made again.

    Raises:
        DamageError: A file of the run is not what was written; where it is an image, the report lacks it.
    """
    totals = merge(run, plan, run.finished(), early_skips, run.read_scores())
    counts = {"done": totals.done, "skipped": len(totals.skips)}
    seconds = round(totals.seconds, 3)  # of all processes and starts together
    # `scored_with` lets a report be made again from the directory alone
    facts = {"counts": counts, "timing": {"cohort_seconds": seconds}, "scored_with": asdict(scoring)}
    run.manifest.record({name: digest_of_file(run.path / name) for name in TABLES}, facts)
    finished = FinishedRun(run.path)
    said = statistics_text(evaluate_run(finished, scoring, sounds))
    run.manifest.record(made_of(run))
    print_end(run, said, totals)
    told = {damage.path for damage in lost}
    if damages := [*lost, *(damage for damage in finished.damages if damage.path not in told)]:
        raise DamageError(run.path, damages)
    mark_up_to_date(run, basis_of(run, early_skips, asdict(scoring)), said, totals.seconds)
    return totals


def finalized_before(run: RunDirectory, scoring: Scoring, early_skips: Sequence[Skip]) -> Totals | None:
    """Says again what :func:`finalize_run` said, where nothing has changed since.

    None where it has to be called.
    """
    noted = up_to_date(run, basis_of(run, early_skips, asdict(scoring)))
    if noted is None:
        return None
    totals = Totals(run.read_manifest()["counts"]["done"], tuple(read_skips(run)), noted.seconds)
    print_end(run, noted.said, totals)
    return totals


def record_prompts(run: RunDirectory, guide: ImageTextEmbedder, texts: Sequence[str]) -> None:
    """Keeps the prompts as the guide embeds them.

    With the clips' targets they say what the audio encoder hears.

    A run without prompts of its own is asked the questions of :mod:`stylewav_pl.evaluation.heard`, for its
    report.
    A guide that does not know a word (another judge scores then) records nothing.
    """
    texts = texts or [text for by_word in QUESTIONS.values() for text in by_word.values()]
    try:
        with torch.no_grad():
            known = dict(zip(texts, guide.embed_text(list(texts)).cpu().numpy(), strict=True))
    except ConfigError:
        known = {}
    written = write_prompts(run.prompts_path, known)
    run.manifest.record({PROMPTS: written})


def evaluate_run(run: FinishedRun, scoring: Scoring, sounds: Sounds = lambda _: None) -> Findings:
    """Writes ``statistics.json``, ``grid.png`` and ``report.html`` from the tables and images of a run.

    Raises:
        RunDirectoryError: What the numbers are made of is damaged; images that are stand in ``run.damages``.
    """
    notes = [REPORT_NOTICE, judge_note(scoring.guide, scoring.judge)]
    sets = [PromptSet(trait, dict(by_label)) for trait, by_label in scoring.prompts.items()]
    findings = compute_findings(run, sets, scoring.seed, notes)
    write_statistics(run, findings.evaluations, findings.retrieval, findings.terms, findings.diversity)
    if any(row.done for row in run.rows) and run.store.output.image != "none":
        save_grid(run)
    write_report(run, findings, sounds)
    return findings


def record_report(run: RunDirectory) -> None:
    """Notes what :func:`evaluate_run` has written.

    A run that is at work in the directory will note its own.
    """
    try:
        run.acquire()
    except RunDirectoryError:
        return
    run.manifest.record(made_of(run))
    run.release()


def made_of(run: RunDirectory) -> dict[str, Digest | None]:
    """What :func:`evaluate_run` has written, for the manifest."""
    paths = [run.path / name for name in MADE]
    return {path.name: digest_of_file(path) if path.is_file() else None for path in paths}


def sounds_of(data: ClipDataModule) -> Sounds:
    """The audio of listed clips as the encoder gets it; what cannot be read any more is silent."""

    def sound(id: str) -> Sound | None:
        loaded = data.load(id)
        return None if isinstance(loaded, Skip) else (loaded.numpy(), data.sample_rate)

    return sound


def statistics_text(findings: Findings) -> str:
    """What the numbers are, for the terminal; empty where there are none."""
    shown = [
        one
        for one in findings.evaluations
        if sum(population.clips for population in one.populations.values())
    ]
    texts = [f"\n{summary(evaluation)}\n" for evaluation in shown]
    said = [retrieval_sentence(findings.retrieval)] if shown else []
    said += [diversity_sentence(findings.diversity)] if findings.diversity else []
    return "".join([*texts, *(f"{wrapped(sentence)}\n" for sentence in said)])


def print_end(run: RunDirectory, said: str, totals: Totals) -> None:
    """Says what the numbers are, what was made, what was left out and where everything is."""
    skips = totals.skips
    reasons = ", ".join(
        f"{count} {reason}" for reason, count in sorted(Counter(skip.reason.value for skip in skips).items())
    )
    print(
        f"{printable_lines(said)}\n{counted(totals.done, 'face')}, {counted(len(skips), 'clip')} "
        f"skipped{f' ({reasons}; see skipped.csv)' if skips else ''}"
    )
    for skip in skips[:MOST_SKIPS_TOLD]:
        print(f"  {skip}")
    if len(skips) > MOST_SKIPS_TOLD:
        print(f"  and {len(skips) - MOST_SKIPS_TOLD} more")
    for title, name in (
        ("pictures", "grid.png"),
        ("results", "results.csv"),
        ("numbers", "statistics.json"),
        ("report", "report.html"),
    ):
        if (run.path / name).exists():
            print(f"  {title:<9}{run.path / name}")


def nothing_listed(skips: Sequence[Skip], ignored: Sequence[Ignored] = ()) -> str:
    """Why there is no clip at all: nothing was there, or what was there is damaged, refused or no sound."""
    rest = "".join(f"\n{one}" for one in ignored[:MOST_SKIPS_TOLD])
    if not skips:
        why = "nothing that is there is a sound"
        if not any(ignored):  # what is left are empty places, which fit into the sentence
            places = ", ".join(printable(one.place) for one in ignored[:MOST_SKIPS_TOLD])
            why, rest = f"every source of data is empty{f' ({places})' if places else ''}", ""
        return f"No audio was found: {why}. Put audio files there, or correct the paths.{rest}"
    others = f"\n({len(skips) - MOST_SKIPS_TOLD} more like these)" if len(skips) > MOST_SKIPS_TOLD else ""
    return (
        "\n".join(
            ["Nothing of what the sources of data name can be used:", *map(str, skips[:MOST_SKIPS_TOLD])]
        )
        + others
        + rest
    )


def print_now(message: str) -> None:
    """Tells a person, at once."""
    print(printable_lines(message), flush=True)


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "face"), counted(0, "clip")
    ('1 face', '0 clips')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def check_skips(skips: Sequence[Skip], done: int, strict: bool, max_skipped_fraction: float) -> None:
    """Turns skips into the error that the options ask for.

    Raises:
        TooManySkipsError: The share of skipped clips is above ``max_skipped_fraction``.
        StrictError: Anything was skipped under ``strict``.
    """
    check_fraction(len(skips), len(skips) + done, max_skipped_fraction)
    if strict and skips:
        raise StrictError(
            f"{len(skips)} clips were skipped, and --strict allows none. See skipped.csv for the reasons."
        )


def check_fraction(skipped: int, total: int, max_skipped_fraction: float) -> None:
    """Refuses a share of skipped clips that says that something is wrong with the run itself.

    Raises:
        TooManySkipsError: It is above ``max_skipped_fraction``.
    """
    if skipped > max_skipped_fraction * total:
        raise TooManySkipsError(
            f"{skipped} of {total} clips were skipped, more than max_skipped_fraction "
            f"{max_skipped_fraction} allows. "
            "See skipped.csv for the reasons; raise --max_skipped_fraction if that is as it should be."
        )


def check_so_far(run: RunDirectory, plan: Plan, early: Sequence[Skip], limit: float) -> None:
    """Refuses to go on with a run of which too much was skipped already; its tables tell what.

    Raises:
        TooManySkipsError: That is so, and there is work left that this saves.
    """
    done, cohorts = run.finished(), plan.cohorts
    skipped = len(early) + sum(len(cohorts[index].ids) for index in done) - done.number_of_clips
    total = len(early) + sum(len(cohort.ids) for cohort in cohorts)
    if len(done) < len(cohorts) and skipped > limit * total:
        merge(run, plan, done, early)
        check_fraction(skipped, total, limit)

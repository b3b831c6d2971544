"""Clips of an unpacked Common Voice release, chosen by the rules of an experiment."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import polars as pl
from tqdm import tqdm

from stylewav_pl.data.common_voice_lengths import CandidateLengths
from stylewav_pl.data.common_voice_store import fetch_tables
from stylewav_pl.data.common_voice_tables import find_locales, read_clips, tables_of
from stylewav_pl.data.folder import FileSource
from stylewav_pl.data.funnel import Funnel, Stage
from stylewav_pl.data.populations import Population, Populations, spellings
from stylewav_pl.data.store_recordings import is_in_store
from stylewav_pl.data.tables import collect
from stylewav_pl.errors import ConfigError
from stylewav_pl.ranges import check_number
from stylewav_pl.types import Clip, as_path
from stylewav_pl.weights.addresses import address_of, refuse_address

# What every clip is labelled with beside the trait, where its speaker told.
SEXES = {value: label for label in ("female", "male") for value in spellings([label])}
DECADES = {
    **{"twenties": "20s", "thirties": "30s", "forties": "40s", "fourties": "40s", "fifties": "50s"},
    **{"sixties": "60s", "seventies": "70s", "eighties": "80s", "nineties": "90s"},
}
MAX_VALUES_SHOWN = 12
MAX_LINES_SHOWN = 3


class CommonVoice(FileSource):
    """A random sample of a release, population by population.

    Clips are labelled with the trait, and with sex, age (``20s``) and locale where known. Ids are file names
    without suffix, after the locale and a slash where two locales share file names.
    Values of the trait that no population accepts are left out and counted, and so are rows of the tables
    that are not whole. A clip whose file is absent or empty is replaced by another of its population; files
    with another suffix than the table's (.wav, .opus, .flac) are found. Where the folders of clips hold no
    file at all, the sample is drawn from the tables alone. Files are opened one by one in the order of the
    draw until the sample is complete: where the release has no table of durations (before the 14th) for their
    length, elsewhere to check the table, which may stem from headers that guess.

    Args:
        root: The folder that unpacking gave, with a folder per locale; a single locale's folder works too,
            and so does either in a store (``s3``, ``gs``, ``az``), where files have the table's suffix.
        trait: What the populations differ in: ``sex`` (column ``gender``), ``age``, ``locale``, ``accent`` or
            any column.
        populations: Label to accepted values and count; see :class:`Population`.
        locales: Languages to draw from; all that are there by default.
        splits: Tables to draw from: ``train``, ``dev``, ``test``, ``validated``, ``other``, ...
        seconds: Shortest and longest duration.
        min_words: Fewest words of the sentence, as separated by spaces; 1 for languages that are written
            without.
        where: Further conditions: column to accepted values.
        balance: A column of ``where``: its values share each population equally (women and men in every
            decade), and appear in the funnel apart. A speaker found under two of them is left out.
        clips_per_speaker: Most clips of one speaker.
        include_teens: Also use speakers of the age group ``teens``, who may be minors.
        seed: Another seed draws other clips.

    Raises:
        ConfigError: The settings contradict each other.
    """

    draws: ClassVar[bool] = True

    def __init__(
        self,
        root: str | Path,
        trait: str,
        populations: dict[str, Population],
        locales: list[str] | None = None,
        splits: Sequence[str] = ("validated",),
        seconds: tuple[float, float] = (5.0, 5.5),
        min_words: int = 7,
        where: dict[str, list[str]] | None = None,
        balance: str | None = None,
        clips_per_speaker: int = 1,
        include_teens: bool = False,
        seed: int = 0,
    ) -> None:
        if not splits or not 0 < seconds[0] <= seconds[1] < math.inf:
            raise ConfigError(
                "Expected at least one split and 0 < shortest <= longest seconds, found splits "
                f"{list(splits)} and seconds {seconds}."
            )
        check_number("CommonVoice.min_words", min_words, least=0)
        self.address = address_of(root).rstrip("/")
        if self.address and not is_in_store(self.address):
            refuse_address(root, "a release in a store (s3, gs, az) or")
        self.root = as_path(root)
        self.populations = Populations(trait, populations, clips_per_speaker, seed)
        if "teens" in self.populations.labels and not include_teens:
            raise ConfigError(
                "A population asks for teens, who may be minors. Set include_teens: true if that is meant."
            )
        if balance is not None and not (where or {}).get(balance):
            raise ConfigError(
                f"Expected `where` to list the values of {balance!r} that balance the populations, found "
                f"{where or 'none'}."
            )
        self.locales = locales
        self.splits = tuple(splits)
        self.seconds = seconds
        self.min_words = min_words
        self.where = where or {}
        self.balance = balance
        self.groups = self.populations.shared_by(self.where[balance]) if balance else self.populations
        self.include_teens = include_teens
        self._listed: list[Clip] | None = None
        self._funnel: Funnel | None = None

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`; the populations take turns. Chosen once and kept.

        Raises:
            ConfigError: No such release, locale, table or column, or too few clips for a population.
        """
        if self._listed is None:
            self._listed = self._choose()
        return self._listed

    @property
    def uses_network(self) -> bool:
        """See :attr:`ClipSource.uses_network`."""
        return bool(self.address)

    @property
    def funnel(self) -> list[Stage]:
        """See :attr:`ClipSource.funnel`."""
        self.list_clips()
        return self._funnel.stages if self._funnel else []

    def _choose(self) -> list[Clip]:
        root = fetch_tables(self.address, self.locales, self.splits) if self.address else self.root
        locales = find_locales(root, self.locales, self.address)
        funnel = Funnel(self._name([locale.name for locale in locales]))
        frame = pl.concat([read_clips(locale, self.splits, self._columns) for locale in locales])
        tables = [table for locale in locales for table in tables_of(locale, self.splits)]
        counts, rows = self._filter(frame, tables)
        self._count(counts, funnel)
        candidates = rows.unique(["path", "speaker", "group"], maintain_order=True)
        if candidates.height < rows.height:
            funnel.add(
                "of different files",
                {group: int((candidates["group"] == group).sum()) for group in self.groups.counts},
            )
        ids = _ids(candidates)
        with tqdm(desc="opening files for their duration", unit=" files", delay=2, disable=None) as progress:
            lengths = CandidateLengths(candidates, self.seconds, progress)
            drawn = self.groups.draw(
                ids, candidates["speaker"].to_list(), candidates["group"].to_list(), funnel, lengths.fit
            )
        self._count_files(lengths, funnel)
        self.groups.check(funnel, lengths.files.advice)
        self._funnel = funnel
        return [
            self._clip(ids[position], lengths.found[position], candidates.row(position, named=True))
            for position in drawn
        ]

    @property
    def _columns(self) -> list[str]:
        return list(dict.fromkeys([self.populations.trait, *self.where]))

    def _name(self, locales: Sequence[str]) -> str:
        where = "".join(f", {column}: {' or '.join(values)}" for column, values in self.where.items())
        return f"{self.root.resolve().name} {' '.join(locales)} ({', '.join(self.splits)}{where})"

    def _filter(self, frame: pl.LazyFrame, tables: Sequence[Path]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """How many rows meet which rules, and the rows that meet all.

        Nothing else of the tables stays in memory.
        """
        value = pl.col(f"trait: {self.populations.trait}")
        elsewhere = pl.any_horizontal(
            [
                pl.lit(False),
                *(~pl.col(f"trait: {name}").is_in(spellings(given)) for name, given in self.where.items()),
            ]
        )
        teens = pl.lit(False) if self.include_teens else pl.col("age") == "teens"
        label = value.replace_strict(self.populations.labels, default=None, return_dtype=pl.String)
        rules = frame.with_columns(
            label=label,
            group=self._group(label),
            left_out=pl.when(elsewhere).then(pl.lit("outside of `where`"))
            .when(teens).then(pl.lit("teens, who may be minors"))
            .when(label.is_null()).then(pl.when(value == "").then(pl.lit("not told")).otherwise(value)),
            fits=pl.col("seconds").is_between(*self.seconds),
            words=pl.col("sentence").fill_null("").str.count_matches(r"\S+") >= self.min_words,
        )  # fmt: skip
        counts = rules.group_by("broken", "left_out", "group", "fits", "words").len()
        whole = pl.col("broken").is_null()
        chosen = rules.filter(
            whole & pl.col("left_out").is_null() & pl.col("fits").fill_null(True) & pl.col("words")
        )
        columns = ("speaker", "path", "label", "group", "gender", "age", "locale", "seconds")
        numbers, rows = collect([counts, chosen.select(columns)], tables)
        return numbers, rows

    def _group(self, label: pl.Expr) -> pl.Expr:
        """What is drawn from: the populations, or their parts."""
        if not self.balance:
            return label
        parts = {spelling: value for value in self.where[self.balance] for spelling in spellings([value])}
        return (
            label
            + ", "
            + pl.col(f"trait: {self.balance}").replace_strict(parts, default=None, return_dtype=pl.String)
        )

    def _count(self, counts: pl.DataFrame, funnel: Funnel) -> None:
        """The stages that need no draw."""
        funnel.add("rows", {"": int(counts["len"].sum())})
        broken = sorted(counts["broken"].drop_nulls(), key=lambda place: (len(place), place))
        if broken:
            more = " ..." if len(broken) > MAX_LINES_SHOWN else ""
            places = ", ".join(broken[:MAX_LINES_SHOWN]) + more
            funnel.add(f"left out: not whole ({places})", {"": len(broken)})
        counts = counts.filter(pl.col("broken").is_null())
        left_out = (
            counts.drop_nulls("left_out")
            .group_by("left_out")
            .agg(pl.col("len").sum())
            .sort("len", "left_out", descending=[True, False])
        )
        for value, count in left_out.head(MAX_VALUES_SHOWN).iter_rows():
            funnel.add(f"left out: {value}", {"": count})
        if others := int(left_out[MAX_VALUES_SHOWN:]["len"].sum()):
            funnel.add(f"left out: {left_out.height - MAX_VALUES_SHOWN} other values", {"": others})
        kept = counts.filter(pl.col("left_out").is_null())
        self._add("labelled", kept, funnel)
        if kept["fits"].is_not_null().any():
            kept = kept.filter(pl.col("fits").fill_null(True))
            unknown = int(kept.filter(pl.col("fits").is_null())["len"].sum())
            self._add(
                f"{self.seconds[0]:g} to {self.seconds[1]:g} s{' or not known' if unknown else ''}",
                kept,
                funnel,
            )
        self._add(f"at least {self.min_words} words", kept.filter("words"), funnel)

    def _add(self, stage: str, kept: pl.DataFrame, funnel: Funnel) -> None:
        sums = dict(kept.group_by("group").agg(pl.col("len").sum()).iter_rows())
        funnel.add(stage, {group: int(sums.get(group, 0)) for group in self.groups.counts})

    def _count_files(self, lengths: CandidateLengths, funnel: Funnel) -> None:
        """The stages that the files themselves make."""
        for stage, count in (
            ("files opened for their duration", lengths.opened),
            ("replaced: no such file", lengths.files.absent),
            ("replaced: a file of 0 bytes", lengths.files.empty),
            ("replaced: a file that cannot be read", lengths.unreadable),
            ("replaced: a duration other than the table's", lengths.contradicted),
            ("found with another suffix", lengths.files.transcoded),
        ):
            if count:
                funnel.add(stage, {"": count})

    def _clip(self, id: str, path: str, row: dict[str, str]) -> Clip:
        known = {"sex": SEXES.get(row["gender"]), "age": DECADES.get(row["age"]), "locale": row["locale"]}
        labels = {name: label for name, label in known.items() if label}
        return Clip(id, path, speaker=row["speaker"], labels={**labels, self.populations.trait: row["label"]})


def _ids(clips: pl.DataFrame) -> list[str]:
    names = clips["path"].str.split("/").list.last().str.replace(r"\.[^.]*$", "")
    files = clips.select("path", "locale").with_columns(name=names).unique("path")
    shared = files["name"].n_unique() < files.height
    return (clips["locale"] + "/" + names if shared else names).to_list()

"""Populations: which clips a comparison is about, and how a sample of them is drawn."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice, zip_longest

from stylewav_pl.data.funnel import Funnel
from stylewav_pl.errors import ConfigError
from stylewav_pl.ranges import check_number

# One meaning, several spellings: Common Voice renamed its genders with release 17 and misspells the forties.
SPELLINGS = (
    frozenset({"male", "male_masculine"}),
    frozenset({"female", "female_feminine"}),
    frozenset({"forties", "fourties"}),
)

SAMPLED = "sampled"
MAX_CLIPS = 1_000_000_000


@dataclass(frozen=True)
class Population:
    """One group of clips.

    Attributes:
        count: How many clips.
        accept: Values of the trait that belong to it; its own label by default. Case does not matter, and
            known spellings of one meaning (male and male_masculine, forties and fourties) go together.
    """

    count: int
    accept: list[str] | None = None


class Populations:
    """A trait, its populations, and the rules of drawing.

    A draw depends on the seed and the names of speakers and clips alone, not on the order in which they are
    listed. Speakers come in a random order, each with a random clip of theirs, whatever number of clips they
    have; a speaker comes again only when all others have had their turn. A speaker found in two populations
    would make them dependent and is left out.

    Args:
        trait: What the populations differ in; the name of the label.
        populations: Label to population.
        clips_per_speaker: Most clips of one speaker.
        seed: Another seed draws other clips.

    Attributes:
        labels: Every accepted value, lower case, to its label.

    Raises:
        ConfigError: No population, a count or clips_per_speaker below 1, or a value in two populations.

    >>> drawn = Populations("sex", {"male": Population(1), "female": Population(1, ["f"])})
    >>> drawn.labels
    {'male': 'male', 'male_masculine': 'male', 'f': 'female'}
    """

    def __init__(
        self, trait: str, populations: Mapping[str, Population], clips_per_speaker: int = 1, seed: int = 0
    ) -> None:
        if not trait or not populations:
            raise ConfigError(
                f"Expected a trait and at least one population, found trait {trait!r} and "
                f"{len(populations)} populations. Name them in the data source."
            )
        for label, population in populations.items():
            check_number(f"populations.{label}.count", population.count, least=1, most=MAX_CLIPS)
        check_number("clips_per_speaker", clips_per_speaker, least=1)
        self.trait = trait
        self.counts = {label: population.count for label, population in populations.items()}
        self.clips_per_speaker = clips_per_speaker
        self.seed = seed
        self.labels: dict[str, str] = {}
        for label, population in populations.items():
            for value in spellings([label] if population.accept is None else population.accept):
                if self.labels.setdefault(value, label) != label:
                    raise ConfigError(
                        f"The value {value!r} of {trait} belongs to two populations, {self.labels[value]!r} "
                        f"and {label!r}."
                    )

    def shared_by(self, parts: Sequence[str]) -> "Populations":
        """Each population cut into parts of one size, to be drawn one by one.

        Raises:
            ConfigError: A count cannot be divided.

        >>> Populations("age", {"20s": Population(50)}).shared_by(["female", "male"]).counts
        {'20s, female': 25, '20s, male': 25}
        """
        odd = {label: count for label, count in self.counts.items() if count % len(parts)}
        if odd:
            raise ConfigError(
                f"Expected counts that {', '.join(parts)} can share equally, found {odd}. Choose multiples "
                f"of {len(parts)}."
            )
        shares = {
            f"{label}, {part}": Population(count // len(parts))
            for label, count in self.counts.items()
            for part in parts
        }
        return Populations(self.trait, shares, self.clips_per_speaker, self.seed)

    def draw(
        self,
        ids: Sequence[str],
        speakers: Sequence[str],
        labels: Sequence[str],
        funnel: Funnel,
        usable: Callable[[int], bool] = lambda position: True,
    ) -> list[int]:
        """Draws the sample; the populations take turns, so that every stretch of it is balanced.

        Args:
            ids: Of the candidates, unique.
            speakers: Who speaks; an empty name is a speaker of its own.
            labels: Each candidate's population.
            funnel: Gets the stages of the draw.
            usable: Whether the candidate at a position may be drawn; asked only for those whose turn it is.

        Returns:
            Positions of the drawn candidates; :meth:`check` says whether they are enough.
        """
        names = [speaker or f"\0{id}" for speaker, id in zip(speakers, ids, strict=True)]
        groups = self._clips_by_speaker(names, labels)
        funnel.add(
            "of speakers in one population",
            {label: sum(map(len, group.values())) for label, group in groups.items()},
        )
        most = self.clips_per_speaker
        available = {
            label: sum(min(most, len(clips)) for clips in group.values()) for label, group in groups.items()
        }
        funnel.add(f"{'one clip' if most == 1 else f'at most {most} clips'} per speaker", available)
        drawn = {
            label: list(islice(self._turns(group, ids, usable), self.counts[label]))
            for label, group in groups.items()
        }
        funnel.add(SAMPLED, {label: len(positions) for label, positions in drawn.items()})
        if most > 1:
            funnel.add(
                "speakers in the sample",
                {label: len({names[p] for p in positions}) for label, positions in drawn.items()},
            )
        return [position for row in zip_longest(*drawn.values()) for position in row if position is not None]

    def check(self, funnel: Funnel, advice: str = "") -> None:
        """Refuses a draw that is short.

        Args:
            funnel: What :meth:`draw` filled in; the error shows it.
            advice: What else to say: why clips could not be drawn.

        Raises:
            ConfigError: A population is short of clips.
        """
        sampled = {stage.population: stage.count for stage in funnel.stages if stage.stage == SAMPLED}
        short = [
            f"{label} has {sampled[label]} of {count}"
            for label, count in self.counts.items()
            if sampled[label] < count
        ]
        if short:
            raise ConfigError(
                f"Too few clips for the populations of {self.trait}: {', '.join(short)}.\n\n{funnel}\n\n"
                f"{advice and advice + ' '}Ask for fewer (count), loosen a rule, or add data (other splits "
                "or locales)."
            )

    def _clips_by_speaker(
        self, names: Sequence[str], labels: Sequence[str]
    ) -> dict[str, dict[str, list[int]]]:
        first: dict[str, str] = {}
        torn = {
            name for name, label in zip(names, labels, strict=True) if first.setdefault(name, label) != label
        }
        groups: dict[str, dict[str, list[int]]] = {label: {} for label in self.counts}
        for position, (name, label) in enumerate(zip(names, labels, strict=True)):
            if name not in torn:
                groups[label].setdefault(name, []).append(position)
        return groups

    def _turns(
        self, clips: Mapping[str, Sequence[int]], ids: Sequence[str], usable: Callable[[int], bool]
    ) -> Iterator[int]:
        """Every speaker's first clip, then every speaker's second, ..."""
        queues = [self._queue(clips[speaker], ids, usable) for speaker in sorted(clips, key=self._chance)]
        for _ in range(self.clips_per_speaker):
            for queue in queues:
                yield from islice(queue, 1)

    def _queue(
        self, positions: Sequence[int], ids: Sequence[str], usable: Callable[[int], bool]
    ) -> Iterator[int]:
        """The usable clips of one speaker; sorted only when it is their turn."""
        yield from filter(usable, sorted(positions, key=lambda position: self._chance(ids[position])))

    def _chance(self, name: str) -> bytes:
        """Where a name stands in the random order; the name itself decides between equals."""
        key = name.encode("utf-8", "surrogateescape")
        return blake2b(f"{self.seed}:".encode() + key, digest_size=8).digest() + key


def spellings(values: Sequence[str]) -> list[str]:
    """The values in lower case, with every known spelling of the same meaning.

    >>> spellings(["Forties", "fifties"])
    ['forties', 'fourties', 'fifties']
    """
    lower = [value.strip().lower() for value in values]
    return [
        other
        for value in lower
        for other in sorted(next((same for same in SPELLINGS if value in same), {value}))
    ]

"""The names under which loggers keep what a run shows: the same in ``log.csv``, TensorBoard and W&B.

======================================================
==========================================================================
``rank0/similarity/start``, ``half``, ``end``            mean cosine to the target before the first step,
half-way and at the end
``rank0/score/TRAIT/LABEL/PROMPT``                       mean CLIP score so far of this process's clips of
that population
``rank0/throughput/clips_per_second``                    finished clips; ``clip_steps_per_second``: times
steps
``rank0/memory/process_peak_gib``                        most memory so far; ``device_peak_gib``: of the
accelerator
``faces/LABEL``                                          pictures: some faces of the cohort that was just
finished
``live_histogram/similarity_end``, ``score/PROMPT``      the clips of that cohort
``curve/learning_rate``                                  over the optimisation steps of a cohort
``curve/similarity/LABEL``                               mean over all clips, over the optimisation steps; at
the end
``histogram/similarity_end``, ``score/LABEL/PROMPT``     all clips; at the end
``final/faces``, ``final/scores``, ``report``            faces of all populations, table of clips, page and
statistics; at the end
``statistics/TRAIT/...``, ``clips/done``, ``skipped``    the leaves of ``statistics.json``, and counts; at the
end
``networks/guide``, ``judge``                            who guided, and who scored; at the end
======================================================
==========================================================================

What begins with ``rank`` is one process's own; ``half`` and ``end`` are means over the clips since the row
before. The x-axis is the number of clips of the run that are done as far as this process knows: those at its
start, and its own since.
"""

SIMILARITY = ("similarity/start", "similarity/half", "similarity/end")
CLIPS_PER_SECOND = "throughput/clips_per_second"
CLIP_STEPS_PER_SECOND = "throughput/clip_steps_per_second"
PROCESS_MEMORY = "memory/process_peak_gib"
DEVICE_MEMORY = "memory/device_peak_gib"
LEARNING_RATE = "curve/learning_rate"
GRID, TABLE, FILES = "final/faces", "final/scores", "report"
EVERYBODY = "all"


def own(rank: int, name: str) -> str:
    """A number of one process.

    >>> own(0, "similarity/end")
    'rank0/similarity/end'
    """
    return f"rank{rank}/{name}"


def score(*parts: str) -> str:
    """A score, of a population or of everybody.

    >>> score("sex", "male", "a boy")
    'score/sex/male/a boy'
    """
    return "/".join(("score", *parts))


def faces(label: str) -> str:
    """Pictures of a population."""
    return f"faces/{label}"


def curve(label: str) -> str:
    """The similarity curve of a population."""
    return f"curve/similarity/{label}"


def histogram(name: str, live: bool = False) -> str:
    """A distribution."""
    return f"{'live_histogram' if live else 'histogram'}/{name}"

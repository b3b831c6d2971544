"""The names under which loggers keep what a run shows: the same in ``log.csv``, TensorBoard and W&B.

Dashboards get a dozen numbers; what stands behind "all" is in ``log.csv`` alone, beside those.

While a run works, by process:

- ``rank0/similarity/start``, ``end``: mean cosine to the target, before the first step and at the end; all:
  ``half``.
- ``rank0/throughput/clips_per_second``: finished clips; all: ``clip_steps_per_second``, times steps.
- ``rank0/memory/process_peak_gib``, ``device_peak_gib``: most memory so far, of the accelerator if there is
  one.
- ``rank0/score/TRAIT/separation``: how much higher a prompt scores on its own population than on the others,
  so far; all: ``rank0/score/TRAIT/LABEL/PROMPT``, the mean score of each population.
- ``faces/LABEL``: pictures of the cohort that was just finished; ``live_histogram/...``: its similarities and
  scores.

At the end, over all clips:

- ``clips/done``, ``clips/skipped``, ``networks/guide``, ``networks/judge``.
- ``statistics/TRAIT/verdict``: a sentence.
- ``statistics/TRAIT/faces_right``, ``voices_right``: the share of faces, and of what was heard in the voices,
  nearest to the right prompt.
- ``statistics/TRAIT/hedges_g_least``, ``p_holm_largest``: of the prompt that tells its population least.
- ``statistics/TRAIT/control_hedges_g_largest``: the same size after the voices were shuffled; near 0, or
  something is wrong.
- ``statistics/TRAIT/...``: all the leaves of ``statistics.json``.
- ``curve/learning_rate``, ``curve/similarity/LABEL``, over the optimisation steps; ``histogram/...``;
  ``final/faces``, ``final/scores``, ``report``.

What begins with ``rank`` is one process's own. Where workers of Ray make the faces, the command shows
``workers/...`` instead: the same numbers over all of them, without memory. ``half`` and ``end`` are means
over the clips since the row before. The x-axis is the number of clips of the run that are done as far as this
process knows: those at its start, and since then its own, or those of all workers.
"""

from collections.abc import Mapping

SIMILARITY = ("similarity/start", "similarity/half", "similarity/end")
CLIPS_PER_SECOND = "throughput/clips_per_second"
CLIP_STEPS_PER_SECOND = "throughput/clip_steps_per_second"
PROCESS_MEMORY = "memory/process_peak_gib"
DEVICE_MEMORY = "memory/device_peak_gib"
SEPARATION = "separation"
CHOSEN = (SIMILARITY[0], SIMILARITY[-1], CLIPS_PER_SECOND)
LEARNING_RATE = "curve/learning_rate"
GRID, TABLE, FILES = "final/faces", "final/scores", "report"
EVERYBODY = "all"
WORKERS = "workers"


def own(owner: str, name: str) -> str:
    """A number of one process, or of all workers.

    >>> own("rank0", "similarity/end")
    'rank0/similarity/end'
    """
    return f"{owner}/{name}"


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


def chosen(numbers: Mapping[str, float]) -> dict[str, float]:
    """Returns the numbers that dashboards show of those that ``log.csv`` keeps while a run works.

    >>> list(chosen({"similarity/half": 0.1, "similarity/end": 0.2, "score/sex/separation": 0.3}))
    ['similarity/end', 'score/sex/separation']
    """
    memory = DEVICE_MEMORY if DEVICE_MEMORY in numbers else PROCESS_MEMORY
    return {
        name: value
        for name, value in numbers.items()
        if name in (*CHOSEN, memory) or name.endswith(f"/{SEPARATION}")
    }

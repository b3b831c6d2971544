"""Small files that ask for much: each is refused in one sentence, in memory that its size explains."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_pickles import KINDS

from stylewav_pl.weights.pickles import Budget, RefusedPickleError
from stylewav_pl.weights.pickles.budget import FACTOR, FLOOR, MAX_INSTRUCTIONS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # one process reads all, before the first test

# Each file is read in a process of its own, which is a copy of one that has everything imported. The limit of
# its address space makes what was not foreseen a MemoryError instead of a machine that stands still.
READING = """
import gc, json, os, resource, sys
gc.disable()  # an import makes no garbage
from pathlib import Path
from stylewav_pl.commands.weight_files import inspect_file
from stylewav_pl.errors import WeightsError
from stylewav_pl.weights.state_dict import read_state_dict
gc.freeze()
gc.enable()

def told(read, path):
    try:
        read(path)
    except WeightsError as error:
        return str(error)
    return ""

def one(path, allowed, end):
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + allowed, size + allowed))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answers = [told(read, path) for read in (inspect_file, read_state_dict)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    os.write(end, json.dumps({"answers": answers, "peak": peak * 1024}).encode())

for line in sys.stdin:
    path, allowed = json.loads(line)
    start, end = os.pipe()
    child = os.fork()
    if not child:
        try:
            one(Path(path), allowed, end)
        finally:
            os._exit(0)
    os.close(end)
    with os.fdopen(start, "rb") as pipe:
        print(json.dumps(json.loads(pipe.read() or b"null")), flush=True)
    os.waitpid(child, 0)
"""


def allowed(size: int) -> int:
    """Bytes for a file of this size: the budget twice, because the first reading is still there at the
    second, and some for Python."""
    return 2 * (FLOOR + FACTOR * size) + (64 << 20)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> dict[str, dict]:
    """What came of each kind, and the memory that it took at its peak."""
    folder, lines = tmp_path_factory.mktemp("hostile"), []
    for index, write in enumerate(KINDS.values()):
        path = folder / f"network-{index}"
        path.write_bytes(write())
        lines.append(json.dumps([str(path), allowed(path.stat().st_size)]))
    ended = subprocess.run(
        [sys.executable, "-c", READING],
        input="\n".join(lines) + "\n",
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(repository), "PYTHONWARNINGS": "ignore"},
        text=True,
        check=True,
    )
    return dict(zip(KINDS, map(json.loads, ended.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_refused_in_one_sentence_and_in_proportion(kind: str, answers: dict[str, dict]) -> None:
    answer = answers[kind]
    assert answer is not None, "the process died"
    for told in answer["answers"]:
        assert "network-" in told and "MemoryError" not in told
        assert "\n" not in told and told.isprintable() and len(told) < 700


def test_no_kind_takes_more_than_its_budget(answers: dict[str, dict]) -> None:
    sizes = {kind: len(write()) for kind, write in KINDS.items()}
    assert {kind for kind in KINDS if answers[kind]["peak"] > allowed(sizes[kind])} == set()


@pytest.mark.parametrize("kind", ["set of a list", "encoded text", "arrays of the same bytes"])
def test_repetition_is_what_is_refused(kind: str, answers: dict[str, dict]) -> None:
    assert (
        f"asks for more than {(FLOOR + FACTOR * len(KINDS[kind]())) / 1e6:.0f} MB of memory"
        in (answers[kind]["answers"][0])
    )


def test_a_budget_grows_with_the_file_and_ends() -> None:
    budget = Budget(1000)
    budget.spend(FLOOR + FACTOR * 1000)
    with pytest.raises(RefusedPickleError, match=r"more than 34 MB of memory, in a file of 0\.0 MB"):
        budget.spend(1)
    for _ in range(MAX_INSTRUCTIONS):
        budget.step()
    with pytest.raises(RefusedPickleError, match="more than 500,000 instructions"):
        budget.step()

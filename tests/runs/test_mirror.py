"""A run copied to a real S3 server on the loopback, which answers 503 now and then; and another machine,
which is another directory here, going on from it."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from object_store import Flaky, serving
from six_voices import fit, made, write_experiment

from stylewav_pl.errors import ConfigError, OutputError, ProcessError, RunDirectoryError
from stylewav_pl.runs import objects as objects_module
from stylewav_pl.runs import store_claim
from stylewav_pl.runs.digests import CohortFiles, digest_of
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.journal import CohortRecord
from stylewav_pl.runs.mirror import Mirror
from stylewav_pl.runs.mirrored_cohorts import MirroredCohorts
from stylewav_pl.runs.objects import Objects
from stylewav_pl.runs.store_claim import CLAIM, Claim
from stylewav_pl.session import run_session

pytest.importorskip("obstore", reason="needs the extra `store`")
pytest.importorskip("moto.server", reason="needs moto")


@pytest.fixture(scope="module")
def server() -> Iterator[Flaky]:
    with serving() as flaky:
        yield flaky


@pytest.fixture
def url(server: Flaky, request: pytest.FixtureRequest) -> str:
    server.spoilt.clear()
    server.asked.clear()
    server.deaf.clear()
    return f"s3://bucket/{request.node.name.partition('[')[0]}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path, cohort_size=2)
    return tmp_path


def hashed(store: Objects, cohort: int) -> list[str]:
    lines = store.read(f"cohorts/{cohort:06d}.json").splitlines()
    return json.loads(lines[2])["hashed"] if len(lines) > 2 else []


def is_released(url: str) -> bool:
    return json.loads(Objects(url).read(CLAIM))["released"]


def cohorts(run: Path) -> list[int]:
    lines = [line for path in run.glob("journal/*.index") for line in path.read_bytes().splitlines()]
    return [int(line.split()[0]) for line in lines]


def test_another_machine_goes_on_and_no_byte_tells(
    place: Path, server: Flaky, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server.spoilt = {("PUT", "000001.json"): 2, ("GET", "000000.json"): 1}
    assert fit("first", "--results", url) == 0
    store = Objects(url)
    assert store.numbers("cohorts") == [0, 1, 2] and is_released(url)
    assert store.read("results.csv") == (place / "first" / "results.csv").read_bytes()
    assert server.spoilt[("PUT", "000001.json")] == 0, "it was tried again"

    # what a machine leaves that died in the last cohort, with the second one damaged on its way
    store.remove("cohorts/000002.json")
    damaged = next(name for name in json.loads(store.read("cohorts/000001.json").splitlines()[1])["files"])
    store.write(damaged, b"x" * len(store.read(damaged)))
    store.write("trial-0.json", b"1")  # of a start that was killed while it tried the store's conditions
    capsys.readouterr()
    assert fit("second", "--results", url) == 0
    assert "Damaged" in capsys.readouterr().out
    assert made(place / "second") == made(place / "first")
    assert cohorts(place / "second") == [0, 1, 2]
    assert not (place / "second" / "trial-0.json").exists()
    assert store.numbers("cohorts") == [0, 1, 2]
    assert hashed(store, 1) == [damaged], "what is damaged there may be read by somebody, and stays"
    shutil.rmtree(place / "second")
    assert fit("second", "--results", url) == 0
    assert "Damaged" not in capsys.readouterr().out and made(place / "second") == made(place / "first")
    written = b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())
    assert b"a-secret" not in written, "no file of a run has credentials"


def test_what_a_crash_kept_from_the_store_comes_with_the_next_start(
    place: Path, server: Flaky, url: str
) -> None:
    assert fit("run") == 0
    assert fit("run", "--results", url) == 0
    shutil.rmtree(place / "run")
    server.asked.clear()
    assert fit("run", "--results", url) == 0
    assert fit("alone") == 0
    assert made(place / "run") == made(place / "alone")
    assert not [key for key in server.asked if key[0] == "PUT" and key[1].startswith("0")], "nothing twice"


def test_another_run_is_refused(
    place: Path, url: str, server: Flaky, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit("run", "--results", url) == 0
    assert fit("other", "--results", url, "--model.num_steps", "4") == 5
    assert "made with another configuration" in capsys.readouterr().err
    assert fit("run", "--results", url, "--restart") == 5
    assert "--restart moves nothing there" in capsys.readouterr().err
    assert (place / "run" / "results.csv").exists() and not (place / "run.old-1").exists()
    assert is_released(url)


@pytest.mark.parametrize("url", ["runs/x", "https://example.org/x", "ftp://host/x", "s3:/bucket", "s3://"])
def test_what_is_no_store_is_refused_before_anything_is_written(
    place: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit("run", "--results", url) == 2
    assert "--results" in capsys.readouterr().err and not (place / "run").exists()


def test_a_bucket_that_is_not_there_is_told(server: Flaky) -> None:
    with pytest.raises(ConfigError, match=r"s3://nowhere/x cannot be used.*NoSuchBucket"):
        Claim(Objects("s3://nowhere/x"), "here").acquire(print)
    with pytest.raises(OutputError, match="Nothing can be written into s3://nowhere/x"):
        Objects("s3://nowhere/x").write("name", b"data")


class Clock:
    """Time that passes when somebody waits; then ``act`` happens."""

    def __init__(self, act=lambda: None) -> None:
        self.now, self.act = 0.0, act

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.act()


def test_a_claim_that_lives_is_respected(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Claim(Objects(url), place) for place in ("here", "there"))
    monkeypatch.setattr(store_claim, "time", Clock(first.renew))
    first.acquire(print)
    with pytest.raises(RunDirectoryError, match=r"in use by .*:here"):
        second.acquire(print)
    first.release()
    second.acquire(print)


def test_a_claim_that_is_given_up_meanwhile_is_taken_at_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (Claim(Objects(url), place) for place in ("here", "there"))
    clock = Clock(first.release)
    monkeypatch.setattr(store_claim, "time", clock)
    first.acquire(print)
    second.acquire(print)
    assert clock.now == store_claim.WATCH_SECONDS
    second.release()
    assert is_released(url)


def test_who_comes_second_to_a_released_claim_is_told_who_came_first(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (Claim(Objects(url), place) for place in ("here", "there", "elsewhere"))
    first.acquire(print)
    first.release()
    write = second.objects.write

    def after_the_other(name, *words, **more):
        if more.get("over") and name == CLAIM:
            third.acquire(print)
        return write(name, *words, **more)

    monkeypatch.setattr(second.objects, "write", after_the_other)
    with pytest.raises(RunDirectoryError, match=r"in use by .*:elsewhere"):
        second.acquire(print)


def test_a_claim_that_is_taken_over_in_the_last_moment_stays(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gives its own up has been asleep for long, and another takes over before its last request."""
    first, second = (Claim(Objects(url), place) for place in ("here", "there"))
    first.acquire(print)

    def after_the_other(request):
        def late(*words, **more):
            second._version = Objects(url).write(CLAIM, second._content(), over=first._version)
            return request(*words, **more)

        return late

    for request in ("write", "remove"):
        monkeypatch.setattr(first.objects, request, after_the_other(getattr(first.objects, request)))
    first.release()
    second.renew()
    assert not is_released(url)


def test_a_claim_that_nobody_renews_is_taken_over_and_its_owner_ends(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, said = Clock(), []
    monkeypatch.setattr(store_claim, "time", clock)
    first, second = (Claim(Objects(url), place) for place in ("here", "there"))
    first.acquire(said.append)
    second.acquire(said.append)
    assert clock.now >= store_claim.LEASE_SECONDS and ":here" in said[0]
    with pytest.raises(ProcessError, match="Another job has begun"):
        first.renew()
    first.release()
    again = Claim(Objects(url), "there")
    began = clock.now
    again.acquire(said.append)
    assert clock.now == began, "whoever has the directory need not wait for itself"


def test_what_is_made_again_here_is_copied_again(place: Path, server: Flaky, url: str) -> None:
    assert fit("run", "--results", url) == 0
    files = json.loads(Objects(url).read("cohorts/000001.json").splitlines()[1])["files"]
    damaged = next(name for name in files if name.startswith("images/"))
    (place / "run" / damaged).write_bytes(b"")
    server.asked.clear()
    assert fit("run", "--results", url) == 0
    assert ("PUT", "000001.json") in server.asked and Objects(url).numbers("cohorts") == [0, 1, 2]
    assert Objects(url).read(damaged) == (place / "run" / damaged).read_bytes()


def wait_until(condition) -> None:
    """Returns when the condition holds; in vain for a minute, the test has failed."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("nothing happened")


def renewals(server: Flaky) -> int:
    return server.asked.count(("PUT", CLAIM))


@pytest.mark.parametrize("phase", ["mend", "finalize_run"])
def test_a_claim_is_renewed_whatever_the_run_does(
    place: Path, server: Flaky, url: str, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    """However long the plan or the report takes; nothing of it looks at the claim."""
    monkeypatch.setattr(store_claim, "RENEW_SECONDS", 0.01)
    original = getattr(run_session, phase)

    def long(*parts, **more):
        before = renewals(server)
        wait_until(lambda: renewals(server) > before + 2)
        return original(*parts, **more)

    monkeypatch.setattr(run_session, phase, long)
    assert fit("run", "--results", f"{url}-{phase}") == 0
    assert is_released(f"{url}-{phase}")


def test_who_loses_the_claim_while_it_plans_ends_and_writes_nothing(
    place: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store_claim, "RENEW_SECONDS", 0.01)
    mend = run_session.mend

    def robbed(*parts):
        Objects(url).write(CLAIM, b"{}")
        wait_until(lambda: "claim" not in [thread.name for thread in threading.enumerate()])
        return mend(*parts)

    monkeypatch.setattr(run_session, "mend", robbed)
    assert fit("run", "--results", url) == 1
    assert "Another job has begun" in capsys.readouterr().err
    store = Objects(url)
    assert store.names() == [CLAIM] and store.numbers("cohorts") == [], "not even a configuration"


def machine(place: Path, url: str, content: bytes) -> tuple[MirroredCohorts, CohortRecord, CohortFiles]:
    """One that has made a cohort of one shard."""
    run = RunDirectory(place)
    (place / "shards").mkdir(parents=True)
    (place / "shards" / "0.tar").write_bytes(content)
    store = Objects(url)
    files = CohortFiles({"shards/0.tar": digest_of(content)})
    return MirroredCohorts(run, store, Claim(store, str(place))), CohortRecord(0, (), ()), files


@pytest.mark.parametrize("whole", [1 << 20, 2])
def test_who_has_lost_a_run_harms_no_cohort_of_it(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, whole: int
) -> None:
    """Whether it writes before the other machine or after it, and how large the files are."""
    monkeypatch.setattr("stylewav_pl.runs.mirrored_cohorts.WHOLE_BYTES", whole)
    url = f"{url}-{whole}"
    loser, *lost = machine(tmp_path / "loser", url, b"of the loser")
    winner, *won = machine(tmp_path / "winner", url, b"of the winner")
    loser._bring_file("shards/0.tar", lost[1].files["shards/0.tar"])  # and is halted before it counts
    winner.bring(0, *won)
    loser.bring(0, *lost)
    shutil.rmtree(tmp_path / "loser" / "shards")
    assert loser.fetch(0)
    assert (tmp_path / "loser" / "shards" / "0.tar").read_bytes() == b"of the winner"


def test_a_plan_is_never_replaced_by_an_older_one(tmp_path: Path, url: str) -> None:
    machines = [Mirror(RunDirectory(tmp_path / name), Objects(url), print) for name in ("old", "new")]
    for mirror in machines:
        mirror.run.path.mkdir()
        (mirror.run.path / "plan.jsonl").write_text(mirror.run.path.name)
    old, new = machines
    old.claim.acquire(print)
    old._versions["plan.jsonl"] = None
    new.claim._version = Objects(url).write(CLAIM, b"{}")  # it has taken over
    new._versions["plan.jsonl"] = None
    new._bring(["plan.jsonl"])
    with pytest.raises(ProcessError, match="Another job has begun"):
        old._bring(["plan.jsonl"])
    assert Objects(url).read("plan.jsonl") == b"new"


def test_large_objects_come_in_parts_even_where_an_answer_breaks_off(
    url: str, server: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_module, "PART_BYTES", 100_000)
    monkeypatch.setattr(objects_module, "PIECE_BYTES", 1000)
    store, content = Objects(url), bytes(range(250)) * 1000
    store.write("large", content)
    server.asked.clear()
    server.broken.add("large")
    pieces: list[bytes] = []
    assert store.fetch("large", pieces.append, len(content))
    assert b"".join(pieces) == content and max(map(len, pieces)) <= 100_000
    assert server.asked.count(("GET", "large")) == 3 + 1
    assert not store.fetch("large", pieces.append, 7) and not store.fetch("absent", pieces.append)


@pytest.mark.parametrize(
    ("deaf", "why"),
    [
        ("IF_NONE_MATCH", r"If-None-Match.*Take a store with conditional writes"),
        ("IF_MATCH", r"If-Match.*Take a store with conditional writes"),
        ("ETAG", "ETag Header missing"),
    ],
)
def test_a_store_that_keeps_no_conditions_is_refused(url: str, server: Flaky, deaf: str, why: str) -> None:
    server.deaf.add(deaf)
    with pytest.raises(ConfigError, match=why):
        Claim(Objects(f"{url}-{deaf}"), "here").acquire(print)


def test_a_claim_of_which_an_answer_was_lost_is_kept(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = Claim(Objects(url), "here")
    claim.acquire(print)
    write = Objects.write
    monkeypatch.setattr(Objects, "write", lambda *words, **more: write(*words, **more) and None)
    claim.renew()
    monkeypatch.undo()
    claim.release()
    assert is_released(url)
    monkeypatch.setattr(claim.objects, "check_conditions", lambda name: None)
    monkeypatch.setattr(Objects, "write", lambda *words, **more: write(*words, **more) and None)
    claim.acquire(print)
    monkeypatch.undo()
    claim.renew()


def test_a_run_whose_store_is_gone_does_not_ask_it_once_more(url: str, server: Flaky) -> None:
    """Each question to a store that does not answer takes minutes."""
    claim = Claim(Objects(url), "here")
    claim.acquire(print)
    claim._lost = OutputError(url, "no answer")
    server.asked.clear()
    claim.release()
    assert not server.asked


def test_whoever_has_lost_a_claim_never_takes_it_back(url: str) -> None:
    first, second = (Claim(Objects(url), "here") for _ in range(2))
    first.acquire(print)
    second.acquire(print)
    for _ in range(2):
        with pytest.raises(ProcessError, match="Another job has begun"):
            first.renew()
    second.renew()

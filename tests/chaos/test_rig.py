"""The rig itself: what it kills comes back, what it arms strikes, and nothing outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos import failpoints
from tests.chaos.lineup import ChaosDesk

ROOT = Path(__file__).parent.parent.parent
HARNESS = """
import sys, time
from pathlib import Path
from tests.chaos.lineup import ChaosDesk
with ChaosDesk(Path(sys.argv[1]), seed=1, webs=1, workers=1) as desk:
    print(*desk.pids().values(), desk._supervisor.launcher.process.pid, flush=True)
    time.sleep(60)
"""


def until(so: Callable[[], object], *, within: float = 20.0) -> bool:
    give_up_at = time.monotonic() + within
    while not so():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.02)
    return True


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosDesk]:
    with ChaosDesk(tmp_path_factory.mktemp("rig"), seed=1, webs=1, workers=2) as desk:
        yield desk
        pids = [*desk.pids().values(), desk._supervisor.launcher.process.pid]
        desk.pause("worker", 60)
    assert not any(map(is_alive, pids)), "a desk that is left leaves nothing"


@pytest.mark.parametrize("kind", ["web", "worker", "beat", "exchange", "valkey", "postgres"])
def test_what_is_killed_comes_back(desk: ChaosDesk, kind: str) -> None:
    assert desk.wait_until_up()
    starts = desk.starts()[kind]

    death = desk.kill(kind)

    assert (death.role, death.cause, death.code) == (kind, "kill", -signal.SIGKILL)
    assert desk.wait_until_up(kind)
    assert desk.starts()[kind] == starts + 1
    assert death.pid not in desk.pids().values()


def test_postgres_recovers_from_an_immediate_stop(desk: ChaosDesk) -> None:
    death = desk.postgres_stop_immediate()

    assert death.cause == "stop"
    assert desk.wait_until_up("postgres")
    assert "not properly shut down" in desk.log_tail("postgres", 100_000)


def test_redis_stays_away_for_as_long_as_asked(desk: ChaosDesk) -> None:
    desk.redis_away(1.0)

    assert not desk.wait_until_up("valkey", within=0.7)
    assert desk.wait_until_up("valkey")


def test_a_paused_process_goes_on(desk: ChaosDesk) -> None:
    name = desk.pause("worker", 0.3)
    pid = desk.pids()[name]

    def state() -> str:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

    assert until(lambda: state() == "T")
    assert until(lambda: state() != "T")
    assert desk.pids()[name] == pid


def test_a_failpoint_kills_as_many_as_asked_and_says_so(desk: ChaosDesk) -> None:
    assert desk.wait_until_up()
    before = len(desk.deaths)

    desk.arm("beat_tick", times=1)

    assert until(lambda: len(desk.deaths) > before)
    death = desk.deaths[before]
    assert (death.role, death.cause, death.point) == ("beat", "failpoint", "beat_tick")
    assert [one.point for one in desk.struck() if one.pid == death.pid] == ["beat_tick"]
    assert desk.wait_until_up("beat")
    assert not desk.armed()


def test_a_failpoint_that_is_not_there_is_refused(desk: ChaosDesk) -> None:
    with pytest.raises(KeyError):
        desk.arm("after_lunch")


def test_a_mutant_of_the_desk_that_has_moved_is_loud() -> None:
    for target in failpoints.TARGETS:
        failpoints.resolve(target)
    with pytest.raises(AttributeError):
        failpoints.resolve("orders.sending.send_twice")
    with pytest.raises(AttributeError):
        failpoints.resolve("orders.haggling.haggle")


def test_nothing_outlives_the_harness(tmp_path: Path) -> None:
    harness = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HARNESS,
            str(tmp_path),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert harness.stdout is not None
    with harness.stdout:
        pids = [int(word) for word in harness.stdout.readline().split()]
    assert len(pids) == 8
    assert all(map(is_alive, pids))

    os.kill(harness.pid, signal.SIGKILL)
    harness.wait()

    assert until(lambda: not any(map(is_alive, pids)))

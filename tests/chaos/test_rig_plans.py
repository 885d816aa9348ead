"""The nemesis and the mutants, as far as they can be told without a running desk."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import Any

import psycopg
import pytest
from django.db import connection

from tests.chaos import mutants, nemesis
from tests.chaos.checking import CHECKS
from tests.chaos.failpoints import POINTS
from tests.chaos.lineup import ChaosDesk
from tests.chaos.nemesis import Action, Nemesis

INSTALL_ALL = """
import os
from tests.chaos import failpoints, mutants, sabotage

sabotage.load_the_desk()
failpoints.install()
for name in mutants.MUTANTS:
    child = os.fork()
    if child == 0:
        mutants.install(name)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, name
print(len(mutants.MUTANTS))
"""
TERSE = {
    "DESK_ENVIRONMENT": "embedded",
    "DESK_URL": "http://127.0.0.1:1",
    "DESK_SECRET_KEY": "x",
    "DESK_CREDENTIAL_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "DATABASE_URL": "postgresql://nowhere/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}


class Recorder:
    """Stands where a desk would, and notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.tokens: Counter[str] = Counter()

    def wait_until_up(self, role: str, *, within: float) -> bool:
        return True

    def armed(self) -> Counter[str]:
        return Counter(+self.tokens)

    def arm(self, point: str, dawdle: float | None = None) -> None:
        self.done.append(f"arm {point}")
        self.tokens[point] += 1

    def __getattr__(self, name: str) -> Any:
        if not hasattr(ChaosDesk, name):
            raise AttributeError(name)
        return lambda **how: self.done.append(f"{name} {how}")


def test_a_seed_is_a_plan() -> None:
    one = nemesis.plan(7, orders=1000, kills=40, per_window=2)

    assert one == nemesis.plan(7, orders=1000, kills=40, per_window=2)
    assert one != nemesis.plan(8, orders=1000, kills=40, per_window=2)


@pytest.mark.parametrize(("orders", "kills", "per_window"), [(300, 20, 1), (10_000, 200, 20)])
def test_a_plan_has_what_was_asked_for(orders: int, kills: int, per_window: int) -> None:
    plan = nemesis.plan(1, orders=orders, kills=kills, per_window=per_window)

    windows = Counter(a.how["point"] for a in plan if a.do == "arm" and "dawdle" not in a.how)
    assert windows == dict.fromkeys(POINTS, per_window)
    killed = Counter(a.how["kind"] for a in plan if a.do == "kill")
    assert killed.total() - killed["postgres"] == kills
    assert set(killed) >= {"worker", "web", "beat", "exchange", "valkey"}
    assert killed["postgres"] + sum(a.do == "postgres_stop_immediate" for a in plan) <= 3
    assert {a.how["link"] for a in plan if a.do == "partition"} == {"broker", "webhooks"}
    assert [a.after for a in plan] == sorted(a.after for a in plan)
    assert plan[-1].after < orders


def test_the_nemesis_waits_for_orders_and_never_arms_too_much() -> None:
    desk, placed = Recorder(), [0]
    plan = [
        *(Action(after=10, do="arm", how={"point": point}) for point in POINTS),
        Action(after=20, do="kill", how={"kind": "worker"}),
    ]

    with Nemesis(desk, plan, placed=lambda: placed[0]) as culprit:  # type: ignore[arg-type]
        time.sleep(0.2)
        assert desk.done == []
        placed[0] = 10
        until(lambda: len(desk.done) >= nemesis.AT_ONCE)
        assert len(desk.done) == nemesis.AT_ONCE  # and nothing more while those lie about
        desk.tokens.clear()
        until(lambda: len(desk.done) >= 2 * nemesis.AT_ONCE)
        placed[0] = 20
        until(lambda: "kill {'kind': 'worker'}" in desk.done)  # it waits for no token
        while not culprit.is_over:
            desk.tokens.clear()
            time.sleep(0.01)

    assert Counter(desk.done) == Counter(
        [*(f"arm {point}" for point in POINTS), "kill {'kind': 'worker'}"]
    )


def test_a_nemesis_that_is_left_stops() -> None:
    with Nemesis(Recorder(), [Action(after=1, do="kill")], placed=lambda: 0):  # type: ignore[arg-type]
        pass

    assert not [t for t in threading.enumerate() if t.name == "nemesis"]


def test_every_check_has_a_mutant_that_it_must_catch() -> None:
    assert {check for one in mutants.MUTANTS.values() for check in one.expected} == set(CHECKS)
    assert len(mutants.MUTANTS) >= 14


@pytest.mark.parametrize("name", mutants.MUTANTS)
def test_what_makes_a_mutant_show_can_be_done(name: str) -> None:
    aim = mutants.MUTANTS[name].aim

    actions = nemesis.aimed(aim)

    assert bool(actions) == bool(aim.trouble)
    for action in actions:
        assert callable(getattr(ChaosDesk, action.do))
        assert action.how.get("point", "mid_write") in POINTS


def test_every_mutant_finds_what_it_mutilates() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", INSTALL_ALL],
        env={**os.environ, **TERSE},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout.strip()) == (0, str(len(mutants.MUTANTS))), done.stderr


@pytest.mark.django_db
@pytest.mark.parametrize("name", [name for name, one in mutants.MUTANTS.items() if one.guards])
def test_the_guards_in_a_mutants_way_can_be_taken_down(name: str) -> None:
    connection.ensure_connection()
    given = connection.get_connection_params()
    known = {"host", "port", "user", "password", "dbname"} & given.keys()
    with psycopg.connect(**{key: given[key] for key in known}) as other:
        mutants.prepare(name, other)
        other.rollback()


def until(so: Any) -> None:
    give_up_at = time.monotonic() + 10
    while not so():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)

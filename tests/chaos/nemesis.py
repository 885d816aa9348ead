"""What goes wrong with our own processes, and when: decided by a seed, paced by the orders placed.

    actions = nemesis.plan(seed=1, orders=10_000, kills=200, per_window=20)
    with Nemesis(desk, actions, placed=lambda: driver.released) as nemesis:
        ...                              # drive
    nemesis.done                         # what was done, and when

The same seed gives the same actions in the same order. An action waits until what it is about is
there: nothing is killed while it is still coming back, so the desk is never gone for long.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from types import TracebackType
from typing import Any

from redis import RedisError

from tests.chaos.failpoints import KILL, POINTS
from tests.chaos.lineup import BROKER, DOWN, UP, WEBHOOKS, ChaosDesk, Unstartable
from tests.chaos.mutants import Aim

# Out of a hundred kills at any moment. PostgreSQL is counted apart.
KILLS: Mapping[str, int] = {"worker": 48, "web": 20, "beat": 12, "exchange": 12, "valkey": 8}
# Of each, one to so many kills.
BESIDES: Mapping[str, int] = {
    "pause": 4,
    "cut_after": 4,
    "reset": 6,
    "latency": 6,
    "partition": 8,
    "dawdle": 5,
    "redis_flush": 15,
    "skew": 20,
}
# Where a thread that dawdles finds the world changed: past the guard, past the lease's begin.
DAWDLES = ("before_claim_commit", "after_claim_commit", "before_write", "before_record_commit")
CALM_BEFORE, CALM_AFTER = 0.02, 0.97  # of the orders: time to come up, time to meet what is armed
AT_ONCE = 4  # tokens that lie about at the same time: more would take every worker at once
NEEDS = {"postgres_stop_immediate": "postgres", "redis_flush": "valkey", "skew": "worker"}
BACK_WITHIN = 20.0  # seconds for what is to be killed to be there again
LOOK_EVERY = 0.05
PASSED_BY = 3.0  # seconds after which a token that nobody took is in nobody's way
APART = 0.3  # seconds between two actions

Wrong = tuple[str, dict[str, Any]]  # what to do, and how


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do to the desk, once so many orders have been placed.

    `do` names a method of `ChaosDesk`, and `how` is what it is called with.
    """

    after: int
    do: str
    how: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(f"{name} {value}" for name, value in self.how.items())
        return f"{self.do} {told}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One thing that was done, or could not be."""

    at: float  # unix seconds
    placed: int
    action: Action
    failure: str = ""


def plan(
    seed: int,
    *,
    orders: int,
    kills: int,
    per_window: int,
    longest: float | None = None,
) -> tuple[Action, ...]:
    """Return what is to go wrong: so many kills at any moment, and so many in each crash window.

    No outage is longer than `longest` seconds: 60, or less for a short run.
    """
    dice = random.Random(f"{seed}:nemesis")
    longest = min(60.0, orders / 25) if longest is None else longest
    begun = [
        *_kills(dice, kills),
        *_outages(orders, longest),
        *_besides(dice, kills, longest),
    ]
    dice.shuffle(begun)
    windows: list[Wrong] = [
        ("arm", {"point": point}) for _ in range(per_window) for point in _round(dice)
    ]
    actions = [*_spread(dice, begun, orders), *_spread(dice, windows, orders)]
    return tuple(sorted(actions, key=lambda action: action.after))


def aimed(aim: Aim) -> tuple[Action, ...]:
    """Return what makes one mutant show itself: each of its troubles in turn, all run long."""
    moments = range(min(aim.every, 6), int(aim.orders * CALM_AFTER), aim.every)
    return tuple(
        Action(after=after, do=do, how=how)
        for after, (do, how) in zip(moments, cycle(aim.trouble), strict=False)
    )


def _kills(dice: random.Random, kills: int) -> Iterator[Wrong]:
    every = sum(KILLS.values())
    shares = {role: max(1, kills * weight // every) for role, weight in KILLS.items()}
    shares["worker"] += max(kills - sum(shares.values()), 0)
    for role, share in shares.items():
        for _ in range(share):
            yield "kill", {"kind": role}


def _outages(orders: int, longest: float) -> Iterator[Wrong]:
    """PostgreSQL and Redis away: rarely, because nobody gets anything done meanwhile."""
    for number in range(max(1, min(orders // 3000, 3))):
        yield ("kill", {"kind": "postgres"}) if number % 2 else ("postgres_stop_immediate", {})
    for _ in range(max(1, min(orders // 2500, 4))):
        yield "redis_away", {"seconds": longest}


def _besides(dice: random.Random, kills: int, longest: float) -> Iterator[Wrong]:
    for what, one_in in BESIDES.items():
        for number in range(max(1, kills // one_in)):
            yield _one(dice, what, number, longest)


def _one(dice: random.Random, what: str, number: int, longest: float) -> Wrong:
    def seconds(least: float, most: float) -> float:
        return round(dice.uniform(min(least, longest), min(most, longest)), 1)

    link = {"link": (BROKER, WEBHOOKS)[number % 2]}
    match what:
        case "pause":
            kind = dice.choice(("worker", "worker", "web", "beat", "exchange", "valkey"))
            how = {"kind": kind, "seconds": seconds(1, 10)}
        case "cut_after":
            way = dice.choice((UP, DOWN))
            how = {**link, "n_bytes": dice.randint(0, 600), "way": way, "times": 2}
        case "latency":
            how = {**link, "ms": dice.randint(20, 800), "seconds": seconds(2, 8)}
        case "partition":
            kind = ("silence", "refuse")[number // 2 % 2]
            how = {**link, "seconds": seconds(1, 15), "how": kind}
        case "dawdle":
            what, how = "arm", {"point": dice.choice(DAWDLES), "dawdle": seconds(1.2, 6)}
        case "skew":
            # Back to the right time again sooner or later, else all end up wrong together.
            off = dice.choice((-300, 300)) if number % 2 == 0 else 0
            how = {"worker_index": dice.randrange(3), "seconds": off}
        case _:
            how = link if what == "reset" else {}
    return what, how


def _round(dice: random.Random) -> list[str]:
    points = list(POINTS)
    dice.shuffle(points)
    return points


def _spread(dice: random.Random, things: Sequence[Wrong], orders: int) -> Iterator[Action]:
    """Give each its moment: evenly, a little jittered, in this order."""
    room = orders * (CALM_AFTER - CALM_BEFORE)
    for number, (do, how) in enumerate(things):
        share = (number + dice.uniform(0.1, 0.9)) / len(things)
        yield Action(after=int(orders * CALM_BEFORE + room * share), do=do, how=how)


class Nemesis:
    """Does what was planned to a desk, from a thread of its own."""

    def __init__(
        self,
        desk: ChaosDesk,
        actions: Sequence[Action],
        *,
        placed: Callable[[], int],
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.done: list[Done] = []
        self._desk, self._actions, self._placed = desk, actions, placed
        self._say = say or (lambda _: None)
        self._owed: deque[Action] = deque()  # points to be armed when there is room
        self._armed_at: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nemesis", daemon=True)

    def __enter__(self) -> Nemesis:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Do nothing more, and return once nothing is being done."""
        self._stopping.set()
        self._thread.join()

    @property
    def is_over(self) -> bool:
        """Whether all that was planned has been done, and every point armed."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        for action in self._actions:
            while self._placed() < action.after:
                self._arm_owed()
                if self._stopping.wait(LOOK_EVERY):
                    return
            if action.do == "arm" and "dawdle" not in action.how:
                self._owed.append(action)
                self._arm_owed()
            else:
                self._do(action)
                if self._stopping.wait(APART):
                    return
        while self._owed and not self._stopping.wait(LOOK_EVERY):
            self._arm_owed()

    def _arm_owed(self) -> None:
        """Arm what there is room for. A point that nobody passes for long takes up none."""
        waiting = self._desk.armed()
        passed_by = time.monotonic() - PASSED_BY
        room = AT_ONCE - sum(self._armed_at.get(point, 0.0) > passed_by for point in waiting)
        for action in tuple(self._owed):
            point = action.how["point"]
            if room > 0 and not waiting[point]:
                self._owed.remove(action)
                self._armed_at[point] = time.monotonic()
                waiting[point] += 1
                room -= 1
                self._do(action)

    def _do(self, action: Action) -> None:
        failure = ""
        try:
            about = action.how.get("kind", NEEDS.get(action.do))
            if about is not None:  # what is still coming back is left to come back
                self._desk.wait_until_up(about, within=BACK_WITHIN)
            getattr(self._desk, action.do)(**action.how)
        except (Unstartable, OSError, RedisError) as error:
            failure = str(error)
        done = Done(at=time.time(), placed=self._placed(), action=action, failure=failure)
        self.done.append(done)
        self._say(f"{action}{': ' * bool(failure)}{failure}")

    def counted(self) -> Counter[str]:
        """Return how often each thing was done."""
        return Counter(done.action.do for done in self.done if not done.failure)

    def windows(self) -> dict[str, int]:
        """Return how many processes have died in each crash window."""
        died = Counter(one.point for one in self._desk.struck() if one.what == KILL)
        return {point: died[point] for point in POINTS}

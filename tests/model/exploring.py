"""Walks through every world that can be reached, the nearest first, and finds the shortest way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from orders.states import UNSENT, AttemptState, Submission
from tests.model import desk, outside
from tests.model.promises import Promise, settled
from tests.model.rules import Personality, Rules
from tests.model.world import CLAIMED, World

S, A = Submission, AttemptState
STEPS = desk.STEPS + outside.STEPS


@dataclass
class Explored:
    """Every world that was reached, and by which step from which world it first was."""

    reached: dict[World, tuple[World, str] | None]
    steps: int = 0
    # What the two tables of `orders.states` would have to allow.
    moves: set[tuple[Submission, Submission]] = field(default_factory=set)
    attempt_moves: set[tuple[AttemptState, AttemptState]] = field(default_factory=set)
    leads_to: dict[World, list[World]] = field(default_factory=dict)

    def way_to(self, world: World) -> tuple[str, ...]:
        """Return the shortest sequence of steps to a world."""
        words: list[str] = []
        came = self.reached[world]
        while came is not None:
            world, said = came
            words.append(said)
            came = self.reached[world]
        return tuple(reversed(words))

    def dead_ends(self) -> list[World]:
        """Return the worlds from which no settled one can be reached any more."""
        comes_from: dict[World, list[World]] = {}
        for world, afters in self.leads_to.items():
            for after in afters:
                comes_from.setdefault(after, []).append(world)
        good = {world for world in self.reached if settled(world)}
        waiting = list(good)
        while waiting:
            for before in comes_from.get(waiting.pop(), ()):
                if before not in good:
                    good.add(before)
                    waiting.append(before)
        return [world for world in self.reached if world not in good]


class Broken(Exception):
    """A promise is broken, and `way` is the shortest way to it."""

    def __init__(self, promise: Promise, way: tuple[str, ...]) -> None:
        super().__init__(f"{promise.__name__}: " + " → ".join(way))
        self.promise, self.way = promise, way


def explore(rules: Rules, broker: Personality, *promises: Promise) -> Explored:
    """Reach every world there is. Raises Broken at the first step that breaks a promise."""
    start = World()
    explored = Explored({start: None})
    queue = [start]
    for before in queue:  # grows as it goes: breadth first
        afters = explored.leads_to[before] = []
        for words, after in following(before, rules, broker):
            if after == before:
                continue
            explored.steps += 1
            afters.append(after)
            _note_moves(explored, before, after)
            if after not in explored.reached:
                explored.reached[after] = before, words
                queue.append(after)
            for promise in promises:
                if not promise(before, after, rules, broker):
                    raise Broken(promise, (*explored.way_to(before), words))
    return explored


def following(world: World, rules: Rules, broker: Personality) -> Iterator[tuple[str, World]]:
    """Yield every step that may be taken next, in words, and the world it leads to."""
    for steps in STEPS:
        for words, after in steps(world, rules, broker):
            yield words, _tidy(after, rules)


def _tidy(world: World, rules: Rules) -> World:
    """Forget what can't matter any more, so that worlds that can't differ in it are one."""
    may_be_sent_yet = world.submission in {*UNSENT, S.SENDING} or not (
        rules.claims_first and rules.leaves_absent_alone
    )
    if (world.late or world.halted) and not may_be_sent_yet:
        world = world._replace(late=False, halted=False)
    in_doubt = world.submission is S.UNKNOWN
    if not in_doubt and (world.doubted_for or world.misses):
        world = world._replace(doubted_for=0, misses=0, last_miss=False)
    is_timed = (
        in_doubt
        or A.SENDING in world.attempts
        or any(worker.doing == CLAIMED for worker in world.workers)
        or any(request.ours for request in world.wire)
    )
    if not is_timed and world.armed_for:
        world = world._replace(armed_for=0)
    if not is_timed and any(order.hidden_for for order in world.orders):
        shown = tuple(order._replace(hidden_for=0) for order in world.orders)
        world = world._replace(orders=shown)
    return world


def _note_moves(explored: Explored, before: World, after: World) -> None:
    if before.submission is not after.submission:
        explored.moves.add((before.submission, after.submission))
    explored.attempt_moves.update(
        (was, became)
        for was, became in zip(before.attempts, after.attempts, strict=False)
        if was is not became
    )

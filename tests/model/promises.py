"""What must hold, whatever happens. Each promise looks at one step: what was, and what came of it.

S3, that no world is a dead end, is about all worlds at once: see `exploring.Explored`.
"""

from __future__ import annotations

from collections.abc import Callable

from orders.states import IN_FLIGHT, NEVER_LEFT, UNSENT, Submission
from tests.model.rules import Personality, Rules
from tests.model.world import CLAIMED, WROTE, World

S = Submission
Promise = Callable[[World, World, Rules, Personality], bool]

SAYS_IT_IS_NOT_THERE = UNSENT | NEVER_LEFT | {S.REFUSED, S.ABSENT}


def once(before: World, after: World, rules: Rules, broker: Personality) -> bool:
    """S1: an intent has one order at its broker, or none."""
    return len(after.orders) <= 1


def honest(before: World, after: World, rules: Rules, broker: Personality) -> bool:
    """S2: what is said not to be at the broker is not there, and can't get there any more.

    Two exceptions, both documented: a person who was told wrong by the broker's support, and a
    broker that breaks its word. The order is adopted once it shows, and that is an incident.
    """
    if before.submission in SAYS_IT_IS_NOT_THERE and after.submission is S.ACCEPTED:
        return after.incident
    if after.ruled or broker.breaks_its_word:
        return True
    may_be_there = bool(after.orders) or bool(after.wire)
    return not (may_be_there and after.submission in SAYS_IT_IS_NOT_THERE)


def in_time(before: World, after: World, rules: Rules, broker: Personality) -> bool:
    """S4: no claim is committed after submit_by or a halt, and no byte leaves but on a fresh claim.

    What was claimed before a halt may leave after it, for as long as a claim is good.
    """
    if after.submission is S.SENDING and before.submission is not S.SENDING:
        return not before.late and not before.halted
    if after.sent > before.sent:
        is_claimed = before.submission not in SAYS_IT_IS_NOT_THERE
        return is_claimed and before.armed_for < rules.first_byte_by
    return True


def settled(world: World) -> bool:
    """Whether desk and broker agree, and nothing is under way."""
    if world.submission in UNSENT | IN_FLIGHT or world.wire:
        return False
    if any(worker.doing in {CLAIMED, WROTE} for worker in world.workers):
        return False
    if world.cancel_asked and any(order.state == "live" for order in world.orders):
        return False
    return bool(world.orders) == (world.submission is S.ACCEPTED)

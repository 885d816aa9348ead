"""C1 to C15: what must be so once everything has gone wrong. Each is a function of a `World`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tests.chaos.checking import (
    books,
    doubting,
    honesty,
    keeping,
    protecting,
    sending,
    trusting,
)
from tests.chaos.checking.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the promise, and the function that looks for what breaks it."""

    says: str
    violations: Callable[[World], Iterable[str]]


CHECKS: Mapping[str, Check] = {
    "C1": Check(
        says="At most one broker order per intent, and one request of ours",
        violations=sending.sent_twice,
    ),
    "C2": Check(
        says="Every broker order of ours is one row with the same terms",
        violations=books.orders_differ,
    ),
    "C3": Check(
        says="Executions equal both ways; sums and averages exact",
        violations=books.executions_differ,
    ),
    "C4": Check(says="Final statuses equal once quiet", violations=books.statuses_differ),
    "C5": Check(
        says="Nothing in flight or in doubt past its time without a person told",
        violations=doubting.left_in_doubt,
    ),
    "C6": Check(
        says="No view said rejected, cancelled or not sent of a live order",
        violations=honesty.untrue_views,
    ),
    "C7": Check(
        says="Every acknowledged intent and webhook survived",
        violations=keeping.acknowledged_and_lost,
    ),
    "C8": Check(says="Audit chains whole, every transition covered", violations=keeping.audit_gaps),
    "C9": Check(
        says="No order reached the broker after a halt", violations=sending.sent_when_halted
    ),
    "C10": Check(says="Positions equal", violations=books.positions_differ),
    "C11": Check(
        says="Nothing unsigned, stale or foreign had effect",
        violations=trusting.strangers_believed,
    ),
    "C12": Check(says="No secret anywhere", violations=trusting.secrets_shown),
    "C13": Check(says="Nothing sent after its submit_by", violations=sending.sent_late),
    "C14": Check(says="Nothing leaked, queues drained", violations=keeping.left_over),
    "C15": Check(
        says="What a bracket opened has its stop at the exchange, or a person was told",
        violations=protecting.left_bare,
    ),
}
BOOKS = ("C2", "C3", "C4", "C5", "C10", "C15")  # what needs time after the last fault to come right


def check_all(world: World, names: Iterable[str] = CHECKS) -> dict[str, list[str]]:
    """Return what breaks each check; an empty list is a check that holds."""
    return {name: list(CHECKS[name].violations(world)) for name in names}

"""What a broker's answer proves: one table, the same for every adapter.

Only a whole answer in the broker's own words proves anything. A status code
alone is as likely to come from whatever stands between us.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from brokers.errors import AuthRefused, DuplicateId, OutcomeUnknown, Refused
from brokers.messages import Call
from brokers.reasons import Reason, reason_of


class Verdict(StrEnum):
    """What one answer to a request proves."""

    ANSWERED = "answered"  # the broker took it; whether we can read it is another question
    REFUSED = "refused"  # the broker itself said no, for good: nothing was done
    AUTH_REFUSED = "auth_refused"
    DUPLICATE = "duplicate"  # it has an order by this id: ours, most likely
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Problem:
    """A broker's own structured no."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """The codes an adapter knows. A code on none of these lists proves nothing."""

    definitive: frozenset[str]
    duplicate: frozenset[str]
    absent: frozenset[str]  # to a read: there is no such thing
    absent_status: int = 404  # and the status that goes with it
    dialect: str = ""  # whose words they are: a table in `brokers.reasons`
    relays: bool = False  # what it forbids may be its broker's word, on a second try of its own


# Said by servers and proxies that are busy, early or late, about requests they may yet carry out.
UNDECIDED = frozenset({408, 409, 425, 429})


def classify(status: int, problem: Problem | None, refusals: Refusals) -> Verdict:
    """Say what an answer of this status, with this problem in its body, proves."""
    if 200 <= status < 300:
        return Verdict.ANSWERED
    if problem is not None and problem.code in refusals.duplicate:
        return Verdict.DUPLICATE
    if status in UNDECIDED or not 400 <= status < 500:
        return Verdict.UNKNOWN
    if problem is not None and problem.code in refusals.definitive:
        return Verdict.REFUSED
    forbidden = {401} if refusals.relays else {401, 403}
    if status in forbidden and problem is not None:  # a bare one is as likely a proxy's
        return Verdict.AUTH_REFUSED
    return Verdict.UNKNOWN


def is_absence(status: int, problem: Problem | None, refusals: Refusals) -> bool:
    """Say whether an answer to a read is the broker's own word that there is no such thing."""
    return (
        status == refusals.absent_status and problem is not None and problem.code in refusals.absent
    )


def raise_for(
    verdict: Verdict, problem: Problem | None, *, call: Call, dialect: str = ""
) -> NoReturn:
    """Raise what a verdict other than ANSWERED means to the desk, and why in its own words."""
    code = "" if problem is None else problem.code
    words = f"{call.status}" if problem is None else problem.message or problem.code
    match verdict:
        case Verdict.REFUSED:
            reason = reason_of(dialect, call.status or 0, code, words)
            raise Refused(words, code=code, reason=reason, call=call)
        case Verdict.AUTH_REFUSED:
            raise AuthRefused(
                f"The broker does not take our credentials: {words}",
                code=code or "auth",
                reason=Reason.UNAUTHORIZED,
                call=call,
            )
        case Verdict.DUPLICATE:
            raise DuplicateId(words, call=call)
        case _:
            raise OutcomeUnknown(f"An answer that proves nothing: {words}", call=call)

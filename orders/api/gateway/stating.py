"""Says how an order stands in the Gateway's one word for the desk's two axes.

It has eight words, and its clients know no others: one more, and a whole list can't be read. What
has no word of its own gets the one whose consequences are the same:

- Recorded, on the wire, or in doubt: PENDING. It may be live, and is open until that is settled.
- Refused, kept back by a limit or a halt, or proved never to have arrived: REJECTED.
- Withdrawn before it left: CANCELLED. Too old to be sent: EXPIRED.
- Replaced: CANCELLED. It has ended, and what took its place is another order.
- In a word of the broker's that nobody here knows: OPEN, and never final.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Q

from brokers.vocabulary import Status
from orders.models import Order
from orders.states import Submission

UNHEARD: Mapping[Submission, str] = {
    Submission.AWAITING_APPROVAL: "PENDING",
    Submission.READY: "PENDING",
    Submission.SENDING: "PENDING",
    Submission.UNKNOWN: "PENDING",
    Submission.ACCEPTED: "PENDING",  # the broker has it, and has not said how it stands
    Submission.REFUSED: "REJECTED",
    Submission.BLOCKED: "REJECTED",
    Submission.ABSENT: "REJECTED",
    Submission.WITHDRAWN: "CANCELLED",
    Submission.EXPIRED_UNSENT: "EXPIRED",
}
HEARD: Mapping[str, str] = {
    Status.PENDING_NEW: "PENDING",
    Status.HELD: "PENDING",  # a leg that waits for its entry to fill
    Status.PENDING_CANCEL: "PENDING_CANCEL",
    Status.FILLED: "FILLED",
    Status.CANCELED: "CANCELLED",
    Status.REPLACED: "CANCELLED",
    Status.EXPIRED: "EXPIRED",
    Status.REJECTED: "REJECTED",
}
WORKING = frozenset({"PENDING", "PENDING_CANCEL", "OPEN", "PARTIALLY_FILLED"})
FINAL = frozenset({"FILLED", "CANCELLED", "REJECTED", "EXPIRED"})


def status(order: Order) -> str:
    """Return an order's status."""
    if order.submission != Submission.ACCEPTED or order.status is None:
        heard = UNHEARD[Submission(order.submission)]
    else:
        heard = HEARD.get(order.status, "OPEN")
    if heard in FINAL:
        return heard
    if order.cancel_requested_at is not None:
        return "PENDING_CANCEL"
    if heard in {"OPEN", "PENDING"} and order.filled_quantity:
        return "PARTIALLY_FILLED"
    return heard


def ended_as(words: frozenset[str]) -> Q:
    """Return what finds the orders that have ended in one of some words."""
    unsent = [state for state, word in UNHEARD.items() if word in words & FINAL]
    told = [status for status, word in HEARD.items() if word in words & FINAL]
    return Q(submission__in=unsent) | Q(submission=Submission.ACCEPTED, status__in=told)

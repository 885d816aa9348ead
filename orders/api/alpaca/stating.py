"""Says how an order stands in Alpaca's one word for the desk's two axes.

Its clients know these words and no others: one more, and a whole answer can't be read. What
has no word of its own gets the one whose consequences are the same:

- Recorded and not yet sent: `accepted`. It can be cancelled, not replaced.
- On the wire, or in doubt: `pending_new`. It may be live, and is open until that is settled.
- Refused, kept back by a limit or a halt, or proved never to have arrived: `rejected`.
- Withdrawn before it left: `canceled`. Too old to be sent: `expired`.
- In a word of the broker's that nobody here knows: `accepted`, which is all that is certain, or
  `partially_filled`. Never final.

A cancel that is under way, or waits for an order in doubt to be found, is `pending_cancel`; a
replacement that is not settled makes the order that it replaces `pending_replace`.
"""

from __future__ import annotations

from collections.abc import Mapping

from brokers.vocabulary import Status
from orders.models import Order
from orders.states import IN_FLIGHT, UNSENT, Submission

UNHEARD: Mapping[Submission, str] = {
    Submission.AWAITING_APPROVAL: "pending_review",
    Submission.READY: "accepted",
    Submission.SENDING: "pending_new",
    Submission.UNKNOWN: "pending_new",
    Submission.ACCEPTED: "pending_new",  # the broker has it, and has not said how it stands
    Submission.REFUSED: "rejected",
    Submission.BLOCKED: "rejected",
    Submission.ABSENT: "rejected",
    Submission.WITHDRAWN: "canceled",
    Submission.EXPIRED_UNSENT: "expired",
}
STATES = frozenset(UNHEARD.values()) | frozenset(map(str, Status)) - {Status.INDETERMINATE.value}
FINAL = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})


def status(order: Order) -> str:
    """Return an order's status. `successor_submission` says how far its replacement got."""
    if order.has_ended:
        return heard(order)
    if order.cancel_requested_at is not None:
        return "pending_cancel"
    if getattr(order, "successor_submission", None) in UNSENT | IN_FLIGHT:
        return "pending_replace"
    return heard(order)


def of_foretold(entry: Order) -> str:
    """Return the status of a leg that nobody has told of yet: it waits, or went with its entry."""
    word = status(entry)
    ended_bare = word in FINAL - {"filled", "replaced"} and not entry.filled_quantity
    return word if ended_bare else "held"


def heard(order: Order) -> str:
    """Return its status whatever is asked of it: a pending cancel or replace does not show."""
    submission = Submission(order.submission)
    if submission is not Submission.ACCEPTED or order.status is None:
        return UNHEARD[submission]
    if order.status == Status.INDETERMINATE:
        return "partially_filled" if order.filled_quantity else "accepted"
    return str(order.status)

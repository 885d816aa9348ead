"""How an order's state reads: one badge for what it is, small marks for what hangs over it.

The two axes meet here, and only here. A word never says more than what is
proved: what never left this desk is not called rejected, and a cancel that was
asked for is not called cancelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from brokers.vocabulary import Status
from orders.deriving import Flag
from orders.models import Order
from orders.money import plain
from orders.states import Submission


@dataclass(frozen=True, slots=True)
class Badge:
    """A word, the icon and the tone that go with it, and a sentence for whoever asks."""

    tone: str  # names the colours in static/desk/states.css
    icon: str  # names a symbol in static/desk/icons.svg
    word: str
    says: str = ""


OURS = {
    Submission.AWAITING_APPROVAL: Badge(
        "approval", "hourglass", "Awaiting approval", "A second person must approve it first."
    ),
    Submission.READY: Badge("ready", "clock", "Ready", "Recorded here. About to be sent."),
    Submission.SENDING: Badge("sending", "arrow", "Sending", "On its way. Not answered yet."),
    Submission.UNKNOWN: Badge(
        "doubt", "question", "In doubt", "It may be live. Don't enter it again."
    ),
    Submission.REFUSED: Badge("rejected", "stop", "Rejected", "The broker said no."),
    Submission.ABSENT: Badge(
        "ended", "cross", "Never arrived", "It was looked for until its absence was proved."
    ),
    Submission.WITHDRAWN: Badge(
        "unsent", "cross", "Withdrawn", "Cancelled before it left this desk."
    ),
    Submission.EXPIRED_UNSENT: Badge(
        "unsent", "clock", "Not sent", "It waited too long, and never left this desk."
    ),
    Submission.BLOCKED: Badge("unsent", "barred", "Blocked", "It never left this desk."),
}

THEIRS = {
    Status.PENDING_NEW: Badge("working", "dot", "Submitting", "The broker has it."),
    Status.ACCEPTED: Badge("working", "dot", "Accepted", "The broker has it."),
    Status.HELD: Badge("held", "ring", "Held", "The broker holds it back for now."),
    Status.NEW: Badge("working", "dot", "Working", "Placed and working."),
    Status.PARTIALLY_FILLED: Badge("partial", "half", "Part-filled", "Partly filled, and working."),
    Status.STOPPED: Badge("working", "dot", "Stopped", "A trade is guaranteed, not done yet."),
    Status.SUSPENDED: Badge("held", "ring", "Suspended", "The broker does not work it for now."),
    Status.DONE_FOR_DAY: Badge("held", "ring", "Done for day", "It works again tomorrow."),
    Status.CALCULATED: Badge("held", "ring", "Settling", "Done for the day, being settled."),
    Status.FILLED: Badge("filled", "tick", "Filled", "Complete."),
    Status.CANCELED: Badge("ended", "cross", "Cancelled", "Cancelled, as the broker says."),
    Status.EXPIRED: Badge("ended", "clock", "Expired", "Its time ran out."),
    Status.REJECTED: Badge("rejected", "stop", "Rejected", "The broker said no."),
    Status.REPLACED: Badge("ended", "swap", "Replaced", "Another order took its place."),
}

FLAGS = {
    Flag.FILLS_MISSING: Badge(
        "warning", "warning", "Fills missing", "The broker claims more than we were told."
    ),
    Flag.NEEDS_CONFIRM: Badge(
        "warning", "warning", "Unconfirmed", "We were told of more than the broker claims now."
    ),
    Flag.OVERFILL: Badge("conflict", "warning", "Overfill", "More was filled than was ordered."),
    Flag.TERMINAL_CONFLICT: Badge(
        "conflict", "warning", "Conflict", "The broker's last words contradict each other."
    ),
    Flag.FILL_ON_REJECTED: Badge(
        "conflict", "warning", "Filled though rejected", "The broker rejected it, and filled it."
    ),
    Flag.HAS_BUST: Badge("warning", "warning", "Bust", "A trade of it was taken back."),
}

SEVERITIES = {
    "critical": Badge("rejected", "warning", "Critical", "Money may be at risk now."),
    "warning": Badge("warning", "warning", "Warning", "Something is not as it should be."),
    "notice": Badge("ended", "dot", "Notice", "Worth knowing."),
}

CONFLICT = Badge("conflict", "warning", "Conflict", "The broker has another order under our id.")
SECOND_ORDER = Badge("conflict", "warning", "Second order", CONFLICT.says)
CANCEL_ASKED = Badge("pending", "clock", "Cancel pending", "Asked for. No last word yet.")
CANCEL_ON_SIGHT = Badge("pending", "clock", "Cancel on sight", "As soon as it is found.")
CANCEL_REFUSED = "Cancel refused"
ESCALATED = Badge("doubt", "warning", "Overdue", "In doubt for too long. Still being looked for.")


BEING_CLOSED = Badge("pending", "clock", "To be closed", "What it opened is to be closed.")
NOT_PROTECTED = Badge(
    "rejected", "warning", "Not protected", "What it filled has no protection that is proven."
)


def badge(order: Order) -> Badge:
    """Return what an order is, in a word."""
    if order.submission == Submission.UNKNOWN and order.conflict_at is not None:
        return CONFLICT
    if order.submission != Submission.ACCEPTED:
        return OURS[Submission(order.submission)]
    if order.status in THEIRS:
        return THEIRS[Status(order.status)]
    said = order.raw_status or "nothing"
    return Badge("warning", "question", f"“{said}”", "A word of the broker's that we don't know.")


def marks(order: Order) -> Iterator[Badge]:
    """Yield what hangs over an order: requests without a last word, and whatever is not right."""
    if order.cancel_requested_at is not None and not order.has_ended:
        yield CANCEL_ON_SIGHT if order.is_in_doubt else CANCEL_ASKED
    if order.cancel_refused and not order.has_ended:
        yield Badge("warning", "stop", CANCEL_REFUSED, order.cancel_refused)
    if order.escalated_at is not None and order.is_in_doubt:
        yield ESCALATED
    if order.conflict_at is not None and order.submission != Submission.UNKNOWN:
        yield SECOND_ORDER
    if order.flatten_at is not None:
        yield BEING_CLOSED
    if order.unprotected_since is not None:
        yield NOT_PROTECTED
    for flag in order.flags:
        yield FLAGS[Flag(flag)]


def note(order: Order) -> str:
    """Return the few words that belong beside the badge: why, or how much of it was done."""
    if order.has_ended and order.quantity and 0 < order.filled_quantity < order.quantity:
        return f"{plain(order.filled_quantity)} of {plain(order.quantity)} filled"
    if order.is_in_doubt:
        return ""
    return order.submission_reason or order.reason

"""How far sending got: the one-way submission table. What a broker says is the other axis.

    AWAITING_APPROVAL → READY → SENDING → ACCEPTED | REFUSED | UNKNOWN

The database holds the same table in a trigger (`orders.models.order`), and a
test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices


class Submission(TextChoices):
    AWAITING_APPROVAL = "awaiting_approval", "Awaiting approval"
    READY = "ready", "Ready"  # recorded here, not yet claimed by a sender
    SENDING = "sending", "Sending"  # claimed by one sender, and perhaps on the wire
    ACCEPTED = "accepted", "Accepted"  # the broker has it
    REFUSED = "refused", "Refused"  # the broker said no, and meant it
    UNKNOWN = "unknown", "In doubt"  # sent, and nobody can say whether the broker has it
    ABSENT = "absent", "Absent"  # looked for until its absence was proved
    WITHDRAWN = "withdrawn", "Withdrawn"  # cancelled before it left this desk
    EXPIRED_UNSENT = "expired_unsent", "Expired unsent"  # waited past its submit_by
    BLOCKED = "blocked", "Blocked"  # a limit or a halt kept it here


S = Submission

NEXT: Mapping[Submission, frozenset[Submission]] = {
    S.AWAITING_APPROVAL: frozenset({S.READY, S.WITHDRAWN, S.EXPIRED_UNSENT, S.BLOCKED}),
    # To ACCEPTED only if the broker shows the order before we sent it, or after we had proof
    # that we did not: then it must not be sent again, whoever was wrong.
    S.READY: frozenset({S.SENDING, S.WITHDRAWN, S.EXPIRED_UNSENT, S.BLOCKED, S.ACCEPTED}),
    # Back to READY only by the sender itself, on proof that no byte left.
    S.SENDING: frozenset({S.ACCEPTED, S.REFUSED, S.UNKNOWN, S.READY}),
    S.UNKNOWN: frozenset({S.ACCEPTED, S.REFUSED, S.ABSENT}),
    # We believed the broker, or our own search, and the order turned up after all.
    S.REFUSED: frozenset({S.ACCEPTED}),
    S.ABSENT: frozenset({S.ACCEPTED}),
    S.ACCEPTED: frozenset(),
    S.WITHDRAWN: frozenset(),
    S.EXPIRED_UNSENT: frozenset(),
    S.BLOCKED: frozenset(),
}

UNSENT = frozenset({S.AWAITING_APPROVAL, S.READY})
NEVER_LEFT = frozenset({S.WITHDRAWN, S.EXPIRED_UNSENT, S.BLOCKED})
IN_FLIGHT = frozenset({S.SENDING, S.UNKNOWN})  # may be live at the broker: counts as live
OPEN_MUTATION = UNSENT | IN_FLIGHT | {S.ACCEPTED}  # a replace that is under way, or has happened


class AttemptState(TextChoices):
    """What became of one request. ACCEPTED for a cancel means only that it was taken."""

    SENDING = "sending", "Sending"
    ACCEPTED = "accepted", "Accepted"
    REFUSED = "refused", "Refused"
    UNKNOWN = "unknown", "No proof"
    NOT_SENT = "not_sent", "Not sent"
    ABSENT = "absent", "Absent"


A = AttemptState

ATTEMPT_NEXT: Mapping[AttemptState, frozenset[AttemptState]] = {
    A.SENDING: frozenset({A.ACCEPTED, A.REFUSED, A.UNKNOWN, A.NOT_SENT}),
    A.UNKNOWN: frozenset({A.ACCEPTED, A.REFUSED, A.ABSENT}),
    A.REFUSED: frozenset({A.ACCEPTED}),
    A.ABSENT: frozenset({A.ACCEPTED}),
    A.ACCEPTED: frozenset(),
    A.NOT_SENT: frozenset(),
}

MAY_FOLLOW = frozenset({A.NOT_SENT, A.ABSENT})  # only on top of these may another attempt exist


class AttemptKind(TextChoices):
    SUBMIT = "submit", "Submit"
    REPLACE = "replace", "Replace"
    CANCEL = "cancel", "Cancel"

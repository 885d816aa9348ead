"""The few ways a conversation with a broker goes wrong, sorted by consequence.

What matters about a failed request is whether it may have been carried out.
Every adapter sorts its broker's failures into these kinds, so the desk never
has to know what a status code meant to whom.
"""

from __future__ import annotations

from typing import ClassVar

from brokers.messages import Call
from brokers.reasons import Reason


class BrokerError(Exception):
    """A conversation with a broker went wrong. `call` is what was said, where anything was."""

    word: ClassVar[str] = "error"

    def __init__(self, message: str, *, call: Call | None = None) -> None:
        super().__init__(message)
        self.call = call


class Refused(BrokerError):
    """The broker itself said no, in a way its adapter knows to be final. Nothing was done.

    `reason` is why, the same word whoever the broker is; `code` and the message are its own.
    """

    word = "refused"

    def __init__(
        self,
        message: str,
        *,
        code: str,
        reason: Reason = Reason.DECLINED,
        call: Call | None = None,
    ) -> None:
        super().__init__(message, call=call)
        self.code = code
        self.reason = reason


class AuthRefused(Refused):
    """The broker does not take our credentials. Nothing was done, and nothing will be."""


class NotSent(BrokerError):
    """No byte of the request left this machine. Nothing was done."""

    word = "not_sent"


class Unasked(NotSent):
    """We did not ask, for reasons of our own: it says nothing of how well the broker is heard."""


class Postponed(Unasked):
    """The broker takes only so many requests, and the rest are kept for what comes first."""


class OutcomeUnknown(BrokerError):
    """The request left, and no answer came back that proves anything. It may have been done."""

    word = "unknown"


class DuplicateId(OutcomeUnknown):
    """The broker already has an order by this id: most likely ours. Never a refusal; look it up."""


class Conflict(OutcomeUnknown):
    """The broker answered with another order than the one we sent."""


class Untrusted(Exception):
    """A delivery does not prove that it comes from the broker."""


class Unreadable(Exception):
    """A message is authentic, and we cannot make sense of it."""


class InvalidTicket(ValueError):
    """An instruction no broker could act on, or this one can't.

    `field` names the input at fault, with a dot where it is a leg's: `stop_loss.stop_price`.
    """

    def __init__(self, field: str, message: str, *, reason: Reason = Reason.INVALID_FIELD) -> None:
        super().__init__(message)
        self.field = field
        self.reason = reason

"""What may go wrong at this exchange when it is told to: a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Point(StrEnum):
    """When a fault may strike."""

    ANSWER = "answer"  # a POST of an order: before, instead of or after the answer; one at most
    AROUND = "around"  # beside that answer
    READ = "read"  # a GET of orders or executions; one at most
    CANCEL = "cancel"  # a DELETE of an order; one at most
    REPLACE = "replace"  # while a replace is being taken
    ENTRY = "entry"  # when an order is new
    TRADE = "trade"  # after a trade
    NEWS = "news"  # when a webhook becomes due
    ATTEMPT = "attempt"  # at each try of delivering one


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One line of the table. `seconds` and `times` are what it takes, and their defaults."""

    point: Point
    says: str
    seconds: Decimal | None = None
    longest: int = 300  # seconds at most
    times: int | None = None


NOT_ACCEPTED, LATE = "not_accepted_504", "late_accept"

FAULTS: Mapping[str, Fault] = {
    NOT_ACCEPTED: Fault(point=Point.ANSWER, says="The order is never seen; a 504 comes back."),
    LATE: Fault(
        point=Point.ANSWER,
        says="A 504 comes back at once; the order is taken later, within the time.",
        seconds=Decimal(20),
    ),
    "reject": Fault(point=Point.ANSWER, says="The order is refused, in words that are final."),
    "too_many_429": Fault(
        point=Point.ANSWER,
        says="The order is not taken; a 429 comes back, with a time to wait.",
        seconds=Decimal(1),
    ),
    "double_retry": Fault(
        point=Point.ANSWER,
        says="Something in between sends the order twice, and returns the second answer.",
    ),
    "accept_then_504": Fault(point=Point.ANSWER, says="The order is taken; a 504 comes back."),
    "accept_then_html_502": Fault(
        point=Point.ANSWER, says="The order is taken; a page of HTML comes back, with a 502."
    ),
    "accept_then_hang": Fault(
        point=Point.ANSWER, says="The order is taken; nothing comes back.", seconds=Decimal(60)
    ),
    "accept_then_reset": Fault(
        point=Point.ANSWER, says="The order is taken; the connection is reset."
    ),
    "accept_then_truncated_201": Fault(
        point=Point.ANSWER, says="The order is taken; half of the answer comes back."
    ),
    "webhook_before_answer": Fault(
        point=Point.AROUND,
        says="The answer waits until the order's webhooks have been tried.",
        seconds=Decimal(5),
    ),
    "read_5xx": Fault(point=Point.READ, says="A question about orders is answered with an error."),
    "read_lag": Fault(
        point=Point.READ,
        says="A question is answered with what was so that long ago.",
        seconds=Decimal(5),
        longest=60,
    ),
    "read_stale_replica": Fault(
        point=Point.READ,
        says="A question is answered by a replica that is up to that far behind.",
        seconds=Decimal(10),
        longest=60,
    ),
    "cancel_refused": Fault(
        point=Point.CANCEL, says="The cancel is refused as too late, and the order works on."
    ),
    "fill_after_cancel_ack": Fault(
        point=Point.CANCEL, says="The cancel is taken, and the order fills before it takes effect."
    ),
    "fill_after_cancelled": Fault(
        point=Point.CANCEL,
        says="The order is cancelled, and fills that long after.",
        seconds=Decimal(2),
    ),
    "replace_fills_first": Fault(
        point=Point.REPLACE, says="The old order fills further while it is being replaced."
    ),
    "expire": Fault(
        point=Point.ENTRY,
        says="The order expires out of the blue, within the time.",
        seconds=Decimal(10),
    ),
    "bust": Fault(
        point=Point.TRADE, says="The trade is taken back, that long after.", seconds=Decimal(2)
    ),
    "correct": Fault(
        point=Point.TRADE, says="The trade is restated, that long after.", seconds=Decimal(2)
    ),
    "webhook_drop": Fault(point=Point.NEWS, says="The webhook is never sent."),
    "webhook_delay": Fault(point=Point.NEWS, says="The webhook is sent late.", seconds=Decimal(2)),
    "webhook_reorder": Fault(
        point=Point.NEWS,
        says="The webhook is sent after the account's next one, or when the time is up.",
        seconds=Decimal(2),
    ),
    "webhook_duplicate": Fault(
        point=Point.NEWS, says="The webhook is sent so many times more.", times=1
    ),
    "webhook_foreign": Fault(
        point=Point.NEWS,
        says="News of another account's order is sent as well, signed with this one's secret.",
    ),
    "webhook_bad_signature": Fault(
        point=Point.ATTEMPT, says="The webhook is signed with another secret, this once."
    ),
    "webhook_stale": Fault(
        point=Point.ATTEMPT,
        says="The webhook is signed as of that long ago, this once.",
        seconds=Decimal(600),
        longest=86_400,
    ),
}

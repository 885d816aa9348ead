"""What the lab can have go wrong: in one click, or by the dials, under when they strike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that goes wrong at real brokers, in one click."""

    title: str
    expect: str
    faults: tuple[str, ...]


SCENARIOS: Mapping[str, Scenario] = {
    "taken-504": Scenario(
        "Taken, answered 504",
        "The next order goes in doubt, is found within seconds, and works. Never sent twice.",
        ("accept_then_504",),
    ),
    "taken-hang": Scenario(
        "Taken, no answer at all",
        "The next order is sending for 20 s, or until its webhook proves that it arrived.",
        ("accept_then_hang",),
    ),
    "taken-reset": Scenario(
        "Taken, connection reset",
        "The next order goes in doubt, and is found.",
        ("accept_then_reset",),
    ),
    "lost-504": Scenario(
        "Not taken, answered 504",
        "The next order goes in doubt until its absence is proved, by both ways of asking.",
        ("not_accepted_504",),
    ),
    "blind": Scenario(
        "Taken, 504, and the webhook lost",
        "Only asking can find the next order. It is found all the same.",
        ("accept_then_504", "webhook_drop"),
    ),
    "blind-stale": Scenario(
        "Taken, 504, and a copy that lags",
        "The first questions don't see the next order. That proves nothing, and it is found.",
        ("accept_then_504", "read_stale_replica"),
    ),
    "taken-late": Scenario(
        "Answered 504, taken later",
        "The next order stays in doubt while it can still arrive. Not found is not yet absent.",
        ("late_accept",),
    ),
    "sent-twice": Scenario(
        "Sent twice in between",
        "Something between us repeats the next order. The second answer is no proof of either.",
        ("double_retry",),
    ),
    "too-many": Scenario(
        "Too many requests, 429",
        "A 429 proves nothing: the next order goes in doubt until somebody has looked.",
        ("too_many_429",),
    ),
    "refused": Scenario(
        "Refused", "The next order is REJECTED, where the broker's word is final.", ("reject",)
    ),
    "cancel-late": Scenario(
        "Cancel refused as too late",
        "The next cancel is refused, and its order is never shown as cancelled.",
        ("cancel_refused",),
    ),
    "fill-late": Scenario(
        "Cancelled, then filled",
        "The next order you cancel fills all the same. A late fill is always counted.",
        ("fill_after_cancelled",),
    ),
    "replace-race": Scenario(
        "Fills while it is replaced",
        "The next order you replace fills further meanwhile. Never more than you asked for.",
        ("replace_fills_first",),
    ),
    "expired": Scenario(
        "Expires out of the blue", "The next order expires within seconds.", ("expire",)
    ),
    "bust": Scenario(
        "Trade taken back", "The next trade is busted, and your position goes back.", ("bust",)
    ),
    "correct": Scenario(
        "Trade restated", "The next trade is corrected, and counted as corrected.", ("correct",)
    ),
    "webhook-first": Scenario(
        "Webhook before the answer",
        "The fill beats the answer to its own order. It is counted once.",
        ("webhook_before_answer",),
    ),
    "webhook-delay": Scenario(
        "Webhook delayed", "The next news comes late. Asking may beat it.", ("webhook_delay",)
    ),
    "webhook-twice": Scenario(
        "Webhook twice", "The next news comes twice, and counts once.", ("webhook_duplicate",)
    ),
    "webhook-order": Scenario(
        "Webhooks out of order",
        "The next two swap places, and change nothing.",
        ("webhook_reorder",),
    ),
    "webhook-lost": Scenario(
        "Webhook lost", "The next news never comes. The poll finds it.", ("webhook_drop",)
    ),
    "webhook-forged": Scenario(
        "Webhook with a wrong signature",
        "The next news is not believed, and comes again with the right one.",
        ("webhook_bad_signature",),
    ),
    "webhook-foreign": Scenario(
        "Webhook about somebody else",
        "News of another account's order comes with the next. It touches nothing of yours.",
        ("webhook_foreign",),
    ),
}
POINTS = {
    "answer": "When an order is sent",
    "around": "When an order is sent",
    "read": "When the desk asks",
    "cancel": "When an order is cancelled",
    "replace": "When an order is replaced",
    "entry": "While an order works",
    "trade": "After a trade",
    "news": "When a webhook is due",
    "attempt": "When a webhook is delivered",
}

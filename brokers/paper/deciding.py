"""What becomes of a request: decided as asked, or as the fault that strikes it has it.

One function per fault that strikes before the answer is made; `spoiling` has those that strike the
answer itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from brokers.paper.faults import Setting
from brokers.paper.house import Ask, Asked, Decision
from brokers.paper.mishaps import LATE, NOT_ACCEPTED
from brokers.paper.refusals import Refusal
from brokers.paper.spoiling import SPOILS

NOTHING = Decision(status=0, told={})
LOST_INSIDE = frozenset({NOT_ACCEPTED, "accept_then_504", "accept_then_html_502"})

Strike = Callable[[Asked, Ask, Setting], Decision]


def decide(asked: Asked, ask: Ask, setting: Setting) -> Decision:
    """Decide one request, which `ask.fault` strikes as it is set.

    An intermediary that retries is part of the exchange: what strikes the answer on the way to
    it makes it send the request again, and the second answer goes out.
    """
    if ask.words.retries and ask.fault in LOST_INSIDE:
        first = NOTHING if ask.fault == NOT_ACCEPTED else as_asked(asked, ask, setting)
        return replace(as_asked(asked, ask, setting), earlier_order_id=first.order_id)
    decision = STRIKES.get(ask.fault, as_asked)(asked, ask, setting)
    return replace(decision, spoiled_by=ask.fault if ask.fault in SPOILS else "")


def declined(ask: Ask, code: str, message: str) -> Decision:
    """Say no in the words of whoever is asked, having done nothing."""
    status, told = ask.words.declines(Refusal(code, message))
    return Decision(status=status, told=told, code=code)


def as_asked(asked: Asked, ask: Ask, _setting: Setting) -> Decision:
    """Do it, or decline it."""
    try:
        status, told = asked(ask)
    except Refusal as refusal:
        status, told = ask.words.declines(refusal)
        return Decision(status=status, told=told, code=refusal.code)
    return Decision(status=status, told=told, order_id=str(told.get("id", "")))


def unseen(_asked: Asked, _ask: Ask, _setting: Setting) -> Decision:
    """Do nothing."""
    return NOTHING


def later(asked: Asked, ask: Ask, setting: Setting) -> Decision:
    """Promise to do it within the time. What makes no sense is forgotten."""
    due = ask.now + ask.house.faults.within(ask.client.key, setting.seconds)
    promised = as_asked(asked, replace(ask, due=due), setting)
    return replace(NOTHING, late_id=promised.order_id)


def refused(_asked: Asked, ask: Ask, _setting: Setting) -> Decision:
    """Decline an order for good."""
    return declined(ask, "declined", "The exchange declines this order.")


def too_many(_asked: Asked, ask: Ask, _setting: Setting) -> Decision:
    """Decline for now."""
    return declined(ask, "too_many", "Too many requests.")


def twice(asked: Asked, ask: Ask, setting: Setting) -> Decision:
    """Do it twice, as whatever stands in between does that got no answer."""
    first = as_asked(asked, ask, setting)
    return replace(as_asked(asked, ask, setting), earlier_order_id=first.order_id)


def failing(_asked: Asked, ask: Ask, _setting: Setting) -> Decision:
    """Answer with an error of one's own."""
    return declined(ask, "internal", "The exchange can't answer just now.")


def lagging(asked: Asked, ask: Ask, setting: Setting) -> Decision:
    """Answer what was so a while ago."""
    lag = timedelta(seconds=float(setting.seconds))
    return as_asked(asked, replace(ask, as_of=ask.now - lag), setting)


def stale(asked: Asked, ask: Ask, setting: Setting) -> Decision:
    """Answer as one of many replicas does, each as far behind as it is."""
    lag = ask.house.faults.within(ask.client.key, setting.seconds)
    return as_asked(asked, replace(ask, as_of=ask.now - lag), setting)


def uncancelled(_asked: Asked, ask: Ask, _setting: Setting) -> Decision:
    """Decline to cancel, as if it were too late."""
    return declined(ask, "too_late", "The order can't be cancelled any more.")


STRIKES: Mapping[str, Strike] = {
    NOT_ACCEPTED: unseen,
    LATE: later,
    "reject": refused,
    "too_many_429": too_many,
    "double_retry": twice,
    "read_5xx": failing,
    "read_lag": lagging,
    "read_stale_replica": stale,
    "cancel_refused": uncancelled,
}

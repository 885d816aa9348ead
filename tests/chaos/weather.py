"""What goes wrong at the exchange and when: each account has its own weather, which changes.

A weather is a set of dials at the exchange. About four submissions in ten meet a fault in any of
them; the names say what else is wrong.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from brokers import registry
from brokers.paper.mishaps import FAULTS
from brokers.passport import Passport

SECOND = timedelta(seconds=1)
SENT_WITHIN = timedelta(seconds=30)  # for as long as a sender's lease, its request may arrive
HONEST = 0.6  # of what a broker's word allows is used: late and read late may come together
EXPOSED = Decimal("0.42")  # of all submissions meet a fault

# How often each fault is chosen where one strikes a submission, and for how long it lasts.
SUBMIT_FAULTS: Mapping[str, tuple[int, float]] = {
    "not_accepted_504": (10, 0),
    "accept_then_504": (16, 0),
    "accept_then_html_502": (10, 0),
    "accept_then_hang": (4, 4),
    "accept_then_reset": (16, 0),
    "accept_then_truncated_201": (10, 0),
    "late_accept": (8, 20),
    "too_many_429": (8, 0),
    "reject": (6, 0),
    "double_retry": (4, 0),
}
# What else is wrong, by the weather that an account is in: fault, probability, seconds.
WEATHERS: Mapping[str, Mapping[str, tuple[str, float]]] = {
    "fair": {"webhook_duplicate": ("0.1", 0), "webhook_before_answer": ("0.2", 2)},
    "deaf": {"webhook_drop": ("1", 0)},
    "echoes": {
        "webhook_duplicate": ("0.5", 0),
        "webhook_reorder": ("0.4", 2),
        "webhook_delay": ("0.3", 8),
        "webhook_before_answer": ("0.3", 2),
    },
    "strangers": {
        "webhook_bad_signature": ("0.3", 0),
        "webhook_stale": ("0.2", 0),
        "webhook_foreign": ("0.3", 0),
        "webhook_drop": ("0.3", 0),
    },
    "fog": {
        "read_lag": ("0.3", 10),
        "read_stale_replica": ("0.3", 10),
        "read_5xx": ("0.3", 0),
        "webhook_drop": ("0.5", 0),
    },
    "life": {
        "cancel_refused": ("0.2", 0),
        "fill_after_cancel_ack": ("0.4", 0),
        "fill_after_cancelled": ("0.4", 3),
        "replace_fills_first": ("0.5", 0),
        "expire": ("0.1", 8),
        "bust": ("0.08", 3),
        "correct": ("0.08", 3),
        "webhook_drop": ("0.2", 0),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """From this intent on, an account's exchange has these faults and no others."""

    from_intent: int
    broker: str
    name: str
    faults: Mapping[str, Mapping[str, str]]


def forecast(dice: random.Random, orders: int, brokers: Sequence[str]) -> Iterator[Weather]:
    """Yield each account's changes of weather: every account meets every one, in its own order."""
    spells = max(len(WEATHERS), orders // 250)
    for broker in brokers:
        names: list[str] = []
        while len(names) < spells:
            names += dice.sample(sorted(WEATHERS), len(WEATHERS))
        for spell in range(spells):
            share = Decimal(dice.randint(60, 140)) / 100 * EXPOSED
            yield Weather(
                from_intent=orders * spell // spells,
                broker=broker,
                name=names[spell],
                faults=_faults(names[spell], share, registry.passport(broker)),
            )


def _faults(weather: str, share: Decimal, passport: Passport) -> dict[str, dict[str, str]]:
    """Return the dials of one spell of weather, of those that this exchange has.

    Faults of one moment are tried in turn until one strikes, hence the growing probabilities.
    """
    chosen = {name: weight for name, (weight, _) in SUBMIT_FAULTS.items() if name in FAULTS}
    every, left = sum(chosen.values()), Decimal(1)
    dials: dict[str, dict[str, str]] = {}
    for name in (name for name in FAULTS if name in chosen):
        part = share * chosen[name] / every
        dials[name] = _dial(
            name, str(min(part / left, Decimal(1))), SUBMIT_FAULTS[name][1], passport
        )
        left -= part
    for name, (probability, seconds) in WEATHERS[weather].items():
        if name in FAULTS:
            dials[name] = _dial(name, probability, seconds, passport)
    return dials


def _dial(name: str, probability: str, seconds: float, passport: Passport) -> dict[str, str]:
    dial = {"probability": probability[:8]}
    if FAULTS[name].seconds is not None and seconds:
        dial["seconds"] = f"{min(seconds, _patience(name, passport)):.1f}"
    return dial


def _patience(name: str, passport: Passport) -> float:
    """Return for how long a broker may keep an order from us without breaking its own word.

    Where the desk may conclude absence, it does so on the passport's promise that past the second
    grace every read shows every order, and on the lease's: no earlier than what was sent may still
    arrive. An exchange that broke these would prove nothing about the desk.
    """
    doubt = passport.doubt
    if not doubt.absence_is_definitive:
        return float("inf")
    if name.startswith("read_"):
        return doubt.second_grace / SECOND * HONEST
    return max(doubt.second_grace, SENT_WITHIN) / SECOND * HONEST

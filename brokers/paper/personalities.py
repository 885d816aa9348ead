"""Whom the exchange stands in for: one visible value for each broker.

The paths and the fields stay the exchange's own. What differs is what hurts: for how long a client
order id is taken, what a second one is answered, which lookups may be believed, and how
coarse the stamps are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from brokers.paper import declining
from brokers.paper.amounts import read_time, write_time
from brokers.paper.orders import Standing
from brokers.paper.refusals import Refusal
from brokers.vocabulary import Leg, OrderClass, OrderType, TimeInForce

Words = Mapping[Standing, str]
Stamp = Callable[[datetime], str | int]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVERY_CLASS, SIMPLE_ALONE = frozenset(OrderClass), frozenset({OrderClass.SIMPLE})
OWN_AFFAIR = ("ended_as", "active_at", "ceiling")  # fields of the ledger that nobody is told

PAPER_WORDS: Words = {standing: standing.value for standing in Standing}
ALPACA_WORDS: Words = {
    Standing.HELD: "held",
    Standing.ACCEPTED: "accepted",
    Standing.WAITING: "new",  # a stop is new until it is reached
    Standing.WORKING: "new",
    Standing.PART_FILLED: "partially_filled",
    Standing.CANCEL_PENDING: "pending_cancel",
    Standing.FILLED: "filled",
    Standing.CANCELLED: "canceled",
    Standing.EXPIRED: "expired",
    Standing.REPLACED: "replaced",
}
TAPP_WORDS: Words = {
    **ALPACA_WORDS,
    Standing.HELD: "pending_new",
    Standing.ACCEPTED: "pending_new",
    Standing.REPLACED: "canceled",  # and replaced_by says the rest
}
CLEARSTREET_WORDS: Words = {standing: word.upper() for standing, word in ALPACA_WORDS.items()}
GATEWAY_WORDS: Words = {
    **CLEARSTREET_WORDS,
    Standing.HELD: "PENDING",
    Standing.ACCEPTED: "PENDING",
    Standing.WAITING: "PENDING",
    Standing.WORKING: "OPEN",
    Standing.CANCELLED: "CANCELLED",
    Standing.REPLACED: "CANCELLED",  # it has no word for it
}
BINANCE_WORDS: Words = {
    **CLEARSTREET_WORDS,
    Standing.HELD: "PENDING_NEW",
    Standing.ACCEPTED: "PENDING_NEW",
    Standing.REPLACED: "CANCELED",
}


def _in_seconds(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _in_nanoseconds(at: datetime) -> str:
    return write_time(at)[:-1] + "000Z"


def _as_milliseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Personality:
    """How one broker differs from the next. The defaults are the exchange's own ways."""

    name: str
    words: Words
    classes: frozenset[OrderClass] = SIMPLE_ALONE  # those it keeps together itself
    holds_stops: bool = False  # a stop beside a target goes by the word for held until elected
    declines: Callable[[Refusal], declining.No] = declining.as_paper
    stamp: Stamp = write_time
    grain: timedelta = timedelta(microseconds=1)  # of its stamps
    tells_version: bool = False
    longest_id: int = 64  # of a client's for an order
    frees_ids: bool = False  # a client order id is free again once its order has ended
    reuses_execution_ids: bool = False  # exec-001, exec-002, … for each order anew
    by_id_knows_open_only: bool = False  # 404 for an order that has ended
    filters_by_client_id: bool = True  # or else it answers with every open order
    tells_newest_only: bool = False  # of several orders with one client order id
    declines_misses: bool = False  # a lookup by an unknown client order id; or else an empty list
    cancels_ended: bool = False  # a cancel that comes too late is answered with the order
    holds_until_open: bool = False  # orders for a market that is closed; or else it refuses them
    replaces_held: bool = True  # and lets those be replaced
    refuses_wash_trades: bool = False  # unless the account is set otherwise
    money_at_market_only: bool = False  # an order for an amount of money is a market order
    money_times: frozenset[TimeInForce] = frozenset({TimeInForce.DAY})  # and that is for shares
    crypto_types: frozenset[OrderType] = frozenset(OrderType)
    crypto_times: frozenset[TimeInForce] = frozenset(TimeInForce) - {
        TimeInForce.OPG,
        TimeInForce.CLS,
    }
    retries: bool = False  # it sends an order on to its own broker again when no answer comes

    def order(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return an order, as the ledger has it, in this broker's words."""
        standing = Standing(told["status"])
        if self.holds_stops and standing is Standing.WAITING and _has_target(told):
            standing = Standing.HELD  # what it would close is set aside for the target
        out = {
            **told,
            "status": self.words[standing],
            "created_at": self.stamp(read_time(told["created_at"])),
            "updated_at": self.stamp(read_time(told["updated_at"])),
        }
        for own in OWN_AFFAIR:
            out.pop(own, None)
        return out if self.tells_version else _without_version(out)

    def execution(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return an execution, as the ledger has it, in this broker's words."""
        out = {
            **told,
            "at": self.stamp(read_time(told["at"])),
            "told_at": self.stamp(read_time(told["told_at"])),
        }
        number = out.pop("number")
        if self.reuses_execution_ids:
            out["id"] = f"exec-{number:03d}"
        return out


PERSONALITIES: Mapping[str, Personality] = {
    personality.name: personality
    for personality in (
        Personality(name="paper", words=PAPER_WORDS, classes=EVERY_CLASS, tells_version=True),
        Personality(
            name="alpaca",
            words=ALPACA_WORDS,
            classes=EVERY_CLASS,
            holds_stops=True,
            declines=declining.as_alpaca,
            declines_misses=True,
            longest_id=128,
            holds_until_open=True,
            replaces_held=False,
            refuses_wash_trades=True,
            crypto_types=frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT}),
            crypto_times=frozenset({TimeInForce.GTC, TimeInForce.IOC}),
        ),
        Personality(
            name="tapp",
            words=TAPP_WORDS,
            declines=declining.as_tapp,
            stamp=_in_seconds,
            grain=timedelta(seconds=1),
            longest_id=255,
            reuses_execution_ids=True,
            money_at_market_only=True,
        ),
        Personality(
            name="clearstreet",
            words=CLEARSTREET_WORDS,
            declines=declining.as_clearstreet,
            stamp=_in_nanoseconds,
            by_id_knows_open_only=True,
            cancels_ended=True,
            money_at_market_only=True,
        ),
        Personality(
            name="gateway",
            words=GATEWAY_WORDS,
            declines=declining.as_gateway,
            filters_by_client_id=False,
            retries=True,
            money_at_market_only=True,
        ),
        Personality(
            name="binance",
            words=BINANCE_WORDS,
            classes=frozenset({OrderClass.SIMPLE, OrderClass.OCO}),
            declines=declining.as_binance,
            stamp=_as_milliseconds,
            grain=timedelta(milliseconds=1),
            frees_ids=True,
            longest_id=36,
            # To it, what is bought for money is as any other asset.
            money_times=frozenset(TimeInForce) - {TimeInForce.OPG, TimeInForce.CLS},
            tells_newest_only=True,
            declines_misses=True,
            money_at_market_only=True,
        ),
    )
}
PAPER = PERSONALITIES["paper"]


def _has_target(told: Mapping[str, Any]) -> bool:
    """Say whether an order is a stop beside a target."""
    return bool(told["leg"] == Leg.STOP_LOSS and told["order_class"] != OrderClass.OTO)


def _without_version(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in ("version", "sequence")}

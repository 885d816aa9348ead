"""The whole run, decided beforehand by its seed: who trades what, and what goes wrong when.

The same seed gives the same plan. What comes of it is a race between real processes, and no two
runs are the same: a replay meets the same dangers, not the same microseconds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from brokers import registry
from brokers.paper.market import INSTRUMENTS
from brokers.passport import Passport
from brokers.vocabulary import OrderType, TimeInForce
from tests.chaos.mutants import Aim
from tests.chaos.weather import Weather, forecast

# One account for each of them that there is.
BROKERS = (
    "paper",
    "paper-alpaca",
    "paper-tapp",
    "paper-clearstreet",
    "paper-gateway",
    "paper-binance",
)
SYMBOLS = ("AAPL", "MSFT", "AMD", "NVDA", "KO", "TSLA", "SPY")
REFUSED = ("HALT", "CLSD")  # not tradable, and never open: a broker's plain no
CENT = Decimal("0.01")

DOUBLES, PAGES, REFUSALS = 0.20, 0.04, 0.02


class Shares(NamedTuple):
    """How much of what programs place is cancelled, is replaced, and has legs."""

    cancels: float = 0.15
    replaces: float = 0.05
    brackets: float = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One order somebody wants, how often they ask for it, and what they do to it later."""

    number: int
    broker: str
    client_order_id: str
    terms: Mapping[str, Any]  # as the API takes them
    by_page: bool = False
    again: int = 0  # so often more, by clients that lost the answer
    at_once: bool = False  # those come at the same time, through both webs
    later: str = "leave"  # leave, cancel, replace
    after: float = 0.0  # seconds from the acknowledgement to that
    changes: Mapping[str, Any] = field(default_factory=dict)
    replacement_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """After this intent, an account is halted for so many seconds."""

    after_intent: int
    broker: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """After this intent, a stranger delivers a webhook to an account's endpoint."""

    after_intent: int
    broker: str
    how: str  # unsigned, wrong_secret, stale, foreign


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that is decided before the first process starts."""

    seed: int
    brokers: tuple[str, ...]
    intents: Sequence[Intent]
    weathers: Sequence[Weather]
    halts: Sequence[Halt]
    forgeries: Sequence[Forgery]


def known_brokers() -> tuple[str, ...]:
    """Return the personalities that this desk has adapters for."""
    return tuple(name for name in BROKERS if name in registry.BROKERS)


def make(seed: int, *, orders: int) -> Plan:
    """Return the plan of a run with so many orders."""
    dice = random.Random(f"{seed}:plan")
    brokers = known_brokers()
    return Plan(
        seed=seed,
        brokers=brokers,
        intents=[_intent(dice, number, brokers, Shares()) for number in range(orders)],
        weathers=list(forecast(dice, orders, brokers)),
        halts=list(_halts(dice, orders, brokers)),
        forgeries=list(_forgeries(dice, orders, brokers)),
    )


def aimed(seed: int, aim: Aim) -> Plan:
    """Return a small plan, for a defect that shows under one kind of trouble."""
    dice = random.Random(f"{seed}:plan")
    brokers = aim.brokers or known_brokers()
    orders, shares = aim.orders, Shares(aim.cancels, aim.replaces, aim.brackets)
    return Plan(
        seed=seed,
        brokers=brokers,
        intents=[_intent(dice, n, brokers, shares) for n in range(orders)],
        weathers=[
            Weather(from_intent=0, broker=broker, name="aimed", faults=aim.dials)
            for broker in brokers
        ],
        halts=list(_halts(dice, orders, brokers)) if aim.halts else [],
        forgeries=list(_forgeries(dice, orders, brokers)) if aim.forgeries else [],
    )


def _halts(dice: random.Random, orders: int, brokers: Sequence[str]) -> Iterator[Halt]:
    for part in range(3):
        after = orders * (2 * part + 1) // 6
        yield Halt(after_intent=after, broker=dice.choice(brokers), seconds=dice.uniform(4, 7))


def _forgeries(dice: random.Random, orders: int, brokers: Sequence[str]) -> Iterator[Forgery]:
    for _ in range(max(orders // 25, 8)):
        yield Forgery(
            after_intent=dice.randrange(orders // 10, orders),
            broker=dice.choice(brokers),
            how=dice.choice(("unsigned", "wrong_secret", "stale", "foreign")),
        )


def _intent(dice: random.Random, number: int, brokers: Sequence[str], shares: Shares) -> Intent:
    broker = brokers[number % len(brokers)]
    by_page = dice.random() < PAGES
    terms = _terms(dice, registry.passport(broker))
    name = str(UUID(int=dice.getrandbits(128), version=4)) if by_page else _name(dice, number)
    drawn, has_legs = dice.random(), not by_page and dice.random() < shares.brackets
    if has_legs:
        terms = _bracket(dice, terms, registry.passport(broker))
    intent = Intent(
        number=number,
        broker=broker,
        client_order_id=name,
        terms=terms,
        by_page=by_page,
        again=dice.randint(1, 2) if dice.random() < DOUBLES else 0,
        at_once=dice.random() < 0.5,
        after=dice.choice((0.0, 0.05, 0.5, 2.0, 6.0)),
    )
    if drawn < shares.cancels:
        return replace(intent, later="cancel")
    if drawn < shares.cancels + shares.replaces and not has_legs:  # those are another matter
        return replace(
            intent,
            terms=terms | _resting(dice, terms, registry.passport(broker)),
            later="replace",
            replacement_id=_name(dice, number) + "r",
            changes={"quantity": str(int(terms["quantity"]) + dice.randint(1, 5))},
            after=dice.choice((0.5, 2.0, 6.0)),
        )
    return intent


def _name(dice: random.Random, number: int) -> str:
    return f"c{number:05d}-{dice.getrandbits(24):06x}"


def _terms(dice: random.Random, passport: Passport) -> dict[str, Any]:
    """Return the terms of an order that this broker's passport allows."""
    refused = dice.random() < REFUSALS
    symbol = dice.choice(REFUSED) if refused else dice.choice(SYMBOLS)
    side, price = dice.choice(("buy", "sell")), INSTRUMENTS[symbol].start
    size = dice.choices((dice.randint(1, 9), dice.randint(20, 150)), weights=(75, 25))[0]
    weights = {"market": 35, "limit": 45, "stop": 12, "stop_limit": 8}
    kinds = [kind for kind in weights if kind in passport.order_types]
    kind = dice.choices(kinds, weights=[weights[kind] for kind in kinds])[0]
    tifs = passport.tifs(OrderType(kind))
    terms = {
        "symbol": symbol,
        "side": side,
        "quantity": str(size),
        "order_type": str(kind),
        "time_in_force": str(_time_in_force(dice, tifs, kind)),
    }
    up = 1 if side == "buy" else -1
    if kind in {"limit", "stop_limit"}:  # near: it may fill; far: it rests
        away = dice.choice((dice.uniform(-0.002, 0.004), dice.uniform(-0.12, -0.05)))
        terms["limit_price"] = _price(price, up * away)
    if kind in {"stop", "stop_limit"}:
        terms["stop_price"] = _price(price, up * dice.uniform(0.0005, 0.004))
    return terms


def _bracket(
    dice: random.Random, terms: Mapping[str, Any], passport: Passport
) -> Mapping[str, Any]:
    """Return an entry with legs, of which some are reached; or the terms, where none can be."""
    if OrderType.STOP not in passport.order_types or terms["symbol"] not in SYMBOLS:
        return terms
    up, start = (1 if terms["side"] == "buy" else -1), INSTRUMENTS[terms["symbol"]].start
    near, far = dice.uniform(0.003, 0.006), dice.uniform(0.1, 0.3)
    gain, loss = dice.choice(((far, far), (far, far), (near, far), (far, near)))
    kind = OrderType.LIMIT if dice.random() < 0.4 else OrderType.MARKET
    rests = [tif for tif in (TimeInForce.DAY, TimeInForce.GTC) if tif in passport.tifs(kind)]
    if not rests:
        return terms
    entry = {
        "symbol": terms["symbol"],
        "side": terms["side"],
        "quantity": terms["quantity"],
        "order_type": str(kind),
        "time_in_force": str(rests[0]),
        "order_class": "bracket",
        "take_profit": {"limit_price": _price(start, up * gain)},
        "stop_loss": {"stop_price": _price(start, -up * loss)},
    }
    if kind is OrderType.LIMIT:
        entry["limit_price"] = _price(start, up * 0.001)
    if dice.random() < 0.25:
        del entry["take_profit"]
        entry["order_class"] = "oto"
    return entry


def _resting(dice: random.Random, terms: Mapping[str, Any], passport: Passport) -> dict[str, Any]:
    """Return changes that make an order rest at the broker, so that it can be replaced."""
    up = 1 if terms["side"] == "buy" else -1
    symbol = terms["symbol"] if terms["symbol"] in SYMBOLS else SYMBOLS[0]
    away = dice.choice((-0.001, -0.0005, -0.06))  # some fill meanwhile
    return {
        "symbol": symbol,
        "order_type": "limit",
        "time_in_force": "day" if TimeInForce.DAY in passport.tifs(OrderType.LIMIT) else "gtc",
        "limit_price": _price(INSTRUMENTS[symbol].start, up * away),
        "stop_price": None,
    }


def _time_in_force(
    dice: random.Random, allowed: frozenset[TimeInForce], kind: OrderType
) -> TimeInForce:
    weights = {"day": 50, "gtc": 25, "ioc": 15, "fok": 10}
    if kind in {OrderType.STOP, OrderType.STOP_LIMIT}:  # at once makes no sense of a stop
        weights |= {"ioc": 0, "fok": 0}
    names = [name for name in weights if name in allowed]
    return TimeInForce(dice.choices(names, weights=[weights[name] for name in names])[0])


def _price(start: Decimal, away: float) -> str:
    return str((start * (1 + Decimal(away))).quantize(CENT))

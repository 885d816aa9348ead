"""The terms on which the paper exchange deals, in its own person and in each of the others.

In its own person it takes whatever it can match. As another it takes what that broker takes, so
that what runs here runs there.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from brokers.alpaca import terms as alpaca
from brokers.passport import Doubt, Passport, Read, Trail
from brokers.terms import EVERY_KIND, NO_KIND, REPLACEABLE, RESTING
from brokers.vocabulary import OrderClass, OrderType, PositionEffect, TimeInForce

EVERY_READ = (Read.OUR_ID, Read.ORDER_LIST, Read.EXECUTIONS)
LIST_ALONE = frozenset({Read.ORDER_LIST})
SIMPLE_ALONE = frozenset({OrderClass.SIMPLE})
NO_EFFECTS: frozenset[PositionEffect] = frozenset()
NEVER: frozenset[Read] = frozenset()  # only a person may conclude that an order is not there

DAY, GTC, IOC, FOK = TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
OPG, CLS, GTD = TimeInForce.OPG, TimeInForce.CLS, TimeInForce.GTD
DAY_ALONE = frozenset({DAY})
AT_ONCE = frozenset({IOC, FOK})
AUCTIONS = frozenset({OPG, CLS})


def _doubt(first: int, second: int, escalate: int, *, absence_by: frozenset[Read]) -> Doubt:
    return Doubt(
        first_grace=timedelta(seconds=first),
        second_grace=timedelta(seconds=second),
        escalate_after=timedelta(seconds=escalate),
        reads=EVERY_READ,
        absence_by=absence_by,
    )


PAPER = Passport(
    broker="paper",
    title="Paper exchange",
    pairs={kind: tifs - AUCTIONS for kind, tifs in EVERY_KIND.items()},
    lists_all=True,
    wire_id_pattern=r"[A-Za-z0-9._:-]+",
    wire_id_length=64,
    duplicate_id_answer="409 duplicate_client_order_id, or as the account is set",
    pushes="webhooks signed by Standard Webhooks: one per change of an order",
    doubt=_doubt(1, 5, 10, absence_by=frozenset({Read.OUR_ID, Read.ORDER_LIST})),
    tested_on=date(2026, 11, 21),
    source="tests/brokers, against the exchange itself",
)
ALPACA = replace(
    alpaca.PASSPORT,
    broker="paper-alpaca",
    title="Paper exchange as Alpaca",
    hosts={},
    allowance=None,
    lists_all=True,
    replaces_partly_filled=True,  # it compares, and refuses where that would overfill
    pushes=PAPER.pushes,
    tested_on=PAPER.tested_on,
    source=PAPER.source,
)
TAPP = replace(
    PAPER,
    broker="paper-tapp",
    title="Paper exchange as TAPP Engine",
    takes={
        OrderType.MARKET: RESTING | AT_ONCE | AUCTIONS,
        OrderType.LIMIT: RESTING | AT_ONCE | AUCTIONS,
    },
    in_parts={OrderType.MARKET: DAY_ALONE, OrderType.LIMIT: DAY_ALONE},
    for_money={OrderType.MARKET: DAY_ALONE},
    extended_hours={OrderType.LIMIT: DAY_ALONE},
    pairs=NO_KIND,  # equities and ETFs
    classes=SIMPLE_ALONE,
    position_effects=NO_EFFECTS,
    sells_short=False,
    replaceable=frozenset({"quantity", "limit_price"}),
    wire_id_length=128,  # 255 there; ours are never longer
    duplicate_id_answer="409 DUPLICATE_CLIENT_ORDER_ID",
    # Looking our id up is searching the same list: two answers, and one witness.
    doubt=_doubt(5, 60, 120, absence_by=LIST_ALONE),
)
CLEARSTREET = replace(
    PAPER,
    broker="paper-clearstreet",
    title="Paper exchange as Clear Street",
    takes={
        OrderType.MARKET: RESTING | AT_ONCE | AUCTIONS,
        OrderType.LIMIT: RESTING | AT_ONCE | AUCTIONS | {GTD},
        OrderType.STOP: RESTING | {GTD},
        OrderType.STOP_LIMIT: RESTING | {GTD},
        OrderType.TRAILING_STOP: RESTING,
    },
    in_parts=NO_KIND,  # it documents none
    for_money=NO_KIND,
    pairs=NO_KIND,
    quantity_decimals=0,
    trail_percent_decimals=2,  # in hundredths of a percent
    classes=SIMPLE_ALONE,
    replaceable=REPLACEABLE - {"time_in_force"},
    duplicate_id_answer="409 in its envelope",
    doubt=_doubt(5, 60, 120, absence_by=LIST_ALONE),  # by its id it only knows open orders
)
GATEWAY = replace(
    PAPER,
    broker="paper-gateway",
    title="Paper exchange as Trading Gateway",
    takes={
        OrderType.MARKET: RESTING | AT_ONCE,
        OrderType.LIMIT: RESTING | AT_ONCE,
        OrderType.STOP: RESTING,
        OrderType.STOP_LIMIT: RESTING,
        OrderType.TRAILING_STOP: RESTING,
    },
    pairs=None,
    for_money=NO_KIND,
    extended_hours=NO_KIND,
    replaceable=REPLACEABLE - {"time_in_force"},
    classes=SIMPLE_ALONE,
    position_effects=NO_EFFECTS,  # it takes reduce_only, and most brokers behind it never hear it
    duplicate_id_answer="422 ORDER_REJECTED, in the words of the broker behind it",
    doubt=_doubt(10, 120, 180, absence_by=NEVER),
)
BINANCE = replace(
    PAPER,
    broker="paper-binance",
    title="Paper exchange as Binance",
    takes={
        # Its market orders name no time in force: they are done at once, and reported as gtc.
        OrderType.MARKET: frozenset({GTC, IOC}),
        OrderType.LIMIT: frozenset({GTC, IOC, FOK}),
        OrderType.STOP: frozenset({GTC}),
        OrderType.STOP_LIMIT: frozenset({GTC, IOC, FOK}),
        OrderType.TRAILING_STOP: frozenset({GTC}),
    },
    pairs=None,  # it has nothing else
    in_parts=NO_KIND,  # of shares for the day, which it does not know
    for_money={OrderType.MARKET: frozenset({GTC, IOC})},  # of pairs
    extended_hours=NO_KIND,
    trails=frozenset({Trail.PERCENT}),
    trail_percent_decimals=2,  # in hundredths of a percent
    classes=frozenset({OrderClass.SIMPLE, OrderClass.OCO}),
    position_effects=NO_EFFECTS,
    sells_short=False,
    wire_id_pattern=r"[A-Za-z0-9_-]+",
    wire_id_length=36,
    duplicate_id_answer="400 with code -2010, Duplicate order sent: while the first is open",
    doubt=_doubt(10, 120, 120, absence_by=NEVER),
)

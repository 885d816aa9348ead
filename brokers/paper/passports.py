"""The terms on which the paper exchange deals, in its own person and in each of the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from brokers.passport import Doubt, Passport, Read
from brokers.vocabulary import OrderClass, OrderType, PositionEffect, TimeInForce

EVERY_READ = (Read.OUR_ID, Read.ORDER_LIST, Read.EXECUTIONS)
LIST_ALONE = frozenset({Read.ORDER_LIST})
SIMPLE_ALONE = frozenset({OrderClass.SIMPLE})
NO_EFFECTS: frozenset[PositionEffect] = frozenset()
NEVER: frozenset[Read] = frozenset()  # only a person may conclude that an order is not there


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
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    quantity_decimals=9,
    market_tifs=frozenset(TimeInForce),
    classes=frozenset(OrderClass),
    position_effects=frozenset(PositionEffect),
    wire_id_pattern=r"[A-Za-z0-9._:-]+",
    wire_id_length=64,
    duplicate_id_answer="409 duplicate_client_order_id, or as the account is set",
    replace_makes_new_order=True,
    pushes="webhooks signed by Standard Webhooks: one per change of an order",
    doubt=_doubt(1, 5, 10, absence_by=frozenset({Read.OUR_ID, Read.ORDER_LIST})),
    tested_on=date(2026, 11, 21),
    source="tests/brokers, against the exchange itself",
)
ALPACA = replace(
    PAPER,
    broker="paper-alpaca",
    title="Paper exchange as Alpaca",
    duplicate_id_answer="422 with code 40010001, client_order_id must be unique: for ever",
    doubt=_doubt(5, 60, 120, absence_by=NEVER),  # its FAQ: only its support confirms
)
TAPP = replace(
    PAPER,
    broker="paper-tapp",
    title="Paper exchange as TAPP Engine",
    classes=SIMPLE_ALONE,
    position_effects=NO_EFFECTS,
    duplicate_id_answer="409 DUPLICATE_CLIENT_ORDER_ID",
    # Looking our id up is searching the same list: two answers, and one witness.
    doubt=_doubt(5, 60, 120, absence_by=LIST_ALONE),
)
CLEARSTREET = replace(
    PAPER,
    broker="paper-clearstreet",
    title="Paper exchange as Clear Street",
    classes=SIMPLE_ALONE,
    duplicate_id_answer="409 in its envelope",
    doubt=_doubt(5, 60, 120, absence_by=LIST_ALONE),  # by its id it only knows open orders
)
GATEWAY = replace(
    PAPER,
    broker="paper-gateway",
    title="Paper exchange as Trading Gateway",
    classes=SIMPLE_ALONE,
    duplicate_id_answer="422 ORDER_REJECTED, in the words of the broker behind it",
    doubt=_doubt(10, 120, 180, absence_by=NEVER),
)
BINANCE = replace(
    PAPER,
    broker="paper-binance",
    title="Paper exchange as Binance",
    classes=frozenset({OrderClass.SIMPLE, OrderClass.OCO}),
    position_effects=NO_EFFECTS,
    wire_id_pattern=r"[A-Za-z0-9_-]+",
    wire_id_length=36,
    duplicate_id_answer="400 with code -2010, Duplicate order sent: while the first is open",
    doubt=_doubt(10, 120, 120, absence_by=NEVER),
)

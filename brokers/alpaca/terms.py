"""The terms on which Alpaca deals, from its documents. Nothing here was tried against it."""

from __future__ import annotations

from datetime import date, timedelta

from brokers.passport import Doubt, Passport, Read
from brokers.terms import RESTING, Allowance
from brokers.vocabulary import Environment, OrderType, TimeInForce

GTC, IOC, FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
AT_ONCE = frozenset({IOC, FOK})
AUCTIONS = frozenset({TimeInForce.OPG, TimeInForce.CLS})

PASSPORT = Passport(
    broker="alpaca",
    title="Alpaca",
    hosts={
        Environment.LIVE: "https://api.alpaca.markets",
        Environment.PAPER: "https://paper-api.alpaca.markets",
    },
    takes={
        OrderType.MARKET: RESTING | AT_ONCE | AUCTIONS,
        OrderType.LIMIT: RESTING | AT_ONCE | AUCTIONS,
        OrderType.STOP: RESTING | AT_ONCE,
        OrderType.STOP_LIMIT: RESTING | AT_ONCE,
        OrderType.TRAILING_STOP: RESTING,
    },
    pairs={
        OrderType.MARKET: frozenset({GTC, IOC}),
        OrderType.LIMIT: frozenset({GTC, IOC}),
        OrderType.STOP_LIMIT: frozenset({GTC, IOC}),
    },
    wire_id_pattern=r"[A-Za-z0-9._:-]+",
    wire_id_length=128,
    duplicate_id_answer="422 with code 40010001, client_order_id must be unique: for ever",
    # Whether the new order trades the whole quantity again is disputed (Alpaca-API#165, open).
    replaces_partly_filled=False,
    pushes="its stream trade_updates; what that leaves out is asked for",
    allowance=Allowance(per_minute=200, for_cancels=20, for_orders=10, for_lists=20, for_looks=30),
    doubt=Doubt(
        first_grace=timedelta(seconds=5),
        second_grace=timedelta(seconds=60),
        escalate_after=timedelta(seconds=120),
        reads=(Read.OUR_ID, Read.ORDER_LIST, Read.EXECUTIONS),
        absence_by=frozenset(),  # its FAQ: only its support confirms
    ),
    tested_on=date(2026, 11, 21),
    source="its documents and its SDK, and a desk of ours that speaks as it does",
)

"""Asks brokers for what is shown beside the orders: prices, balances, holdings.

None of it decides anything. A page or a program waits two seconds for it and then does
without, saying so: a broker that hangs must not take the desk with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as TooLate
from contextlib import suppress
from functools import cache
from math import inf
from typing import TypeVar
from uuid import UUID

from django.db import connections
from django.utils import timezone

from brokers.adapter import BrokerAdapter
from brokers.errors import BrokerError, Unasked
from brokers.messages import Balance, Bar, Holding, Instrument, Quote
from orders import connecting
from orders.models import Account

WITHIN = 2.0  # seconds anyone waits
PRICES_KEPT = 1.0  # seconds; several panels of one page ask for the same price
INSTRUMENTS_KEPT = 300.0  # seconds; a list of what can be traded hardly changes
AWAY_FOR = 5.0  # seconds; who lets one question wait lets all of a page's questions wait
AT_HAND = 0.25  # seconds that an order may wait at the door for what decides nothing by itself
NOTED_EVERY = 5.0  # seconds; the health strip needs no more

Told = TypeVar("Told")

_kept: dict[tuple[UUID, str], tuple[float, object]] = {}
_noted: dict[UUID, float] = {}
_away: dict[UUID, float] = {}
_learning: dict[UUID, float] = {}


class NoAnswer(Exception):
    """The broker did not say, or not in time."""


def quote(account: Account, symbol: str) -> Quote | None:
    """Return a symbol's latest price, or None where the broker knows no such symbol.

    Raises NoAnswer.
    """
    return _remembered(account, f"quote {symbol}", PRICES_KEPT, lambda a: a.quote(symbol))


def bars(account: Account, symbol: str, *, seconds: int, count: int) -> tuple[Bar, ...]:
    """Return a symbol's latest bars, oldest first. Raises NoAnswer."""
    return _remembered(
        account,
        f"bars {seconds} {count} {symbol}",
        PRICES_KEPT,
        lambda adapter: adapter.bars(symbol, seconds=seconds, count=count),
    )


def instruments(account: Account) -> tuple[Instrument, ...]:
    """Return what can be traded. Raises NoAnswer."""
    return _remembered(account, "instruments", INSTRUMENTS_KEPT, lambda a: a.instruments())


def instruments_at_hand(account: Account) -> tuple[Instrument, ...] | None:
    """Return what can be traded, as told within the last minutes; None where that is not known.

    Nobody waits long for it: what is not known yet is asked for, and known the next time.
    """
    known = _at_hand(account)
    if known is None and time.monotonic() - _learning.get(account.id, -inf) >= AWAY_FOR:
        _learning[account.id] = time.monotonic()
        wait([_hands().submit(_learn, account)], timeout=AT_HAND)
        known = _at_hand(account)
    return known


def balance(account: Account) -> Balance:
    """Return the broker's own figures. Raises NoAnswer."""
    return _remembered(account, "balance", PRICES_KEPT, lambda a: a.balance())


def holdings(account: Account) -> tuple[Holding, ...]:
    """Return the broker's own positions. Raises NoAnswer."""
    return _remembered(account, "holdings", PRICES_KEPT, lambda a: a.holdings())


def _remembered(
    account: Account, what: str, seconds: float, question: Callable[[BrokerAdapter], Told]
) -> Told:
    at, answer = _kept.get((account.id, what), (-inf, None))
    if time.monotonic() - at < seconds:
        return answer  # type: ignore[return-value]
    told = _ask(account, question)
    if len(_kept) > 5_000:
        _kept.clear()
    _kept[account.id, what] = time.monotonic(), told
    return told


def _at_hand(account: Account) -> tuple[Instrument, ...] | None:
    at, answer = _kept.get((account.id, "instruments"), (-inf, None))
    return answer if time.monotonic() - at < INSTRUMENTS_KEPT else None  # type: ignore[return-value]


def _learn(account: Account) -> None:
    with suppress(BrokerError, *connecting.UNCONNECTABLE):
        told = connecting.connect(account).instruments()
        _kept[account.id, "instruments"] = time.monotonic(), told


def _ask(account: Account, question: Callable[[BrokerAdapter], Told]) -> Told:
    began = time.monotonic()
    if began - _away.get(account.id, -inf) < AWAY_FOR:
        raise NoAnswer(f"{account} does not answer.")
    try:
        adapter = connecting.connect(account)
        told = _hands().submit(_put, question, adapter, account, began).result(timeout=WITHIN)
    except TooLate as error:
        _away[account.id] = time.monotonic()
        raise NoAnswer(f"{account} does not answer.") from error
    except Unasked as error:
        raise NoAnswer(str(error)) from error
    except BrokerError as error:
        _note(account, began, failure=str(error))
        raise NoAnswer(str(error)) from error
    except connecting.UNCONNECTABLE as error:
        raise NoAnswer(f"The credentials of {account} can't be read.") from error
    _note(account, began)
    return told


def _put(
    question: Callable[[BrokerAdapter], Told],
    adapter: BrokerAdapter,
    account: Account,
    began: float,
) -> Told:
    """Put a question, and note what came of it if by then nobody waits for it any more.

    Slow is not silent, and it may be us who are slow: what comes in the end says which.
    """
    failure = ""
    try:
        return question(adapter)
    except BrokerError as error:
        failure = "" if isinstance(error, Unasked) else str(error)
        raise
    finally:
        if time.monotonic() - began > WITHIN:
            _note(account, began, failure=failure)
            connections.close_all()  # this thread answers no request, so nothing else closes them


def _note(account: Account, began: float, *, failure: str = "") -> None:
    """Keep the health strip honest while no order is being asked about."""
    ended = time.monotonic()
    if ended - _noted.get(account.id, -inf) < NOTED_EVERY and not failure:
        return
    _noted[account.id] = ended
    now = timezone.now()
    if failure:
        connecting.note_silent(account, failure, now=now)
    else:
        connecting.note_heard(account, took_ms=round((ended - began) * 1000), now=now)


@cache
def _hands() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=16, thread_name_prefix="asking")

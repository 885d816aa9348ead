"""Names instruments as Alpaca does: by symbol, by an id made of it, a pair with or without slash.

The ids are this desk's: the same symbol has the same id at every account, for ever.
"""

from __future__ import annotations

from uuid import UUID, uuid5

from brokers.ticks import is_pair
from orders import asking
from orders.asking import NoAnswer
from orders.models import Account, Order

ASSETS = UUID("6d4fb8a5-37d0-5a6b-9f0e-2a1c5b0f7c11")  # the space these ids are made in


def asset_id(symbol: str) -> str:
    """Return the id that stands for a symbol."""
    return str(uuid5(ASSETS, symbol))


def asset_class(symbol: str) -> str:
    """Return which of Alpaca's classes a symbol is of."""
    return "crypto" if is_pair(symbol) else "us_equity"


def exchange(symbol: str) -> str:
    """Return where a symbol trades, if that can be said: nobody tells the desk of a share's."""
    return "CRYPTO" if is_pair(symbol) else ""


def without_slash(symbol: str) -> str:
    """Return a symbol as it stands in a list of positions: BTCUSD for BTC/USD."""
    return symbol.replace("/", "")


def symbol_of(account: Account, given: str) -> str:
    """Return the symbol that a client means: as given, unless it is an id or lacks its slash."""
    try:
        wanted = str(UUID(given))
    except ValueError:
        wanted = ""
    if not wanted and (is_pair(given) or len(given) < len("BTCUSD")):
        return given
    known = _known(account)
    if given in known:
        return given
    for symbol in known:
        if asset_id(symbol) == wanted or (is_pair(symbol) and without_slash(symbol) == given):
            return symbol
    return given


def _known(account: Account) -> list[str]:
    """Return every symbol that the account can trade, or has traded."""
    orders = Order.objects.filter(account=account).order_by()
    traded = list(orders.values_list("symbol", flat=True).distinct())
    try:
        return [one.symbol for one in asking.instruments(account)] + traded
    except NoAnswer:
        return traded

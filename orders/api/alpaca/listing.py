"""Assets: what the account's broker trades, as far as it tells."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from brokers.messages import Instrument
from brokers.ticks import is_pair
from orders import asking, connecting
from orders.api.alpaca import naming
from orders.api.alpaca.fields import choice
from orders.api.alpaca.refusing import not_found
from orders.api.alpaca.view import View
from orders.api.authenticating import key_of
from orders.models import Account
from orders.money import plain

STATES = ("", "active", "inactive")
CLASSES = ("", "us_equity", "crypto", "us_option")


class Assets(View):
    def get(self, request: Request) -> Response:
        account, told = key_of(request).account, request.query_params
        wanted = {
            "status": choice("status", told.get("status", ""), STATES),
            "class": choice("asset_class", told.get("asset_class", ""), CLASSES),
            "exchange": told.get("exchange", "").upper(),
        }
        filters = {name: value for name, value in wanted.items() if value}
        attributes = {word for word in told.get("attributes", "").split(",") if word}
        assets = [] if attributes else [_shown(account, one) for one in asking.instruments(account)]
        return Response(
            [one for one in assets if all(one[name] == value for name, value in filters.items())]
        )


class AssetDetail(View):
    def get(self, request: Request, symbol: str) -> Response:
        account = key_of(request).account
        wanted = naming.symbol_of(account, symbol)
        for one in asking.instruments(account):
            if one.symbol == wanted:
                return Response(_shown(account, one))
        raise not_found(f"asset not found for {symbol[:64]}")


def _shown(account: Account, instrument: Instrument) -> dict[str, Any]:
    """Return an instrument as it is shown: what nobody tells the desk of it is said to be not."""
    symbol = instrument.symbol
    may_short = instrument.shortable and connecting.passport(account).sells_short
    shown: dict[str, Any] = {
        "id": naming.asset_id(symbol),
        "class": naming.asset_class(symbol),
        "exchange": naming.exchange(symbol),
        "symbol": symbol,
        "name": instrument.name,
        "status": "active" if instrument.tradable else "inactive",
        "tradable": instrument.tradable,
        "marginable": False,
        "shortable": may_short,
        "easy_to_borrow": may_short,
        "fractionable": instrument.fractionable,
        "attributes": [],
    }
    if is_pair(symbol):
        shown["price_increment"] = plain(instrument.price_increment)
    return shown

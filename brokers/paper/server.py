"""What clients may ask, one function each, and the routes that lead there."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlsplit

from aiohttp import web

from brokers.paper import administering, looking, ordering, reading
from brokers.paper.accounts import Webhook, equity
from brokers.paper.amounts import write_amount
from brokers.paper.doors import LARGEST_BODY, door, in_json
from brokers.paper.house import HOUSE, Answer, Ask, House
from brokers.paper.mishaps import Point
from brokers.paper.refusals import Refusal

LONGEST_BAR = 86_400  # seconds
BARS, MOST_BARS = 100, 2_000
SECRET_BYTES = range(16, 65)  # what Standard Webhooks asks for, with some kindness below


def make_app(house: House) -> web.Application:
    """Return the exchange's whole HTTP surface."""
    app = web.Application(middlewares=[in_json], client_max_size=LARGEST_BODY)
    app[HOUSE] = house
    app.add_routes(
        [
            web.get("/healthz", _health),
            web.post("/v1/orders", door(submit, point=Point.ANSWER)),
            web.get("/v1/orders", door(looking.list_orders, point=Point.READ)),
            web.get("/v1/orders/{id}", door(looking.read_order, point=Point.READ)),
            web.delete("/v1/orders/{id}", door(cancel, point=Point.CANCEL)),
            web.post("/v1/orders/{id}/replace", door(replace, point=Point.ANSWER)),
            web.get(
                "/v1/orders/{id}/executions", door(looking.list_executions_in, point=Point.READ)
            ),
            web.get("/v1/executions", door(looking.list_executions, point=Point.READ)),
            web.get("/v1/positions", door(list_positions)),
            web.get("/v1/account", door(read_account)),
            web.get("/v1/webhook", door(read_webhook)),
            web.put("/v1/webhook", door(set_webhook)),
            # Pages ask for these all day long, and no order hangs on them: no line in the ledger.
            web.get("/v1/instruments", door(list_instruments, recorded=False)),
            web.get("/v1/quotes/{symbol:.+}", door(read_quote, recorded=False)),
            web.get("/v1/bars/{symbol:.+}", door(list_bars, recorded=False)),
            *administering.routes(),
        ]
    )
    return app


def submit(ask: Ask) -> Answer:
    """Take a new order: 201, or 200 for one that was there."""
    exchange, terms = ask.house.exchange, ordering.read_terms(ask.told)
    if ask.due is not None:
        promise = exchange.promises.make(ask.client.key, terms, due=ask.due, now=ask.now)
        return 0, {"id": promise.id}
    order, is_new = exchange.place(ask.client, terms, now=ask.now)
    return 201 if is_new else 200, looking.with_legs(ask, order, order.told)


def replace(ask: Ask) -> Answer:
    """Put a new order in another's place: 201 with the new one, which says what it replaces."""
    exchange = ask.house.exchange
    old = exchange.books.order(ask.client, ask.path["id"])
    terms = ordering.read_replacement(ask.told, of=exchange.terms_of(old))
    filled = ordering.read_filled(ask.told)
    if ask.due is not None:
        promise = exchange.promises.make(
            ask.client.key, terms, due=ask.due, replaces=old.id, filled=filled, now=ask.now
        )
        return 0, {"id": promise.id}
    order, is_new = exchange.replace(ask.client, old.id, terms, filled=filled, now=ask.now)
    return 201 if is_new else 200, looking.with_legs(ask, order, order.told)


def cancel(ask: Ask) -> Answer:
    """Take a wish to cancel: 202, and the order as it is until the next tick."""
    exchange = ask.house.exchange
    order = exchange.cancel(ask.client, ask.path["id"], now=ask.now)
    if ask.fault and not order.ended:
        after = ask.house.faults.setting(order.account, ask.fault).seconds
        exchange.fate.canceling(order, ask.fault, after)
    return 202, ask.words.order(order.told)


def list_positions(ask: Ask) -> Answer:
    """Answer every position that is not nothing."""
    return 200, {
        "positions": [
            {
                "symbol": symbol,
                "quantity": write_amount(position.quantity),
                "average_price": write_amount(position.average_price),
            }
            for symbol, position in sorted(ask.client.positions.items())
            if position.quantity
        ]
    }


def read_account(ask: Ask) -> Answer:
    """Answer the account's figures."""
    exchange, account = ask.house.exchange, ask.client
    return 200, {
        "name": account.name,
        "currency": "USD",
        "cash": write_amount(account.cash),
        "equity": write_amount(equity(account, exchange.market.price_of)),
        "buying_power": write_amount(exchange.books.buying_power(account, exchange.market)),
    }


def list_instruments(ask: Ask) -> Answer:
    """Answer everything that is listed."""
    return 200, {"instruments": list(ask.house.exchange.market.instruments())}


def read_quote(ask: Ask) -> Answer:
    """Answer a symbol's latest quote."""
    return 200, ask.house.exchange.market.quote(_symbol(ask))


def list_bars(ask: Ask) -> Answer:
    """Answer a symbol's latest bars, oldest first."""
    ask.only("seconds", "count")
    seconds = reading.read_count("seconds", ask.query.get("seconds"), default=60, most=LONGEST_BAR)
    if seconds % 5:
        raise Refusal("invalid_parameter", "seconds must be a multiple of 5.", field="seconds")
    count = reading.read_count("count", ask.query.get("count"), default=BARS, most=MOST_BARS)
    bars = ask.house.exchange.market.bars(_symbol(ask), seconds=seconds, count=count)
    return 200, {"bars": bars}


def read_webhook(ask: Ask) -> Answer:
    """Answer where the account's news goes. The secret never comes out."""
    hook = ask.client.webhook
    if hook is None:
        raise Refusal("not_found", "The account has no webhook.")
    return 200, {"url": hook.url, "disabled": hook.disabled}


def set_webhook(ask: Ask) -> Answer:
    """Send the account's news to a URL from now on."""
    reading.check_fields(ask.told, required=("url", "secret"))
    url = reading.read_text("url", ask.told["url"], longest=2_000)
    secret = reading.read_text("secret", ask.told["secret"], longest=200)
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise Refusal("invalid_webhook", "url must be a whole http or https URL.", field="url")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith("whsec_") or len(key) not in SECRET_BYTES:
        raise Refusal(
            "invalid_webhook", "secret must be whsec_ and 16 to 64 bytes in base64.", field="secret"
        )
    ask.client.webhook = Webhook(url=url, secret=secret)
    ask.house.exchange.records.keep_account(ask.client, now=ask.now)
    return 200, {"url": url, "disabled": False}


async def _health(request: web.Request) -> web.Response:
    house = request.app[HOUSE]
    return web.json_response({"status": "ok", "ticking": house.ticking})


def _symbol(ask: Ask) -> str:
    symbol = ask.path["symbol"]
    if symbol not in ask.house.exchange.market.listings:
        raise Refusal("not_found", f"There is no instrument {symbol[:32]!r} here.")
    return symbol

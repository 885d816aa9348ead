"""What an admin may ask: open accounts, set faults, move the market, and see the ledger."""

from __future__ import annotations

from decimal import Decimal

from aiohttp import web

from brokers.paper import reading
from brokers.paper.accounts import Account, Duplicates
from brokers.paper.amounts import ZERO, parse_amount, write_amount
from brokers.paper.doors import digest, door
from brokers.paper.house import Answer, Ask
from brokers.paper.ledger import Line
from brokers.paper.market import Phase
from brokers.paper.personalities import PAPER, PERSONALITIES, Personality
from brokers.paper.refusals import Refusal
from brokers.paper.revising import bust, correct

PAGE, MOST_LINES = 1_000, 10_000
MOST_STEPS = 10_000
MOST_FEE = Decimal(1_000)  # parts of ten thousand of a trade's worth: a tenth
TREATMENT = ("shorting", "duplicates", "active", "refuses_wash_trades", "fee_rate")
LINES = ("requests", "versions", "executions", "late", "webhooks", "attempts")


def routes() -> list[web.RouteDef]:
    """Return the admin's routes."""
    return [
        web.post("/admin/accounts", door(open_account, admin=True)),
        web.patch("/admin/accounts/{key}", door(change_account, admin=True)),
        web.get("/admin/faults", door(read_faults, admin=True, recorded=False)),
        web.put("/admin/faults", door(set_faults, admin=True)),
        web.post("/admin/market", door(move_market, admin=True)),
        web.post("/admin/step", door(step, admin=True)),
        web.post("/admin/executions/{id}/bust", door(bust_execution, admin=True)),
        web.post("/admin/executions/{id}/correct", door(correct_execution, admin=True)),
        web.get("/admin/ledger/{table}", door(read_ledger, admin=True, recorded=False)),
    ]


def open_account(ask: Ask) -> Answer:
    """Open an account: 201, or 200 if it is there with this secret."""
    reading.check_fields(
        ask.told,
        required=("key", "secret", "cash"),
        optional=("name", "personality", *TREATMENT),
    )
    key = reading.read_text("key", ask.told["key"], longest=64)
    secret = reading.read_text("secret", ask.told["secret"], longest=200)
    existing = ask.house.exchange.books.accounts.get(key)
    if existing is not None and existing.secret_digest != digest(secret):
        raise Refusal("account_exists", "The key is in use with another secret.", field="key")
    personality = _personality(ask, PAPER)
    account = existing or Account(
        key=key,
        secret_digest=digest(secret),
        name=reading.read_text("name", ask.told.get("name") or key, longest=100),
        deposit=_amount(ask, "cash"),
        personality=personality,
        refuses_wash_trades=personality.refuses_wash_trades,
    )
    if existing is None:
        _treat(ask, account)
        ask.house.exchange.records.keep_account(account, now=ask.now)
    return 200 if existing else 201, _account_json(account)


def change_account(ask: Ask) -> Answer:
    """Change how an account is treated: what it may do, and what it pays for it."""
    reading.check_fields(ask.told, required=(), optional=TREATMENT)
    account = _account(ask, ask.path["key"])
    _treat(ask, account)
    ask.house.exchange.records.keep_account(account, now=ask.now)
    return 200, _account_json(account)


def read_faults(ask: Ask) -> Answer:
    """Answer the table of faults, as set for one account."""
    ask.only("account")
    account = _account(ask, ask.query.get("account"))
    return 200, {"account": account.key, "faults": ask.house.faults.json(account.key)}


def set_faults(ask: Ask) -> Answer:
    """Set one account's faults. Those not named are taken off."""
    reading.check_fields(ask.told, required=("account", "faults"))
    account = _account(ask, ask.told["account"])
    if not isinstance(ask.told["faults"], dict):
        raise Refusal("invalid_parameter", "faults must be an object.", field="faults")
    faults = ask.house.faults
    faults.set(account.key, ask.told["faults"])
    ask.house.exchange.ledger.append(
        "settings", faults.record(account.key), at=ask.now, account=account.key, name=account.key
    )
    return 200, {"account": account.key, "faults": faults.json(account.key)}


def move_market(ask: Ask) -> Answer:
    """Set a symbol's price and hold it there, let it go, open or close it; or stop the clock.

    Opening and closing (`open`, or `phase` where out of hours is one) hold the auction first.
    """
    changes = ("price", "size", "release", "open", "phase", "ticking")
    reading.check_fields(ask.told, required=(), optional=("symbol", *changes))
    exchange, market = ask.house.exchange, ask.house.exchange.market
    ticking = _flag(ask, "ticking", default=ask.house.ticking)
    if set(ask.told) - {"ticking"}:
        reading.check_fields(ask.told, required=("symbol",), optional=changes)
        symbol = reading.read_text("symbol", ask.told["symbol"], longest=32)
        listing = market.listing(symbol)
        price = _amount(ask, "price") if "price" in ask.told else listing.last
        size = _amount(ask, "size") if "size" in ask.told else None
        release = _flag(ask, "release", default=False)
        phase = _phase(ask, listing.phase)
        if release:
            market.release(symbol)
        elif "price" in ask.told or "size" in ask.told:
            market.set_price(symbol, price, size=size)
        exchange.turn(symbol, phase, now=ask.now)
        exchange.mark(now=ask.now)
    ask.house.ticking = ticking
    return 200, {"ticking": ticking, "instruments": list(market.instruments())}


def step(ask: Ask) -> Answer:
    """Move the market by hand, so many ticks, whether or not the clock runs."""
    reading.check_fields(ask.told, required=(), optional=("count",))
    count = ask.told.get("count", 1)
    if type(count) is not int or not 1 <= count <= MOST_STEPS:
        raise Refusal("invalid_parameter", f"count must be from 1 to {MOST_STEPS}.", field="count")
    for _ in range(count):
        ask.house.exchange.step(now=ask.now)
    return 200, {"stepped": count}


def bust_execution(ask: Ask) -> Answer:
    """Take a trade back, and answer with the word that says so."""
    reading.check_fields(ask.told, required=())
    records = ask.house.exchange.records
    word = bust(records, ask.path["id"], now=records.time(ask.now))
    return 200, word.json()


def correct_execution(ask: Ask) -> Answer:
    """Restate a trade, and answer with the word that says so."""
    reading.check_fields(ask.told, required=("quantity", "price"))
    records, quantity, price = (
        ask.house.exchange.records,
        _amount(ask, "quantity"),
        _amount(ask, "price"),
    )
    word = correct(
        records, ask.path["id"], quantity=quantity, price=price, now=records.time(ask.now)
    )
    return 200, word.json()


def read_ledger(ask: Ask) -> Answer:
    """Answer lines of the ledger, from the disk.

    `orders` is each order's last line, `versions` is all of them; `late` is
    each promise's every state, `accounts` is every account as it now is.
    """
    ask.only("account", "after", "limit")
    exchange = ask.house.exchange
    account = ask.query.get("account")
    after = reading.read_count("after", ask.query.get("after"), default=0, most=10**9)
    limit = reading.read_count("limit", ask.query.get("limit"), default=PAGE, most=MOST_LINES)
    table = ask.path["table"]
    if table == "accounts":  # not as they stand on the disk, with their secrets
        accounts = exchange.books.accounts.values()
        lines = [_account_json(one) for one in accounts if account in (None, one.key)]
        return 200, {"lines": lines, "next_after": None}
    if table == "orders":
        orders = list(exchange.ledger.firsts(account=account, after=after, limit=limit))
        last = orders[-1][0] if orders else 0
        return 200, _lines_json([line for _, line in orders], limit, last=last)
    if table not in LINES:
        raise Refusal("not_found", "The ledger has no such page.")
    name = "orders" if table == "versions" else table
    found = list(exchange.ledger.lines(name, account=account, after=after, limit=limit))
    return 200, _lines_json(found, limit, last=found[-1].sequence if found else 0)


def _lines_json(lines: list[Line], limit: int, *, last: int) -> dict[str, object]:
    return {
        "lines": [
            {
                "line": line.sequence,
                "at": line.at.isoformat(),
                "account": line.account,
                "name": line.name,
                **line.body,
            }
            for line in lines
        ],
        "next_after": last if len(lines) == limit else None,
    }


def _account(ask: Ask, key: object) -> Account:
    account = ask.house.exchange.books.accounts.get(key) if isinstance(key, str) else None
    if account is None:
        raise Refusal("not_found", "There is no such account.", field="account")
    return account


def _account_json(account: Account) -> dict[str, object]:
    return {
        "key": account.key,
        "name": account.name,
        "shorting": account.shorting,
        "duplicates": account.duplicates.value,
        "active": account.active,
        "refuses_wash_trades": account.refuses_wash_trades,
        "fee_rate": write_amount(account.fee_rate),
        "personality": account.personality.name,
    }


def _treat(ask: Ask, account: Account) -> None:
    """Change what is told of an account's treatment. Raises Refusal, having changed nothing."""
    shorting = _flag(ask, "shorting", default=account.shorting)
    active = _flag(ask, "active", default=account.active)
    washes = _flag(ask, "refuses_wash_trades", default=account.refuses_wash_trades)
    fee_rate = account.fee_rate
    if "fee_rate" in ask.told:
        free = ask.told["fee_rate"] == "0"
        fee_rate = ZERO if free else _amount(ask, "fee_rate")
    if fee_rate > MOST_FEE:
        raise Refusal(
            "invalid_parameter", f"fee_rate must be at most {MOST_FEE}.", field="fee_rate"
        )
    account.duplicates = _duplicates(ask, account.duplicates)
    account.shorting, account.active = shorting, active
    account.refuses_wash_trades, account.fee_rate = washes, fee_rate


def _amount(ask: Ask, field: str) -> Decimal:
    try:
        return parse_amount(ask.told[field])
    except ValueError as error:
        raise Refusal("invalid_parameter", f"{field} {error}.", field=field) from error


def _flag(ask: Ask, field: str, *, default: bool) -> bool:
    value = ask.told.get(field, default)
    if not isinstance(value, bool):
        raise Refusal("invalid_parameter", f"{field} must be true or false.", field=field)
    return value


def _phase(ask: Ask, default: Phase) -> Phase:
    """Return the phase a market is to be in: named, or `open` and `closed` as true and false."""
    if "phase" not in ask.told:
        if "open" not in ask.told:
            return default
        return Phase.OPEN if _flag(ask, "open", default=False) else Phase.CLOSED
    try:
        return Phase(ask.told["phase"])
    except ValueError as error:
        known = ", ".join(Phase)
        raise Refusal(
            "invalid_parameter", f"phase must be one of {known}.", field="phase"
        ) from error


def _duplicates(ask: Ask, default: Duplicates) -> Duplicates:
    try:
        return Duplicates(ask.told.get("duplicates", default))
    except ValueError as error:
        known = ", ".join(Duplicates)
        raise Refusal(
            "invalid_parameter", f"duplicates must be one of {known}.", field="duplicates"
        ) from error


def _personality(ask: Ask, default: Personality) -> Personality:
    name = ask.told.get("personality", default.name)
    if not isinstance(name, str) or name not in PERSONALITIES:
        known = ", ".join(PERSONALITIES)
        raise Refusal(
            "invalid_parameter", f"personality must be one of {known}.", field="personality"
        )
    return PERSONALITIES[name]

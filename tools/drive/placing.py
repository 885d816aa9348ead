"""Places a seeded mix of orders, and does to each what the dice say."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal

from tools.drive.comparing import has_ended
from tools.drive.servers import Desk, Exchange, Json, Unusable

SYMBOLS = ("AAPL", "MSFT", "AMD", "NVDA", "KO")
AT_ONCE = 8  # orders under way at the same time
CENT = Decimal("0.01")


@dataclass(slots=True)
class Drive:
    """One run."""

    desk: Desk
    exchange: Exchange
    dice: random.Random
    prefix: str = field(default_factory=lambda: f"drive-{secrets.token_hex(4)}-")
    prices: dict[str, Decimal] = field(default_factory=dict)
    repeated: int = 0

    def learn_prices(self) -> None:
        """Buy one of everything: that tells the prices, and which account at the exchange it is."""
        first = self._place_probe(SYMBOLS[0])
        self.desk.since = first["placed_at"]
        self.prices[SYMBOLS[0]] = self._fill_price(first)
        self.exchange.find_account(first["client_order_id"])
        for symbol in SYMBOLS[1:]:
            self.prices[symbol] = self._fill_price(self._place_probe(symbol))

    def run(self, count: int) -> None:
        """Place the orders, a few at a time, and do to each what the dice say."""
        plans = [self._plan(number) for number in range(count)]
        with ThreadPoolExecutor(AT_ONCE) as hands:
            for done in [hands.submit(self._carry_out, *plan) for plan in plans]:
                done.result()

    def wait_for_quiet(self, within: float, *, say: Callable[[str], None]) -> list[Json]:
        """Cancel what still works, and return the orders once none is open or in doubt."""
        until = time.monotonic() + within
        asked: set[str] = set()
        while True:
            orders = self.desk.orders(self.prefix)
            moving = [order for order in orders if not has_ended(order)]
            doubt = sum(order["in_doubt"] for order in orders)
            say(f"{len(orders)} orders, {len(moving)} still open, {doubt} in doubt")
            if not moving and not any(order["flags"] for order in orders):
                return orders
            if time.monotonic() > until:
                return orders
            for order in moving:
                if order["id"] not in asked and order["submission"] == "accepted":
                    self.desk.server.sure("DELETE", self.desk.path(f"orders/{order['id']}"))
                    asked.add(order["id"])
            time.sleep(1)

    def _place_probe(self, symbol: str) -> Json:
        name = f"{self.prefix}price-{symbol}"
        return self.desk.place(_market(name, symbol, "buy", 1))

    def _fill_price(self, order: Json) -> Decimal:
        for _ in range(100):
            if (order := self.desk.order(order["id"]))["average_price"] is not None:
                return Decimal(order["average_price"])
            time.sleep(0.2)
        raise Unusable(f"{order['symbol']} does not trade: {order['submission_reason']}")

    def _plan(self, number: int) -> tuple[Json, bool, str, int]:
        """Return an order, whether it is asked for twice, and what is done to it later."""
        dice = self.dice
        symbol, side = dice.choice(SYMBOLS), dice.choice(("buy", "sell"))
        told = _market(f"{self.prefix}{number:04d}", symbol, side, dice.randint(1, 20))
        price, up = self.prices[symbol], 1 if side == "buy" else -1
        kind = dice.choices(("market", "limit", "far", "stop"), weights=(35, 30, 20, 15))[0]
        near = price * Decimal(dice.randint(-10, 20) * up) / 10_000
        match kind:
            case "limit":
                told |= {"order_type": "limit", "limit_price": _text(price + near)}
            case "far":
                told |= {"order_type": "limit", "limit_price": _text(price * (10 - up) / 10)}
            case "stop":
                away = abs(near) + CENT
                told |= {"order_type": "stop", "stop_price": _text(price + up * away)}
        later = dice.choices(("leave", "cancel", "replace"), weights=(60, 20, 20))[0]
        return told, dice.random() < 0.1, later, dice.randint(1, 5)

    def _carry_out(self, told: Json, twice: bool, later: str, more: int) -> None:
        order = self.desk.place(told)
        if twice:  # as a client does that lost the answer
            self.repeated += 1
            if self.desk.place(told)["id"] != order["id"]:
                raise Unusable(f"The desk made two orders of {told['client_order_id']}.")
        if later == "leave":
            return
        order = self._wait_until_taken(order)
        path = self.desk.path(f"orders/{order['id']}")
        if later == "cancel":
            self.desk.server.sure("DELETE", path)
        elif order["submission"] == "accepted":
            name = f"{told['client_order_id']}-r"
            total = str(int(told["quantity"]) + more)
            changes = {"client_order_id": name, "quantity": total}
            self.desk.server.sure("PATCH", path, changes)  # 409 if it has filled by now

    def _wait_until_taken(self, order: Json) -> Json:
        for _ in range(20):
            if order["submission"] not in {"ready", "sending"}:
                break
            time.sleep(0.1)
            order = self.desk.order(order["id"])
        return order


def _market(name: str, symbol: str, side: str, quantity: int) -> Json:
    return {
        "client_order_id": name,
        "symbol": symbol,
        "side": side,
        "quantity": str(quantity),
        "order_type": "market",
        "time_in_force": "day",
    }


def _text(price: Decimal) -> str:
    return str(price.quantize(CENT))

"""Drives orders through the desk while the paper exchange loses its answers, then compares books.

Places a seeded mix of orders through the desk's API, repeats some requests as a client does that
got no answer, replaces and cancels others. Meanwhile the exchange loses answers in six ways, loses
and repeats webhooks, and takes every order it is sent, even twice under one id: only the desk keeps
it from trading double. When all is quiet, the exchange's own ledger must agree with the desk, order
for order and fill for fill. Exits with 1 if it does not.

  ./desk up                  in one terminal
  python3 tools/drive.py     in another; --key and --secret, or it asks ./desk for a key

Needs Python and nothing else. Everything it places has an id that begins with "drive-".
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import secrets
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
SYMBOLS = ("AAPL", "MSFT", "AMD", "NVDA", "KO")
LOSSES = (  # the ways in which an answer gets lost; in all but the first the order is there
    "not_accepted_504",
    "accept_then_504",
    "accept_then_html_502",
    "accept_then_hang",
    "accept_then_reset",
    "accept_then_truncated_201",
)
HANG = 3  # seconds of silence before the exchange hangs up
AT_ONCE = 8  # orders under way at the same time
CLIENT_PATIENCE = 30  # seconds
CENT = Decimal("0.01")
SAME_STATE = {  # the desk's word for the exchange's
    "filled": "filled",
    "cancelled": "canceled",
    "expired": "expired",
    "replaced": "replaced",
}
NO_ORDER = {"refused", "absent", "withdrawn", "expired_unsent", "blocked"}
Json = dict[str, Any]


class Unusable(Exception):
    """It can't begin, or can't go on; the message says why."""


@dataclass(frozen=True, slots=True)
class Said:
    """One answer."""

    status: int
    body: Json


@dataclass(frozen=True, slots=True)
class Server:
    """Somewhere to send JSON to."""

    url: str
    headers: dict[str, str]

    def ask(self, method: str, path: str, body: Json | None = None) -> Said:
        """Make one request. Raises OSError when no whole answer comes."""
        request = urllib.request.Request(  # noqa: S310 — the address is the user's own
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={**self.headers, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=CLIENT_PATIENCE) as answer:  # noqa: S310
                return Said(answer.status, _decoded(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Said(error.code, _decoded(error.read()))

    def sure(self, method: str, path: str, body: Json | None = None) -> Said:
        """Ask until an answer says something: safe, as our ids make it one request."""
        for pause in (0.2, 0.5, 1, 2, 4, 8, None):
            try:
                said = self.ask(method, path, body)
            except OSError as error:
                reason = str(error)
            else:
                if said.status < 500:
                    return said
                reason = f"{said.status} {said.body}"
            if pause is not None:
                time.sleep(pause)
        raise Unusable(f"{method} {self.url}{path}: {reason}")

    def must(self, method: str, path: str, body: Json | None = None) -> Json:
        """Return the body of a 2xx. Raises Unusable for anything else."""
        said = self.sure(method, path, body)
        if not 200 <= said.status < 300:
            raise Unusable(f"{method} {self.url}{path}: {said.status} {said.body}")
        return said.body


@dataclass(slots=True)
class Desk:
    """The desk's API, for one account."""

    server: Server
    account: str
    since: str = ""

    def path(self, rest: str) -> str:
        return f"/api/v1/accounts/{self.account}/{rest}"

    def place(self, told: Json) -> Json:
        return self.server.must("POST", self.path("orders"), told)

    def order(self, order_id: str) -> Json:
        return self.server.must("GET", self.path(f"orders/{order_id}"))

    def orders(self, prefix: str) -> list[Json]:
        """Return the orders of this run."""
        rows = self._walk("orders", placed_after=self.since)
        return [row for row in rows if row["client_order_id"].startswith(prefix)]

    def executions(self) -> Iterator[Json]:
        """Yield the executions since this run began, and perhaps some before."""
        began = datetime.fromisoformat(self.since) - timedelta(minutes=1)
        yield from self._walk("executions", executed_after=began.isoformat())

    def _walk(self, name: str, **query: str) -> Iterator[Json]:
        asked = {"limit": "200", **query}
        while True:
            page = self.server.must("GET", self.path(f"{name}?{urllib.parse.urlencode(asked)}"))
            yield from page[name]
            if page["next_cursor"] is None:
                return
            asked["cursor"] = page["next_cursor"]


@dataclass(slots=True)
class Exchange:
    """The paper exchange's admin door."""

    server: Server
    account: str = ""

    def ledger(self, table: str, **query: str) -> Iterator[Json]:
        asked = {**query, "limit": "10000"}
        while True:
            path = f"/admin/ledger/{table}?{urllib.parse.urlencode(asked)}"
            page = self.server.must("GET", path)
            yield from page["lines"]
            if page["next_after"] is None:
                return
            asked["after"] = str(page["next_after"])

    def find_account(self, client_order_id: str) -> None:
        """Learn which account is the desk's: the one with this order."""
        for line in self.ledger("orders"):
            if line["client_order_id"] == client_order_id:
                self.account = line["account"]
                return
        raise Unusable("The exchange has not seen the desk's order. Is it the desk's exchange?")

    def lose(self, share: Decimal) -> tuple[Json, str]:
        """Turn the dials. Returns how they stood, for `restore`."""
        asked = urllib.parse.quote(self.account)
        faults = self.server.must("GET", f"/admin/faults?account={asked}")["faults"]
        account = self.server.must("PATCH", f"/admin/accounts/{asked}", {})
        self._set({**_losses(share), **_noise(share)}, "accept_twice")
        takes = ("probability", "next", "seconds", "times")
        before = {name: {key: f[key] for key in takes if key in f} for name, f in faults.items()}
        return before, account["duplicates"]

    def restore(self, faults: Json, duplicates: str) -> None:
        self._set(faults, duplicates)

    def _set(self, faults: Json, duplicates: str) -> None:
        self.server.must("PUT", "/admin/faults", {"account": self.account, "faults": faults})
        path = f"/admin/accounts/{urllib.parse.quote(self.account)}"
        self.server.must("PATCH", path, {"duplicates": duplicates})


@dataclass(slots=True)
class Found:
    """What the comparison came to."""

    counts: dict[str, object] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


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
            moving = [order for order in orders if not _has_ended(order)]
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


def compare(drive: Drive, orders: list[Json]) -> Found:
    """Hold the desk's orders and fills against the exchange's ledger."""
    found = Found()
    ours, account = drive.prefix, drive.exchange.account
    there: dict[str, list[Json]] = defaultdict(list)
    for line in drive.exchange.ledger("orders", account=account):
        if line["client_order_id"].startswith(ours):
            there[line["client_order_id"]].append(line)
    here = {order["client_order_id"]: order for order in orders}

    doubles = [name for name, lines in there.items() if len(lines) > 1]
    states = [said for order in orders if (said := _state_differs(order, there))]
    strangers = [name for name in there if name not in here]
    terms = [
        said
        for name in here.keys() & there.keys()
        if (said := _terms_differ(here[name], there[name][0]))
    ]
    lost, invented = _fills_differ(drive, here)
    requests = [
        line
        for line in drive.exchange.ledger("requests", account=account)
        if line["method"] == "POST" and ours in line["body"]
    ]
    faults = Counter(line["fault"] for line in requests if line["fault"])
    doubts = [_doubt(drive.desk, order) for order in orders]
    spans = [span for span in doubts if span is not None]

    found.counts = {
        "orders": len(orders),
        "asked for twice by the client": drive.repeated,
        "answers lost": f"{faults.total()} of {len(requests)}",
        "entered doubt": len(spans),
        "resolved": sum(not order["in_doubt"] for order in orders) - (len(orders) - len(spans)),
        "longest doubt": f"{max(spans, default=0.0):.1f} s",
        "fills": sum(1 for _ in _fills_there(drive)),
        "doubles": len(doubles),
        "lost fills": len(lost),
        "invented fills": len(invented),
        "different states": len(states),
        "different terms": len(terms),
        "unknown to the desk": len(strangers),
    }
    found.wrong += [f"{name}: {len(there[name])} orders at the exchange" for name in doubles]
    found.wrong += [f"{name}: at the exchange, and not on the desk" for name in strangers]
    found.wrong += [f"fill {fill}: not on the desk" for fill in lost]
    found.wrong += [f"fill {fill}: not at the exchange" for fill in invented]
    found.wrong += states + terms
    return found


def _state_differs(order: Json, there: dict[str, list[Json]]) -> str:
    name, lines = order["client_order_id"], there.get(order["client_order_id"], [])
    said = order["status"] or order["submission"]
    if order["in_doubt"] or not _has_ended(order):
        return f"{name}: still {said} on the desk"
    if order["flags"]:
        return f"{name}: flagged {', '.join(order['flags'])}"
    if order["submission"] in NO_ORDER:
        return f"{name}: {said} on the desk, and at the exchange" if lines else ""
    if not lines:
        return f"{name}: {said} on the desk, and not at the exchange"
    truth = lines[0]
    same = (
        SAME_STATE.get(truth["status"]) == said
        and Decimal(truth["filled_quantity"]) == Decimal(order["filled_quantity"])
        and truth["id"] == order["broker_order_id"]
    )
    return "" if same else f"{name}: {said} on the desk, {truth['status']} at the exchange"


def _terms_differ(order: Json, truth: Json) -> str:
    words = ("symbol", "side", "time_in_force")
    amounts = ("quantity", "limit_price", "stop_price")
    same = (
        all(order[word] == truth[word] for word in words)
        and order["order_type"] == truth["type"]
        and all(_amount(order[name]) == _amount(truth[name]) for name in amounts)
    )
    return "" if same else f"{order['client_order_id']}: other terms at the exchange"


def _fills_there(drive: Drive) -> Iterator[tuple[str, str, Decimal, Decimal]]:
    for line in drive.exchange.ledger("executions", account=drive.exchange.account):
        if line["client_order_id"].startswith(drive.prefix):
            yield (
                line["client_order_id"],
                line["id"],
                Decimal(line["quantity"]),
                Decimal(line["price"]),
            )


def _fills_differ(drive: Drive, here: dict[str, Json]) -> tuple[list[Any], list[Any]]:
    """Return the fills that only the exchange has, and those that only the desk has."""
    names = {order["id"]: name for name, order in here.items()}
    desk = Counter(
        (
            names[fill["order_id"]],
            fill["execution_id"],
            Decimal(fill["quantity"]),
            Decimal(fill["price"]),
        )
        for fill in drive.desk.executions()
        if fill["order_id"] in names
    )
    exchange = Counter(_fills_there(drive))
    return list((exchange - desk).elements()), list((desk - exchange).elements())


def _doubt(desk: Desk, order: Json) -> float | None:
    """Return for how many seconds an order was in doubt, or None if it never was."""
    began, spans = None, []
    for event in desk.server.must("GET", desk.path(f"orders/{order['id']}/events"))["events"]:
        submission = event["after"].get("submission")
        if submission is None:
            continue
        at = datetime.fromisoformat(event["at"])
        if submission == "unknown":
            began = at
        elif began is not None:
            spans.append((at - began).total_seconds())
            began = None
    return max(spans) if spans else (0.0 if began is not None else None)


def _has_ended(order: Json) -> bool:
    return order["submission"] in NO_ORDER or order["status"] in {*SAME_STATE.values(), "rejected"}


def _losses(share: Decimal) -> Json:
    """Return the dials that lose a share of answers: they are tried in turn till one strikes."""
    faults: Json = {}
    each, left = share / len(LOSSES), Decimal(1)
    for name in LOSSES:
        faults[name] = {"probability": f"{min(each / left, Decimal(1)):.6f}"} if left > 0 else {}
        left -= each
    faults["accept_then_hang"]["seconds"] = str(HANG)
    return faults


def _noise(share: Decimal) -> Json:
    names = ("webhook_drop", "webhook_reorder", "webhook_duplicate", "webhook_before_answer")
    return {name: {"probability": f"{share:.6f}"} for name in names}


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


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _decoded(body: bytes) -> Json:
    try:
        told = json.loads(body)
    except ValueError:
        return {"text": body[:200].decode(errors="replace")}
    return told if isinstance(told, dict) else {"json": told}


def _variables(data: Path) -> dict[str, str]:
    """Read what the running desk's programs were told."""
    try:
        words = shlex.split((data / "desk.env").read_text())
    except FileNotFoundError as error:
        raise Unusable(f"No desk has run in {data}. Name its directory with --data.") from error
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _new_key(data: Path) -> tuple[str, str]:
    """Ask the launcher for a key of our own."""
    command = [sys.executable, str(CHECKOUT / "desk"), "key", "--data", str(data)]
    made = subprocess.run(
        [*command, "--name", "drive", "--json"], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise Unusable(made.stderr.strip() or "./desk key made no key.")
    told = json.loads(made.stdout)
    return told["key"], told["secret"]


def main() -> int:
    """Drive, compare, and say what came of it."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    checkout = Path(__file__).resolve().parent.parent
    parser.add_argument(
        "--data", type=Path, default=checkout / ".desk", help="the desk's directory"
    )
    parser.add_argument("--url", help="where the desk is (else as its directory says)")
    parser.add_argument("--key", help="as ./desk key prints it")
    parser.add_argument("--secret")
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--lost", type=int, default=20, metavar="PERCENT", help="of all answers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--wait", type=float, default=180, metavar="SECONDS", help="for quiet")
    told = parser.parse_args()
    try:
        return drive(told)
    except Unusable as reason:
        print(f"drive: {reason}", file=sys.stderr)
        return 2


def drive(told: argparse.Namespace) -> int:
    """Run once with these arguments; return 1 if the books differ."""
    variables = _variables(told.data)
    url = (told.url or variables["DESK_URL"]).rstrip("/")
    key, secret = (told.key, told.secret) if told.key else _new_key(told.data)
    basic = base64.b64encode(f"{key}:{secret}".encode()).decode()
    server = Server(url, {"Authorization": f"Basic {basic}"})
    account = server.must("GET", "/api/v1/accounts")["accounts"][0]["id"]
    token = {"X-Paper-Admin": variables["DESK_PAPER_TOKEN"]}
    exchange = Exchange(Server(variables["DESK_PAPER_URL"].rstrip("/"), token))
    dice = random.Random(told.seed)  # noqa: S311 — the same mix for the same seed
    run = Drive(Desk(server, account), exchange, dice)

    run.learn_prices()
    print(f"Driving {told.orders} orders; the exchange loses {told.lost} % of its answers.")
    before = exchange.lose(Decimal(told.lost) / 100)
    try:
        run.run(told.orders)
        orders = run.wait_for_quiet(told.wait, say=_say)
    finally:
        exchange.restore(*before)
    print()
    found = compare(run, orders)
    for name, count in found.counts.items():
        print(f"  {name:<30} {count:>12}")
    for line in found.wrong[:50]:
        print(f"  WRONG  {line}")
    print("The books differ." if found.wrong else "The books agree.")
    return 1 if found.wrong else 0


def _say(line: str) -> None:
    if sys.stdout.isatty():
        print(f"\r\033[K  {line}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""A real paper exchange for tests, in a process of its own.

A folder's conftest.py takes both fixtures with one line:

    from tests.paper_exchange import paper, paper_process  # noqa: F401

    def test_something(paper):
        account = paper.account(cash="1000000")      # a fresh one, with a key and secret of its own
        account = paper.account(personality="tapp")  # which `account.adapter` speaks to as such
        adapter = account.adapter                    # also account.credentials, paper.url
        account.faults(accept_then_504={"next": 1})  # these and no others, from now on
        paper.price("AAPL", "150", size="1000000")   # held, so much shown at each price
        paper.step(3)                                # by hand; the market stands still otherwise
        paper.run()                                  # or let it tick, four times a second
        account.webhook(url, secret)
        account.orders(), account.executions()       # the ledger: what truly happened
        paper.restart()                              # kill -9, then the same ledger and port

The process is started once per session and shared; each test starts with the market standing still
and every price let go. A bid is a hundredth or more below the price, an ask above it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from brokers import registry
from brokers.paper.adapter import PaperAdapter

TOKEN = "paper-admin-token"
START_WITHIN = 20  # seconds
ROOT = Path(__file__).parent.parent
NUMBERS = count(1)
ENDED = {"filled", "cancelled", "expired", "replaced"}


class PaperExchange:
    """One exchange process, and the admin's hands on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._port = 0
        self.client = httpx.Client(trust_env=False)
        self._held: set[str] = set()
        self._opened: list[PaperAccount] = []
        self.start()

    def start(self) -> None:
        """Start it, on the port it had before if it had one, and wait until it answers."""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "brokers.paper", "--paused"),
                *("--port", str(self._port), "--data", str(self.directory)),
            ],
            cwd=ROOT,
            env={**os.environ, "DESK_PAPER_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_WITHIN)
        line = self._process.stdout.readline() if ready else ""
        assert "listens on" in line, f"the paper exchange did not start: {line!r}"
        self.url = line.split()[-1]
        self._port = urlsplit(self.url).port or 0

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self._process.send_signal(signal.SIGKILL)
        self._gone()

    def restart(self) -> None:
        """Kill it and start it again on the same ledger and port."""
        self.kill()
        self.start()

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self._process.terminate()
        code = self._gone()
        self.client.close()
        return code

    def account(
        self, *, cash: str = "1000000", personality: str = "paper", **settings: Any
    ) -> PaperAccount:
        """Open a fresh account. Settings: `shorting`, `duplicates`, `name`."""
        number = next(NUMBERS)
        key, secret = f"key-{os.getpid()}-{number}", f"secret-{number}"
        told = {"key": key, "secret": secret, "cash": cash, "personality": personality}
        self.admin("POST", "/admin/accounts", **told, **settings)
        account = PaperAccount(self, key, secret, personality)
        self._opened.append(account)
        return account

    def price(self, symbol: str, price: str, *, size: str = "1000000") -> None:
        """Set a price and hold it, with so much shown at each of two prices on either side."""
        self.admin("POST", "/admin/market", symbol=symbol, price=price, size=size)
        self._held.add(symbol)

    def step(self, ticks: int = 1) -> None:
        """Let so many ticks pass."""
        self.admin("POST", "/admin/step", count=ticks)

    def run(self) -> None:
        """Let the market tick by itself until the test is over."""
        self.admin("POST", "/admin/market", ticking=True)

    def pause(self) -> None:
        """Have the market stand still."""
        self.admin("POST", "/admin/market", ticking=False)

    def open(self, symbol: str, *, is_open: bool = True) -> None:
        """Open or close a symbol's market."""
        self.admin("POST", "/admin/market", symbol=symbol, open=is_open)

    def tidy(self) -> None:
        """Leave the market as the next test expects it, whatever the last one did."""
        if self._process.poll() is not None:
            self.start()
        self.pause()
        # What is left in the market would trade in the next test, and before that test's orders.
        left = [account.cancel_all() for account in self._opened]
        self._opened.clear()
        if any(left):
            self.step()
        for symbol in self._held:
            self.admin("POST", "/admin/market", symbol=symbol, release=True, open=True)
        self._held.clear()

    def ledger(self, page: str, *, account: str) -> list[dict[str, Any]]:
        """Return an account's orders, versions, executions, requests, webhooks or attempts."""
        lines: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            query = {"account": account} | ({"after": str(after)} if after else {})
            told = self.admin("GET", f"/admin/ledger/{page}?{httpx.QueryParams(query)}")
            lines += told["lines"]
            after = told["next_after"]
        return lines

    def admin(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Ask as the admin. Anything but a success fails the test."""
        answer = self.client.request(
            method, self.url + path, headers={"X-Paper-Admin": TOKEN}, json=body or None
        )
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def _gone(self) -> int:
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait(10)


@dataclass(frozen=True)
class PaperAccount:
    """One account at the exchange: the client's side of it, and the ledger's."""

    exchange: PaperExchange
    key: str
    secret: str
    personality: str = "paper"

    @property
    def broker(self) -> str:
        """What the desk calls a broker of this personality."""
        return "paper" if self.personality == "paper" else f"paper-{self.personality}"

    @property
    def credentials(self) -> dict[str, str]:
        """What `registry.connect` takes."""
        return {"key": self.key, "secret": self.secret}

    @property
    def headers(self) -> dict[str, str]:
        """What a request of the account's carries."""
        return {"X-Paper-Key": self.key, "X-Paper-Secret": self.secret}

    @property
    def adapter(self) -> PaperAdapter:
        """The account as the desk speaks to it."""
        adapter = registry.connect(
            self.broker, credentials=self.credentials, base_url=self.exchange.url
        )
        assert isinstance(adapter, PaperAdapter)
        return adapter

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Ask as the account, with whatever httpx takes, and return whatever comes back."""
        given["headers"] = {**self.headers, **given.get("headers", {})}
        return self.exchange.client.request(method, self.exchange.url + path, **given)

    def webhook(self, url: str, secret: str) -> None:
        """Have the account's news sent to a URL."""
        told = self.ask("PUT", "/v1/webhook", json={"url": url, "secret": secret})
        assert told.status_code == 200, told.text

    def faults(self, **faults: Mapping[str, Any]) -> None:
        """Set faults, each by `probability`, `next`, `seconds`, `times`; take off the others."""
        self.exchange.admin("PUT", "/admin/faults", account=self.key, faults=faults)

    def fired(self, fault: str) -> int:
        """Return how often a fault has struck."""
        query = httpx.QueryParams({"account": self.key})
        told = self.exchange.admin("GET", f"/admin/faults?{query}")["faults"]
        return int(told[fault]["fired"])

    def orders(self) -> list[dict[str, Any]]:
        """Return the account's orders as they truly stand."""
        return self.exchange.ledger("orders", account=self.key)

    def cancel_all(self) -> bool:
        """Ask for every open order to be cancelled at the next tick. Returns whether any was."""
        open_ones = [order for order in self.orders() if order["status"] not in ENDED]
        if open_ones:
            self.faults()
        for order in open_ones:
            self.ask("DELETE", f"/v1/orders/{order['id']}")
        return bool(open_ones)

    def executions(self) -> list[dict[str, Any]]:
        """Return what truly traded."""
        return self.exchange.ledger("executions", account=self.key)

    def requests(self, method: str = "", path: str = "") -> list[dict[str, Any]]:
        """Return the requests that came in, of one method and path if asked."""
        return [
            line
            for line in self.exchange.ledger("requests", account=self.key)
            if line["method"].startswith(method) and line["path"].startswith(path)
        ]


@pytest.fixture(scope="session")
def paper_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperExchange]:
    """The session's exchange. Tests ask for `paper`."""
    exchange = PaperExchange(tmp_path_factory.mktemp("paper"))
    yield exchange
    exchange.stop()


@pytest.fixture
def paper(paper_process: PaperExchange) -> Iterator[PaperExchange]:
    """A real paper exchange whose market stands still until stepped."""
    yield paper_process
    paper_process.tidy()

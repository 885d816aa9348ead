"""A whole desk for tests, as `./desk up` runs it: real processes, real sockets, a real exchange.

    from tests.running_desk import desk  # noqa: F401

    def test_something(desk):
        order = desk.place(symbol="AAPL", quantity="5")          # over the native API
        desk.until(lambda: desk.order(order)["status"] == "filled")
        desk.faults(accept_then_504={"next": 1})                 # at the exchange, until changed
        desk.executions(), desk.exchange("orders")               # ours, and the ledger's
        desk.redis.kill(), desk.redis.start()                    # the desk was given this one
        desk.kill("worker")                                      # as a power cut would

One desk is started for the whole session. Its Redis belongs to the test, so that it can be away
for as long as a test wants.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest

from embedded.environment import read_variables
from embedded.running import running
from embedded.spawning import die_with_parent
from embedded.valkey import Valkey

ROOT = Path(__file__).parent.parent
START_WITHIN = 180  # seconds, on a machine with much else to do
SETTLE_WITHIN = 40  # seconds, for anything a desk is to do by itself

T = TypeVar("T")


class Redis:
    """The desk's Redis, to be taken away and given back."""

    def __init__(self, directory: Path) -> None:
        self._server = Valkey(data=directory)
        self._up: ExitStack | None = None
        self.start()
        self.url = self._server.url

    def start(self) -> None:
        if self._up is None:
            self._up = ExitStack()
            self._up.enter_context(running(self._server))

    def kill(self) -> None:
        if self._up is not None:
            self._up.close()
            self._up = None


class Desk:
    """One running desk, with a key to its paper account and a hand on its exchange."""

    def __init__(self, directory: Path) -> None:
        self._clients: list[httpx.Client] = []
        self.data = directory / "desk"
        self.data.mkdir()
        (directory / "redis").mkdir()
        self.redis = Redis(directory / "redis")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = directory / "desk.log"
        self.start()

    def start(self) -> None:
        """Start it, on the data it has, and get a key to its account."""
        self.redis.start()
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DESK_", "DATABASE_", "REDIS_", "DJANGO_", "PYTEST_"))
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "embedded.up"),
                    *("--port", str(self.port), "--data", str(self.data)),
                ],
                cwd=ROOT,
                env={**clean, "REDIS_URL": self.redis.url},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 — calls only the kernel
            )
        try:
            self._await_welcome()
            self._get_a_key()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ctrl-C it, and see it go."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.redis.kill()

    # What a program does. ------------------------------------------------------------------

    def post(self, **terms: Any) -> httpx.Response:
        """Ask for an order over the native API. What is not said is a market buy of 5 AAPL."""
        asked = {
            "client_order_id": str(uuid4()),
            "symbol": "AAPL",
            "side": "buy",
            "quantity": "5",
            "order_type": "market",
            "time_in_force": "day",
        } | terms
        return self.api.post("/orders", json=asked)

    def place(self, **terms: Any) -> str:
        """Place an order and return its id."""
        answer = self.post(**terms)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def order(self, order_id: str) -> dict[str, Any]:
        return self._read(f"/orders/{order_id}")

    def events(self, order_id: str) -> dict[str, Any]:
        return self._read(f"/orders/{order_id}/events")

    def cancel(self, order_id: str) -> None:
        answer = self.api.delete(f"/orders/{order_id}")
        assert answer.status_code == 202, answer.text

    def executions(self, order_id: str) -> list[dict[str, Any]]:
        page = self._read("/executions?limit=200")
        return [one for one in page["executions"] if one["order_id"] == order_id]

    def until(
        self, question: Callable[[], T], *, within: float = SETTLE_WITHIN, what: str = ""
    ) -> T:
        """Ask until the answer is true, and return it. Fails with the desk's log."""
        give_up_at = time.monotonic() + within
        while not (answer := question()):
            if time.monotonic() > give_up_at:
                pytest.fail(f"It never came to be: {what}\n{self.log_tail()}")
            time.sleep(0.05)
        return answer

    def until_order(
        self, order_id: str, *, within: float = SETTLE_WITHIN, **wanted: Any
    ) -> dict[str, Any]:
        """Wait until an order's fields are so, and return it."""

        def so() -> dict[str, Any] | None:
            order = self.order(order_id)
            return order if all(order[name] == value for name, value in wanted.items()) else None

        return self.until(
            so, within=within, what=f"{order_id} with {wanted}; now {self.order(order_id)}"
        )

    # What the exchange knows. --------------------------------------------------------------

    def faults(self, **faults: Mapping[str, Any]) -> None:
        """Set the exchange's faults for our account. Those not named are taken off."""
        self._admin("PUT", "/admin/faults", {"account": self._paper_key, "faults": faults})

    def price(self, symbol: str, price: str, *, size: str = "1000000") -> None:
        """Hold a symbol at a price, with so much shown at each side."""
        self._admin("POST", "/admin/market", {"symbol": symbol, "price": price, "size": size})

    def exchange(self, table: str) -> list[dict[str, Any]]:
        """Return the lines of the exchange's own ledger for our account."""
        query = f"/admin/ledger/{table}?account={self._paper_key}&limit=10000"
        lines: list[dict[str, Any]] = self._admin("GET", query)["lines"]
        return lines

    def at_exchange(self, client_order_id: str) -> list[dict[str, Any]]:
        """Return the exchange's orders under one of our ids."""
        return [
            line
            for line in self.exchange("orders")
            if line.get("client_order_id") == client_order_id
        ]

    # What a person and a power cut do. -------------------------------------------------------

    def sign_in_link(self) -> str:
        """Return a fresh link that signs the demo trader in once."""
        told = self.manage("welcome")
        found = re.search(r"http://\S+/sign-in/once/\S+", told)
        assert found, told
        return found[0]

    def manage(self, *command: str, given: str | None = None) -> str:
        """Run a management command on this desk, `given` to its stdin; return what it prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env={**os.environ, **read_variables(self.data / "desk.env")},
            capture_output=True,
            input=given,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kill(self, *words: str) -> int:
        """Kill -9 this desk's processes whose command line has all the words; return how many."""
        killed = 0
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                mine = f"DESK_DATA={self.data}".encode() in (process / "environ").read_bytes()
            except OSError:
                continue
            if mine and all(word in command for word in words):
                os.kill(int(process.name), signal.SIGKILL)
                killed += 1
        return killed

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def _await_welcome(self) -> None:
        give_up_at = time.monotonic() + START_WITHIN
        while "Sign in as" not in self.log.read_text(errors="replace"):
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                pytest.fail(f"The desk did not come up:\n{self.log_tail()}")
            time.sleep(0.1)

    def _get_a_key(self) -> None:
        told = json.loads(self.manage("key", "--json", "--account", "Paper"))
        self.account_id = told["account_id"]
        self.api = httpx.Client(
            base_url=f"{self.url}/api/v1/accounts/{self.account_id}",
            headers={"X-API-Key": told["key"], "X-API-Secret": told["secret"]},
            trust_env=False,
            timeout=20,
        )
        variables = read_variables(self.data / "desk.env")
        self._exchange = httpx.Client(
            base_url=variables["DESK_PAPER_URL"],
            headers={"X-Paper-Admin": variables["DESK_PAPER_TOKEN"]},
            trust_env=False,
        )
        self._clients = [self.api, self._exchange]
        lines = self._admin("GET", "/admin/ledger/requests?limit=1000")["lines"]
        self._paper_key = next(line["account"] for line in lines if line["account"])

    def _admin(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self._exchange.request(method, path, json=body)
        assert answer.status_code < 300, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def _read(self, path: str) -> dict[str, Any]:
        answer = self.api.get(path)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


@pytest.fixture(scope="session")
def desk_process() -> Iterator[Desk]:
    """The session's desk."""
    with tempfile.TemporaryDirectory(prefix="blotter-desk-") as directory:
        desk = Desk(Path(directory))
        yield desk
        desk.stop()


@pytest.fixture
def desk(desk_process: Desk) -> Iterator[Desk]:
    """The running desk, with no faults at its exchange and its Redis up."""
    desk_process.redis.start()
    desk_process.faults()
    yield desk_process
    desk_process.faults()
    desk_process.redis.start()

"""One order is one order, though the SDK sends a POST again on 504 and 429, four times in all.

What is in the way here is a proxy of the user's, a broker that loses answers, and a desk that dies.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderStatus
from alpaca.trading.requests import ReplaceOrderRequest

from tests.paths.bots import Bot, a_name
from tests.paths.test_alpaca_sdk import FILLED, buys, buys_at
from tests.running_desk import Desk


class Proxy(ThreadingHTTPServer):
    """Carries requests to the desk. It gives up on the next few answers, after they have come."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), Carrier)
        self.target = target
        self.loses = 0  # so many answers from now on
        self.says = 504
        self.answered: list[int] = []  # by the desk, of what was lost and what was not
        self.url = f"http://127.0.0.1:{self.server_port}/alpaca"


class Carrier(BaseHTTPRequestHandler):
    server: Proxy

    def do_POST(self) -> None:
        self._carry()

    def do_PATCH(self) -> None:
        self._carry()

    def log_message(self, *_: Any) -> None:
        pass

    def _carry(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        answer = httpx.request(
            self.command,
            self.server.target + self.path,
            content=body,
            headers=headers,
            trust_env=False,
            timeout=20,
        )
        self.server.answered.append(answer.status_code)
        status, said, kind = answer.status_code, answer.content, answer.headers["Content-Type"]
        if self.server.loses:
            self.server.loses -= 1
            status, said, kind = self.server.says, b"<html>gave up</html>", "text/html"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


@pytest.fixture
def proxy(desk: Desk) -> Iterator[Proxy]:
    with Proxy(desk.url) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def behind(proxy: Proxy, bot: Bot) -> TradingClient:
    """Return the SDK behind the proxy. It would wait three seconds between two tries."""
    client = bot.sdk(url=proxy.url)
    client._retry_wait = 0.1
    return client


class TestBehindAProxy:
    @pytest.mark.parametrize("says", [504, 429])
    def test_a_repeat_is_refused_and_the_order_is_one(
        self, desk: Desk, bot: Bot, proxy: Proxy, says: int
    ) -> None:
        name = a_name()
        proxy.loses, proxy.says = 3, says
        client = behind(proxy, bot)

        with pytest.raises(APIError) as refused:
            client.submit_order(buys("AAPL", client_order_id=name))

        client._session.close()
        assert proxy.answered == [200, 422, 422, 422]
        assert (refused.value.status_code, refused.value.code) == (422, 40010001)
        assert refused.value.message == "client_order_id must be unique"
        # The bot looks, and finds that it has it.
        order = bot.until(bot.client.get_order_by_client_id(name).id, status=FILLED)
        bot.check_once(order)

    def test_a_repeat_is_answered_with_the_order_where_the_account_says_so(
        self, desk: Desk, bots: tuple[Bot, Bot], proxy: Proxy
    ) -> None:
        _, bot = bots
        name = a_name()
        proxy.loses = 3
        client = behind(proxy, bot)

        order = client.submit_order(buys("AAPL", client_order_id=name))

        assert proxy.answered == [200] * 4
        bot.until(order, status=FILLED)
        bot.check_once(order)
        # What else is asked for by this id is another order, and refused.
        with pytest.raises(APIError) as refused:
            client.submit_order(buys("AAPL", 2, client_order_id=name))
        client._session.close()
        assert refused.value.code == 40010001
        bot.check_once(order)
        bot.clear()

    def test_a_replace_happens_once(self, desk: Desk, bot: Bot, proxy: Proxy) -> None:
        old = bot.client.submit_order(buys_at("AAPL", 1, 5))
        bot.until(old, status=OrderStatus.NEW)
        proxy.loses = 3
        client = behind(proxy, bot)

        with pytest.raises(APIError) as refused:
            client.replace_order_by_id(old.id, ReplaceOrderRequest(qty=6))

        client._session.close()
        assert proxy.answered == [200, 422, 422, 422]
        assert refused.value.code == 42210000
        new = bot.until(bot.until(old, status=OrderStatus.REPLACED).replaced_by, qty="6")
        bot.check_once(new)
        assert [one.id for one in bot.client.get_orders()] == [new.id]


@pytest.mark.parametrize(
    "fault",
    ["accept_then_504", "accept_then_html_502", "accept_then_reset", "accept_then_truncated_201"],
)
def test_a_broker_that_loses_its_answer(desk: Desk, bot: Bot, fault: str) -> None:
    bot.faults(**{fault: {"next": 1}})

    order = bot.client.submit_order(buys("AAPL"))

    bot.until(order, status=FILLED)
    bot.check_once(order)


def test_a_broker_that_keeps_silent_makes_nobody_wait(desk: Desk, bot: Bot) -> None:
    bot.faults(accept_then_hang={"next": 1, "seconds": "60"})

    order = bot.client.submit_order(buys("AAPL"))

    # The exchange has it while the desk still waits to hear so.
    desk.until(lambda: bot.at_exchange(order.client_order_id), what="it is at the exchange")
    bot.until(order, status=FILLED)
    bot.check_once(order)


def test_workers_that_have_died(desk: Desk, bot: Bot) -> None:
    """The bot is answered all the same, and whoever comes after them sends each order once."""
    assert desk.kill("celery", "worker") >= 1

    orders = [bot.client.submit_order(buys("AAPL")) for _ in range(5)]

    for order in orders:
        bot.until(order, status=FILLED)
        bot.check_once(order)
    bot.until_held("AAPL", "5")

"""The account, what its broker can do, its trades and prices, and how the desk does."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError
from django.utils import timezone

from brokers.errors import NotSent
from brokers.messages import Bar
from brokers.vocabulary import Side
from config import health
from orders import asking, connecting, positioning
from orders.api.gateway import showing
from orders.models import Account, ApiKey, Feed
from tests.api.alpaca.test_holding import traded
from tests.api.gateway.conftest import a_strategy, check_declined
from tests.factories import AccountFactory, OrderFactory
from tests.fakes import NOON, call

READS = (
    *("account", "capabilities", "orders", "orders/history", "positions", "trades", "status"),
    *("circuit-breakers", "quotes/ACME", "bars/ACME?timeframe=1m"),
)


@pytest.fixture(autouse=True)
def _ask_anew():
    for kept in (asking._kept, asking._away, asking._noted):
        kept.clear()


class TestAccount:
    def test_golden(self, bot):
        traded(bot.account, quantity="2", price="90")

        answer = bot.get("account")

        assert answer.status_code == 200
        assert answer.told == {
            "balance": "1000",
            "equity": "1000",
            "margin_used": "0",
            "margin_available": "1000",
            "unrealized_pnl": "-180",
            "currency": "USD",
        }

    def test_while_the_broker_is_silent(self, bot, broker):
        broker.silent = NotSent("silence", call=call(None))

        answer = bot.get("account")

        check_declined(answer, 503, "PROVIDER_UNAVAILABLE")
        assert answer.headers["Retry-After"] == "1"


class TestCapabilities:
    def test_golden(self, bot):
        answer = bot.get("capabilities")

        assert answer.told == {
            "supported_asset_classes": ["STOCK"],
            "supported_order_types": ["MARKET", "LIMIT", "STOP", "STOP_LIMIT", "TRAILING_STOP"],
            "position_mode": "NETTING",
            "features": [
                "bracket_orders",
                "trailing_stop",
                "trailing_stops",
                "get_quote",
                "short_selling",
                "reduce_only",
            ],
        }

    @pytest.mark.parametrize(
        ("broker", "types", "has", "lacks"),
        [
            ("paper", 5, {"bracket_orders", "trailing_stop"}, set()),
            ("paper-tapp", 2, {"get_quote"}, {"bracket_orders", "trailing_stop", "short_selling"}),
            ("paper-gateway", 5, {"trailing_stop"}, {"bracket_orders", "reduce_only"}),
            ("paper-binance", 5, {"trailing_stop"}, {"bracket_orders", "short_selling"}),
        ],
    )
    def test_follow_the_accounts_broker(self, db, broker, types, has, lacks):
        account = AccountFactory(broker=broker, base_url="http://127.0.0.1:9")

        told = a_strategy(account).get("capabilities").told

        assert len(told["supported_order_types"]) == types
        assert has <= set(told["features"])
        assert not lacks & set(told["features"])


class TestTrades:
    def test_golden(self, bot):
        trade = traded(bot.account, fee=Decimal("0.05"), side=Side.SELL)

        answer = bot.get("trades")

        assert answer.told == [
            {
                "id": str(trade.pk),
                "order_id": str(trade.order_id),
                "symbol": "ACME",
                "side": "SELL",
                "quantity": "10",
                "price": "90",
                "commission": "0.05",
                "commission_currency": "USD",
                "timestamp": showing.moment(trade.executed_at),
                "blotter": {"execution_id": "E0"},
            }
        ]

    def test_filters(self, bot):
        ago = timezone.now() - timedelta(hours=1)
        old = traded(bot.account, executed_at=ago)
        new = traded(bot.account, symbol="BTC/USD", executed_at=ago + timedelta(minutes=1))
        traded(a_strategy().account)

        def ids(query):
            return [one["id"] for one in bot.get(f"trades?{query}").told]

        at = showing.moment(new.executed_at)
        assert ids("") == [str(new.pk), str(old.pk)]
        assert ids("symbol=BTC/USD") == [str(new.pk)]
        assert ids(f"order_id={old.order_id}") == [str(old.pk)]
        assert ids(f"since={at}") == [str(new.pk)]
        assert ids(f"until={at}") == [str(old.pk)]
        assert ids("limit=1") == [str(new.pk)]
        for query in ("order_id=x", f"order_id={OrderFactory().id}"):
            check_declined(bot.get(f"trades?{query}"), 404, "ORDER_NOT_FOUND")

    def test_what_was_undone_is_no_trade(self, bot):
        trade = traded(bot.account)
        traded(
            bot.account,
            order=trade.order,
            broker_order_id=trade.broker_order_id,
            execution_id=trade.execution_id,
            kind="bust",
        )

        assert bot.get("trades").told == []


class TestPrices:
    def test_quote(self, bot):
        assert bot.get("quotes/ACME").told == {
            "symbol": "ACME",
            "provider": "scripted",
            "bid": "100",
            "ask": "100",
            "last": "100",
            "timestamp": showing.moment(NOON),
        }

    @pytest.mark.parametrize("symbol", ["NONE", "BTC%2FUSD", "BTC/USD", "x" * 99, "%00", "%C3%BC"])
    def test_of_a_symbol_that_nobody_knows(self, bot, symbol):
        for path in (f"quotes/{symbol}", f"bars/{symbol}?timeframe=1m"):
            check_declined(bot.get(path), 404, "SYMBOL_NOT_FOUND")

    def test_bars(self, bot, monkeypatch):
        asked = []

        def bars(account, symbol, *, seconds, count):
            asked.append((symbol, seconds))
            prices = {
                "open": Decimal(1),
                "high": Decimal(3),
                "low": Decimal(1),
                "close": Decimal(2),
            }
            starts = (NOON + timedelta(seconds=seconds * nth) for nth in range(5))
            return tuple(Bar(at=at, **prices) for at in starts)[-count:]

        monkeypatch.setattr(asking, "bars", bars)

        def told(query):
            starts = (bar["timestamp"] for bar in bot.get(f"bars/ACME?timeframe=5m{query}").told)
            return [int(start[14:16]) for start in starts]

        assert bot.get("bars/ACME?timeframe=5m&limit=1").told == [
            {
                "symbol": "ACME",
                "provider": "scripted",
                "timeframe": "5m",
                "timestamp": "2026-03-02T12:20:00.000000Z",
                "open": "1",
                "high": "3",
                "low": "1",
                "close": "2",
                "volume": "0",
            }
        ]
        assert told("") == [0, 5, 10, 15, 20]
        assert told("&limit=2") == [15, 20]
        assert told("&limit=0") == []
        assert told("&limit=2&start=2026-03-02T12:05:00Z") == [5, 10]
        assert told("&limit=2&end=2026-03-02T12:15:00Z") == [10, 15]
        assert told("&start=2026-03-02T12:05:00Z&end=2026-03-02T12:05:00Z") == [5]
        assert set(asked) == {("ACME", 300)}

    @pytest.mark.parametrize("query", ["", "timeframe=", "timeframe=7m", "timeframe=1M"])
    def test_timeframes_that_are_none(self, bot, query):
        check_declined(bot.get(f"bars/ACME?{query}"), 400, "INVALID_REQUEST", field="timeframe")


class TestStatus:
    def test_is_how_the_broker_is_heard(self, bot):
        told = bot.get("status").told
        assert (told["connected"], told["last_heartbeat"][:4]) == (False, "1970")
        connecting.note_heard(bot.account, took_ms=12, now=NOON)
        heard = {"connected": True, "latency_ms": 12, "last_heartbeat": showing.moment(NOON)}
        assert bot.get("status").told == heard
        connecting.note_silent(bot.account, "silence", now=NOON)
        assert bot.get("status").told == heard | {"connected": False}

    def test_breakers_say_what_holds_orders_back(self, bot):
        closed = {"state": "closed", "failure_count": 0}
        assert bot.get("circuit-breakers").told == {"adapter": closed, "exit_order": closed}
        assert bot.ask("POST", "circuit-breakers/reset").told["adapter"] == closed
        Account.objects.filter(id=bot.account.id).update(halted_at=NOON)
        OrderFactory(account=bot.account, filled=True, unprotected_since=NOON)
        Feed.objects.filter(account=bot.account).update(silent_since=NOON)
        assert bot.get("circuit-breakers").told == {
            "adapter": {"state": "open", "failure_count": 1},
            "exit_order": {"state": "closed", "failure_count": 1},
        }
        answer = bot.ask("POST", "circuit-breakers/reset")
        check_declined(answer, 501, "UNSUPPORTED_OPERATION", "person")


class TestHealth:
    def test_lives(self, client):
        assert client.get("/gateway/livez").json() == {"status": "ok"}

    @pytest.mark.parametrize("state", [health.OK, health.DEGRADED, health.FAILED])
    def test_ready(self, bot, client, monkeypatch, state):
        parts = {"database": health.Part(state, "So it is.")}
        monkeypatch.setattr(health, "ask_all", lambda: parts)

        answer = bot.get("/gateway/readyz")

        has_failed = state == health.FAILED
        assert answer.status_code == (503 if has_failed else 200)
        assert answer.told == {
            "ready": not has_failed,
            "providers": ["scripted"],
            "provider_count": 1,
            **({"message": "So it is."} if has_failed else {}),
        }
        assert client.get("/gateway/readyz").json()["providers"] == []

    def test_health(self, bot, client, monkeypatch):
        monkeypatch.setattr(health, "ask_all", lambda: {"redis": health.Part(health.OK, "")})
        connecting.note_heard(bot.account, took_ms=1, now=NOON)

        told = bot.get("/gateway/health").told

        assert told["providers"] == [{"platform": "scripted", "connected": True}]
        assert (told["status"], told["git_sha"]) == ("connected", "unknown")
        assert told["version"]
        assert client.get("/gateway/health").json()["providers"] == []


class TestLettingIn:
    @pytest.mark.parametrize("path", READS)
    def test_nobody_without_a_key(self, client, db, path):
        answer = client.get(f"/gateway/v1/{path}")

        assert answer.status_code == 401
        assert answer.json() == {
            "code": "UNAUTHORIZED",
            "message": "Unauthorized: Missing API key",
            "details": {"code": "MISSING_API_KEY"},
        }

    def test_by_any_header_that_its_clients_use(self, bot, client):
        word = f"{bot.key.key}.{bot.secret}"
        for headers in (
            {"Authorization": f"Bearer {word}"},
            {"Authorization": f"bearer {word}"},
            {"X-API-Key": word},
            {"Authorization": "Bearer ", "X-API-Key": word},
            {"X-API-Key": bot.key.key, "X-API-Secret": bot.secret},
        ):
            assert client.get("/gateway/v1/orders", headers=headers).status_code == 200, headers

    def test_not_by_a_wrong_one(self, bot, client):
        for word in (bot.key.key, f"{bot.key.key}.x", f"x.{bot.secret}", ".", f"{bot.key.key}.",
                     f"{bot.key.key}\0.{bot.secret}", "ü.ü"):  # fmt: skip
            headers = {"Authorization": f"Bearer {word}"}
            answer = client.get("/gateway/v1/orders", headers=headers)
            assert answer.status_code == 401, word
            assert answer.json()["details"] == {"code": "INVALID_API_KEY"}

    def test_a_key_that_may_look_can_not_trade(self, bot):
        looker = a_strategy(bot.account, may_trade=False)

        assert looker.get("orders").status_code == 200
        for method, path in (
            ("POST", "orders"),
            ("DELETE", "orders"),
            ("DELETE", "positions"),
            ("DELETE", "positions/ACME"),
            ("PATCH", "positions/ACME"),
            ("POST", "circuit-breakers/reset"),
        ):
            answer = looker.ask(method, path, {} if method in {"POST", "PATCH"} else None)
            check_declined(answer, 401, "UNAUTHORIZED", code="READ_ONLY_API_KEY")


class TestRecordsAway:
    def test_reads_may_be_asked_again(self, bot, monkeypatch):
        def gone(*args):
            raise OperationalError("gone")

        monkeypatch.setattr(positioning, "positions", gone)

        check_declined(bot.get("positions"), 503, "PROVIDER_UNAVAILABLE")

    def test_so_may_writes_that_never_came_to_anything(self, bot, monkeypatch):
        def gone(*args):
            raise OperationalError("gone")

        monkeypatch.setattr(ApiKey, "find", gone)

        for method, path in (("POST", "orders"), ("DELETE", "positions/ACME")):
            answer = bot.ask(method, path, {} if method == "POST" else None)
            check_declined(answer, 503, "PROVIDER_UNAVAILABLE")

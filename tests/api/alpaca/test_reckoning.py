"""/v2/account/portfolio/history: what the account was worth, as far as anyone can say."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from brokers.messages import Bar, Quote
from brokers.vocabulary import Side
from orders import asking, timing
from orders.asking import NoAnswer
from tests.api.alpaca.conftest import check_declined
from tests.api.alpaca.test_holding import traded

NOW = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
NOON = NOW.replace(second=0)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _noon(monkeypatch):
    monkeypatch.setattr(timing, "database_now", lambda: NOW)


@pytest.fixture
def prices(monkeypatch):
    """Bars of a minute that end at noon, each a dollar dearer than the one before; 100 now."""

    def bars(account, symbol, *, seconds, count):
        assert seconds == 60
        return tuple(
            Bar(at=NOON - n * MINUTE, open=price, high=price, low=price, close=price)
            for n, price in ((n, Decimal(100 - n)) for n in (5, 4, 3, 2, 1))
        )

    def quote(account, symbol):
        price = Decimal(100)
        return Quote(symbol=symbol, bid=price, ask=price, last=price, at=NOW)

    monkeypatch.setattr(asking, "bars", bars)
    monkeypatch.setattr(asking, "quote", quote)


def test_of_an_account_that_never_traded(bot):
    told = bot.get("account/portfolio/history?period=1D&timeframe=1H").told

    assert told["timeframe"] == "1H"
    assert set(told["equity"]) == {1000.0}
    assert set(told["profit_loss"]) == {0.0}
    assert told["timestamp"][-1] == int(NOW.timestamp())
    assert [at % 3600 for at in told["timestamp"][:-1]] == [0] * (len(told["timestamp"]) - 1)
    assert len(told["timestamp"]) == len(told["equity"]) == len(told["profit_loss_pct"])


def test_takes_trades_back(bot, prices):
    """There are 1,000 of cash now, and 10 were bought at 90 two and a half minutes ago."""
    traded(bot.account, "10", "90", executed_at=NOON - 2 * MINUTE - timedelta(seconds=30))
    traded(
        bot.account, "4", "97.5", executed_at=NOON - timedelta(seconds=30), side=Side.SELL, fee=1
    )

    told = bot.get("account/portfolio/history?period=1D&timeframe=1Min").told

    recent = dict(zip(told["timestamp"], told["equity"], strict=True))
    at = int(NOON.timestamp())
    assert recent[int(NOW.timestamp())] == 1000 + 6 * 100
    assert recent[at] == 1000 + 6 * 99  # the last bar closed at 99, at noon
    assert recent[at - 60] == 1000 - 4 * 97.5 + 1 + 10 * 98
    assert recent[at - 180] == 1000 - 4 * 97.5 + 1 + 10 * 90
    assert told["base_value"] == told["equity"][0] == recent[at - 180]
    gain = recent[int(NOW.timestamp())] - told["base_value"]
    assert told["profit_loss"][-1] == pytest.approx(gain)
    assert told["profit_loss_pct"][-1] == pytest.approx(gain / told["base_value"])


def test_leaves_out_what_has_no_price(bot, prices):
    traded(bot.account, "10", "90", executed_at=NOON - timedelta(hours=2))

    told = bot.get("account/portfolio/history?period=1D&timeframe=1Min").told

    at = int(NOON.timestamp())
    held_unpriced = [one for one in told["timestamp"] if at - 7200 <= one < at - 240]
    assert held_unpriced == []
    assert told["timestamp"][-6:] == [at - 240, at - 180, at - 120, at - 60, at, at + 30]


def test_is_not_known_while_the_broker_is_silent(bot, monkeypatch):
    def silent(*args, **kwargs):
        raise NoAnswer("Silence.")

    monkeypatch.setattr(asking, "balance", silent)

    check_declined(bot.get("account/portfolio/history"), 503, 50310000)


@pytest.mark.parametrize(
    ("query", "frame"),
    [
        ("", "1D"),
        ("?period=1D", "1Min"),
        ("?period=1W", "15Min"),
        ("?period=1A", "1D"),
        ("?timeframe=5min", "5Min"),
        ("?end=2026-01-01&period=2W", "15Min"),
        ("?end=2999-01-01", "1D"),
        ("?period=999A&timeframe=1Min", "1Min"),
        ("?start=2026-03-02", "1Min"),
        ("?start=2026-02-20&date_end=2026-03-01&pnl_reset=no_reset", "15Min"),
    ],
)
def test_has_steps_that_fit_its_length(bot, query, frame):
    told = bot.get(f"account/portfolio/history{query}").told

    assert told["timeframe"] == frame
    assert told["timestamp"] == sorted(set(told["timestamp"]))
    assert 1 <= len(told["timestamp"]) <= 1000


@pytest.mark.parametrize(
    "query",
    [
        *("period=1", "period=0D", "period=1000D", "period=-1D", "timeframe=2H", "end=x"),
        *("end=0001-01-01", "start=0001-01-01", "start=2026-02-01&end=2026-01-01"),
        *("pnl_reset=per_day", "cashflow_types=ALL"),
    ],
)
def test_of_what_makes_no_sense(bot, query):
    check_declined(bot.get(f"account/portfolio/history?{query}"), 422, 40010001)

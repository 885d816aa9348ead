"""/v2/account, assets, clock and calendar."""

import pytest

from orders import asking
from orders.api.alpaca import naming
from orders.asking import NoAnswer
from orders.models import Account
from tests.api.alpaca.conftest import a_bot, check_declined
from tests.factories import AccountFactory


@pytest.fixture
def silent(monkeypatch):
    def no_answer(*args, **kwargs):
        raise NoAnswer("Silence.")

    for question in ("balance", "instruments", "quote"):
        monkeypatch.setattr(asking, question, no_answer)


class TestAccount:
    def test_golden(self, bot):
        answer = bot.get("account")

        account = bot.account
        assert answer.status_code == 200
        told = answer.told
        known = {name: value for name, value in told.items() if value is not None}
        assert known == {
            "id": str(account.id),
            "account_number": account.name,
            "status": "ACTIVE",
            "crypto_status": "ACTIVE",
            "currency": "USD",
            "cash": "1000",
            "buying_power": "1000",
            "equity": "1000",
            "portfolio_value": "1000",
            "position_market_value": "0",
            "trading_blocked": False,
            "transfers_blocked": False,
            "account_blocked": False,
            "trade_suspended_by_user": False,
            "shorting_enabled": True,
            "created_at": told["created_at"],
        }
        assert {"multiplier", "regt_buying_power", "last_equity", "sma"} <= set(told)

    def test_has_no_figures_while_the_broker_is_silent(self, bot, silent):
        told = bot.get("account").told

        assert (told["status"], told["cash"], told["equity"]) == ("ACTIVE", None, None)

    def test_says_that_it_is_halted(self, bot):
        Account.objects.update(halted_at=bot.account.created_at)

        told = bot.get("account").told

        assert (told["trading_blocked"], told["trade_suspended_by_user"]) == (True, True)
        assert bot.get("account/configurations").told["suspend_trade"] is True

    def test_says_that_it_is_closed(self, bot):
        Account.objects.update(is_open=False)

        told = bot.get("account").told

        assert (told["status"], told["account_blocked"]) == ("ACCOUNT_CLOSED", True)

    def test_configurations(self, bot):
        assert bot.get("account/configurations").told == {
            "dtbp_check": None,
            "fractional_trading": True,
            "max_margin_multiplier": "1",
            "max_options_trading_level": 0,
            "no_shorting": False,
            "pdt_check": None,
            "ptp_no_exception_entry": False,
            "suspend_trade": False,
            "trade_confirm_email": "none",
        }
        check_declined(bot.ask("PATCH", "account/configurations", {}), 405, 40510000)


class TestAssets:
    def test_golden(self, bot):
        answer = bot.get("assets")

        assert answer.status_code == 200
        assert answer.told == [
            {
                "id": naming.asset_id("ACME"),
                "class": "us_equity",
                "exchange": "",
                "symbol": "ACME",
                "name": "Acme",
                "status": "active",
                "tradable": True,
                "marginable": False,
                "shortable": True,
                "easy_to_borrow": True,
                "fractionable": True,
                "attributes": [],
            }
        ]

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("status=active", 1),
            ("status=inactive", 0),
            ("asset_class=us_equity", 1),
            ("asset_class=crypto", 0),
            ("exchange=CRYPTO", 0),
            ("attributes=ptp_no_exception", 0),
        ],
    )
    def test_are_chosen(self, bot, query, count):
        assert len(bot.get(f"assets?{query}").told) == count

    @pytest.mark.parametrize("query", ["status=x", "asset_class=x"])
    def test_by_words_that_are_known(self, bot, query):
        check_declined(bot.get(f"assets?{query}"), 422, 40010001)

    def test_are_not_known_while_the_broker_is_silent(self, bot, silent):
        check_declined(bot.get("assets"), 503, 50310000, "does not answer")
        check_declined(bot.get("assets/ACME"), 503, 50310000, "does not answer")

    @pytest.mark.parametrize("name", ["ACME", naming.asset_id("ACME")])
    def test_one(self, bot, name):
        answer = bot.get(f"assets/{name}")

        assert (answer.status_code, answer.told["symbol"]) == (200, "ACME")

    @pytest.mark.parametrize("name", ["NONE", "BTC/USD", "BTC%2FUSD", naming.asset_id("X"), "%00"])
    def test_one_that_is_none(self, bot, name):
        check_declined(bot.get(f"assets/{name}"), 404, 40410000, "asset not found for")

    @pytest.mark.django_db
    def test_a_pair(self, paper):
        account = AccountFactory(broker="paper-alpaca", base_url=paper.url)
        account.seal_credentials(paper.account(personality="alpaca").credentials)
        account.save()

        answer = a_bot(account).get("assets/BTC/USD")

        told = answer.told
        assert (told["symbol"], told["class"], told["exchange"]) == ("BTC/USD", "crypto", "CRYPTO")
        assert isinstance(told["price_increment"], str)


class TestMarket:
    @pytest.fixture
    def bot(self, db):
        return a_bot(AccountFactory(broker="paper"))

    def test_never_closes(self, bot):
        told = bot.get("clock").told

        assert told["is_open"] is True
        assert told["next_open"] == told["next_close"] > told["timestamp"]
        assert told["next_close"].endswith("T00:00:00.000000Z")

    def test_has_every_day(self, bot):
        told = bot.get("calendar?start=2024-02-28&end=2024-03-01").told

        assert [day["date"] for day in told] == ["2024-02-28", "2024-02-29", "2024-03-01"]
        assert told[0] == {
            "date": "2024-02-28",
            "open": "00:00",
            "close": "23:59",
            "session_open": "0000",
            "session_close": "2359",
            "settlement_date": "2024-02-28",
        }
        assert bot.get("calendar").status_code == 200
        assert bot.get("calendar?start=2024-02-28&end=2024-01-01").told == []

    @pytest.mark.parametrize(
        "query",
        ["start=x", "start=0001-01-01", "end=9999-12-31", "start=2024-01-01&end=2025-02-01"],
    )
    def test_has_days_that_are_none(self, bot, query):
        check_declined(bot.get(f"calendar?{query}"), 422, 40010001)

    @pytest.mark.parametrize("path", ["clock", "calendar"])
    def test_of_another_broker_is_not_known(self, bot, broker, path):
        other = a_bot()

        check_declined(other.get(path), 404, 40410000, "keeps no calendar of scripted")

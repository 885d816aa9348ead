"""manage.py account: opens, lists and changes accounts, and keeps their credentials to itself."""

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from brokers.addressing import Misaddressed
from orders import connecting
from orders.models import Account, AuditEvent, Grant
from tests.factories import AccountFactory

pytestmark = pytest.mark.django_db

SECRET = {"key": "K-1", "secret": "never to be seen again"}
URL = "http://127.0.0.1:1"


@pytest.fixture
def run(monkeypatch):
    def command(*arguments, given=""):
        said = StringIO()
        given = given if isinstance(given, str) else json.dumps(given)
        monkeypatch.setattr("sys.stdin", StringIO(given))
        call_command("account", *arguments, stdout=said)
        return said.getvalue()

    return command


class TestOpen:
    def open(self, run, *more, given=SECRET):
        return run("open", "Second", "--broker", "paper", "--url", URL, *more, given=given)

    def test_makes_an_account_that_a_person_may_trade_in(self, run):
        user = User.objects.create_user("ana")

        said = self.open(run, "--grant", "ana")

        account = Account.objects.get(name="Second")
        assert said == f"Second is open: {account.id}\n"
        assert (account.broker, account.environment, account.base_url) == ("paper", "paper", URL)
        assert account.unseal_credentials() == SECRET
        assert Grant.objects.get(account=account).user == user
        on_record = list(AuditEvent.objects.order_by("sequence").values())
        assert [row["action"] for row in on_record] == ["account.opened", "account.granted"]
        assert SECRET["secret"] not in json.dumps(on_record, default=str) + said

    @pytest.mark.parametrize(
        "given",
        [
            *("", "{", "[]", "[" * 100_000, '{"key": 1, "secret": "s"}'),
            *({"key": "K"}, {"key": "K", "secret": " "}, SECRET | {"more": "x"}),
        ],
    )
    def test_wants_the_credentials_whole(self, run, given):
        with pytest.raises(CommandError, match="key"):
            self.open(run, given=given)

        assert not Account.objects.exists()
        assert not AuditEvent.objects.exists()

    def test_opens_none_for_nobody(self, run):
        with pytest.raises(CommandError, match="nobody called 'ben'"):
            self.open(run, "--grant", "ben")

        assert not Account.objects.exists()

    def test_opens_none_twice(self, run):
        AccountFactory(name="Second")

        with pytest.raises(CommandError, match="already"):
            self.open(run)

    @pytest.mark.parametrize("name", ["", " ", "x" * 61, "a\nb"])
    def test_a_name_can_be_read(self, run, name):
        with pytest.raises(CommandError, match="printable"):
            run("open", name, "--broker", "paper", "--url", URL, given=SECRET)

    def test_brokers_are_those_there_are(self, run):
        with pytest.raises(CommandError, match="invalid choice"):
            run("open", "Second", "--broker", "madeup", "--url", URL, given=SECRET)


class TestSet:
    def test_changes_what_is_said_and_nothing_else(self, run):
        account = AccountFactory(name="Main")

        said = run("set", "Main", "--replays-duplicates", "yes", "--answer-within", "90")

        assert said == "--answer-within 90\n--replays-duplicates yes\n"
        changed = Account.objects.get(id=account.id)
        assert (changed.replays_duplicates, changed.answer_within) == (True, timedelta(seconds=90))
        assert changed.submit_within == account.submit_within
        event = AuditEvent.objects.get(action="account.arranged")
        assert event.before == {"answer_within": "60 s", "replays_duplicates": False}
        assert event.after == {"answer_within": "90 s", "replays_duplicates": True}

    def test_the_same_again_is_not_on_record_again(self, run):
        AccountFactory(name="Main")

        run("set", "Main", "--second-person-above", "2500.50")
        run("set", "Main", "--second-person-above", "2500.5")

        assert Account.objects.get().second_person_above == Decimal("2500.5")
        assert AuditEvent.objects.filter(action="account.arranged").count() == 1

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("--answer-within", "0"),
            ("--answer-within", "-5"),
            ("--answer-within", "soon"),
            ("--submit-within", "604801"),
            ("--second-person-above", "NaN"),
            ("--second-person-above", "1e999999"),
            ("--second-person-above", "-1"),
            ("--second-person-above", "much"),
            ("--unprotected", "pray"),
            ("--replays-duplicates", "maybe"),
        ],
    )
    def test_refuses_what_can_t_be(self, run, option, value):
        AccountFactory(name="Main")
        before = Account.objects.values().get()

        with pytest.raises(CommandError):
            run("set", "Main", f"{option}={value}")

        assert Account.objects.values().get() == before
        assert not AuditEvent.objects.exists()

    def test_says_what_could_be_changed(self, run):
        AccountFactory(name="Main")

        with pytest.raises(CommandError, match="--replays-duplicates"):
            run("set", "Main")

    def test_an_account_there_is_not(self, run):
        with pytest.raises(CommandError, match="no account 'Else'"):
            run("set", "Else", "--unprotected", "flatten")


def test_lists_how_each_is_used_and_no_secret(run):
    account = AccountFactory(name="Main", unprotected="flatten")
    account.seal_credentials(SECRET)
    account.save()

    said = run("list")

    assert f"Main ({account.id})" in said
    assert "--unprotected flatten" in said
    assert SECRET["secret"] not in said


def test_rekeys(run):
    account = AccountFactory(name="Main", broker="paper")

    assert run("rekey", "Main", given=SECRET) == "Main has other credentials.\n"

    assert Account.objects.get().unseal_credentials() == SECRET
    event = AuditEvent.objects.get(action="account.rekeyed")
    assert event.chain == str(account.id)
    assert SECRET["secret"] not in json.dumps(AuditEvent.objects.values().get(), default=str)


def test_lets_a_person_in_to_look(run):
    account = AccountFactory(name="Main")
    user = User.objects.create_user("ana")

    run("grant", "Main", "ana", "--role", "viewer")

    assert list(Account.objects.visible_to(user)) == [account]
    assert not Account.objects.tradable_by(user).exists()


class TestAtAlpaca:
    """Where what is live is at one address alone."""

    def test_is_at_its_brokers_unless_told_otherwise(self, run):
        run("open", "Play", "--broker", "alpaca", given=SECRET)
        run("open", "Real", "--broker", "alpaca", "--environment", "live", given=SECRET)

        told = dict(Account.objects.values_list("environment", "base_url"))
        assert told == {
            "paper": "https://paper-api.alpaca.markets",
            "live": "https://api.alpaca.markets",
        }

    @pytest.mark.parametrize(
        ("more", "why"),
        [
            (["--environment", "live", "--url", URL], "nowhere else"),
            (["--environment", "live", "--url", "https://paper-api.alpaca.markets"], "nowhere"),
            (["--url", "https://api.alpaca.markets"], "on paper"),
            (["--url", "https://evil.example"], "DESK_TRUSTED_BROKERS"),
        ],
    )
    def test_is_opened_nowhere_else(self, run, more, why):
        with pytest.raises(CommandError, match=why):
            run("open", "Odd", "--broker", "alpaca", *more, given=SECRET)

        assert not Account.objects.exists()

    def test_is_at_a_host_that_is_trusted(self, run, settings):
        settings.DESK_TRUSTED_BROKERS = ["desk.example"]
        url = "https://desk.example/alpaca"

        run("open", "Desk", "--broker", "alpaca", "--url", url, given=SECRET)

        assert Account.objects.get().base_url == url

    def test_is_not_spoken_to_elsewhere_whatever_the_database_says(self, run):
        run("open", "Real", "--broker", "alpaca", "--environment", "live", given=SECRET)
        account = Account.objects.get()
        assert connecting.connect(account)

        account.base_url = URL
        with pytest.raises(Misaddressed):
            connecting.connect(account)

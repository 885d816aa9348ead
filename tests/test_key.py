"""manage.py key: prints a working key once, and says what is wrong otherwise."""

import json
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from orders.models import ApiKey, AuditEvent
from tests.factories import AccountFactory

pytestmark = pytest.mark.django_db


def run(*arguments):
    said = StringIO()
    call_command("key", *arguments, stdout=said)
    return said.getvalue()


def test_prints_a_key_that_works_as_its_curl_says(client):
    AccountFactory(name="Main")

    said = run()

    headers = dict(re.findall(r"-H '(X-API-\w+): (\S+)'", said))
    assert client.get("/api/v1/accounts", headers=headers).status_code == 200
    assert "http://testserver/api/v1/accounts" in said
    assert ApiKey.objects.get().secret_hash != headers["X-API-Secret"]


def test_is_on_the_record_without_its_secret(client):
    account = AccountFactory()

    told = json.loads(run("--json", "--name", "robot", "--read-only"))

    event = AuditEvent.objects.get(action="key.issued")
    assert (event.chain, event.subject) == (str(account.id), told["key"])
    assert event.after == {"name": "robot", "may_trade": False}
    assert told["read_only"] is True
    assert told["secret"] not in json.dumps(AuditEvent.objects.values().get(), default=str)


def test_revokes(client):
    AccountFactory()
    told = json.loads(run("--json"))
    headers = {"X-API-Key": told["key"], "X-API-Secret": told["secret"]}
    assert client.get("/api/v1/accounts", headers=headers).status_code == 200

    assert run("--revoke", told["key"]) == "Taken back.\n"
    assert client.get("/api/v1/accounts", headers=headers).status_code == 401
    assert run("--revoke", told["key"]) == "It was taken back before.\n"
    assert AuditEvent.objects.filter(action="key.revoked").count() == 1


def test_chooses_an_account_by_name():
    AccountFactory(name="One")
    two = AccountFactory(name="Two")

    told = json.loads(run("--account", "Two", "--json"))

    assert told["account_id"] == str(two.id)


@pytest.mark.parametrize(
    ("accounts", "arguments", "says"),
    [
        ((), (), "There is no account yet"),
        (("One", "Two"), (), "Say which account, with --account. There are: One, Two."),
        (("One",), ("--account", "Tow"), "There is no account 'Tow'. There are: One."),
        (("One",), ("--name", ""), "--name takes 1 to 60"),
        (("One",), ("--name", "x" * 61), "--name takes 1 to 60"),
        (("One",), ("--name", "a\nb"), "--name takes 1 to 60"),
        (("One",), ("--revoke", "BLT0"), "There is no key 'BLT0'."),
    ],
)
def test_says_what_is_wrong(accounts, arguments, says):
    for name in accounts:
        AccountFactory(name=name)

    with pytest.raises(CommandError, match=re.escape(says)):
        run(*arguments)

    assert not ApiKey.objects.exists()

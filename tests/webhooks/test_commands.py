"""The inbox by hand: what a person can do about it from a terminal."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from brokers.errors import Unreadable
from brokers.messages import Report
from orders.models import Account, AuditEvent, Order
from tests.factories import AccountFactory
from tests.fakes import snapshot
from tests.webhooks.conftest import Deliver
from webhooks.models import Delivery, Endpoint, EndpointSecret
from webhooks.understanding import understand_waiting

pytestmark = pytest.mark.django_db

THEIRS = "whsec_" + "VGhlaXJz" * 4


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


class TestReplay:
    @pytest.fixture
    def dead(self, order: Order, deliver: Deliver, says: dict[bytes, Any]) -> Delivery:
        """A dead letter that could be read by now, and one that tells nothing."""
        delivery = deliver(Unreadable("?"))
        deliver(Report())
        understand_waiting(now=timezone.now())
        says[bytes(delivery.body)] = Report(snapshots=(snapshot(order.ticket()),))
        return delivery

    @pytest.mark.parametrize(
        ("how", "read"),
        [("--dead", 1), ("ids", 1), ("account", 2), ("endpoint", 2), ("since", 2), ("until", 2)],
    )
    def test_revives_a_dead_letter(self, order: Order, dead: Delivery, how: str, read: int) -> None:
        at = dead.received_at
        named = {
            "ids": [str(dead.id)],
            "account": ["--endpoint", order.account.name],
            "endpoint": ["--endpoint", str(dead.endpoint_id)],
            "since": ["--since", at.isoformat()],
            "until": ["--until", (at + timedelta(hours=1)).replace(tzinfo=None).isoformat()],
        }

        said = run("replay", *named.get(how, [how]))

        order.refresh_from_db()
        assert f"{read} read again, 1 of them with news, 1 dead" in said
        assert order.status == "new"

    @pytest.mark.parametrize("how", ["since", "until"])
    def test_reads_none_outside_its_range(self, dead: Delivery, how: str) -> None:
        later, earlier = dead.received_at + timedelta(hours=1), dead.received_at

        said = run("replay", f"--{how}", (later if how == "since" else earlier).isoformat())

        assert said.startswith("0 read again")

    def test_says_what_it_still_can_not_understand(
        self, dead: Delivery, says: dict[bytes, Any]
    ) -> None:
        says[bytes(dead.body)] = Unreadable("no order in it")
        out = StringIO()

        with pytest.raises(CommandError, match="1 of 1 can't be understood"):
            call_command("replay", "--dead", stdout=out, stderr=out)

        assert f"Delivery {dead.id} can't be understood: Unreadable: no order" in out.getvalue()

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ((), "Say which"),
            (("4711",), "no delivery 4711"),
            (("--endpoint", "nobody"), "There is no endpoint 'nobody'. There are none"),
        ],
    )
    def test_asks_for_a_range_that_is_one(self, arguments: tuple[str, ...], says: str) -> None:
        with pytest.raises(CommandError, match=says):
            run("replay", *arguments)


class TestEndpoint:
    @pytest.fixture
    def account(self) -> Account:
        return AccountFactory(broker="paper", name="Main")

    def secret_in(self, said: str) -> str:
        [value] = re.findall(r"whsec_\S+", said)
        return str(value)

    def test_opens_one_and_shows_its_secret_once(self, account: Account) -> None:
        said = run("endpoint", "open", "Main")

        endpoint = Endpoint.objects.get()
        assert f"http://testserver/webhooks/{endpoint.token}" in said
        assert self.secret_in(said) == endpoint.secrets.get().unseal()
        assert AuditEvent.objects.get().actor_name == "manage.py"
        listed = run("endpoint", "list")
        assert f"{endpoint.id}  Main, …{endpoint.token[-4:]}, live" in listed
        assert "whsec_" not in listed
        assert endpoint.token not in listed
        assert endpoint.token in run("endpoint", "list", "--addresses")

    def test_rotates_and_retires(self, account: Account) -> None:
        run("endpoint", "open", "Main")
        old = EndpointSecret.objects.get()

        said = run("endpoint", "rotate", "Main")

        new = EndpointSecret.objects.latest("id")
        assert self.secret_in(said) == new.unseal()
        EndpointSecret.objects.filter(id=new.pk).update(last_used_at=timezone.now())
        listed = run("endpoint", "list")
        assert f"secret {old.pk}: active, never used" in listed
        assert f"secret {new.pk}: active, last used 20" in listed
        assert run("endpoint", "retire", str(old.pk)) == "Retired.\n"
        assert run("endpoint", "retire", str(old.pk)) == "It was retired before.\n"
        assert f"secret {old.pk}: retired 20" in run("endpoint", "list")

    def test_takes_a_brokers_secret_and_does_not_repeat_it(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", StringIO(THEIRS + "\n"))
        assert "whsec_" not in run("endpoint", "open", "Main", "--given")
        assert EndpointSecret.objects.get().unseal() == THEIRS

        other = THEIRS.replace("VGhl", "ZGVz")
        monkeypatch.setattr("sys.stdin", StringIO(other))
        assert "whsec_" not in run("endpoint", "rotate", "Main", "--given")
        assert EndpointSecret.objects.latest("id").unseal() == other

    def test_decommissions(self, account: Account) -> None:
        run("endpoint", "open", "Main")
        endpoint = Endpoint.objects.get()

        assert run("endpoint", "decommission", "Main") == "Decommissioned.\n"
        assert run("endpoint", "decommission", str(endpoint.id)).startswith("It was")
        assert "decommissioned" in run("endpoint", "list")

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("open", "Nobody's"), "There is no account"),
            (("rotate", "Nobody's"), "There is no endpoint"),
            (("rotate", "Main"), "Two secrets are active already"),
            (("retire", "0"), "There is no secret 0"),
        ],
    )
    def test_says_what_is_wrong(
        self, account: Account, arguments: tuple[str, ...], says: str
    ) -> None:
        run("endpoint", "open", "Main")
        run("endpoint", "rotate", "Main")

        with pytest.raises(CommandError, match=says):
            run("endpoint", *arguments)

    def test_asks_which_of_several(self, account: Account) -> None:
        run("endpoint", "open", "Main")
        run("endpoint", "open", "Main")

        with pytest.raises(CommandError, match="several endpoints"):
            run("endpoint", "rotate", "Main")

    def test_verifies_again(self, account: Account) -> None:
        run("endpoint", "open", "Main")

        assert run("reverify", "Main") == (
            "0 verified, 0 of them new to the inbox; 0 stay in quarantine.\n"
        )

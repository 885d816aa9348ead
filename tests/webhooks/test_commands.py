"""The inbox by hand: what a person can do about it from a terminal."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from brokers.errors import Unreadable
from brokers.messages import Report
from orders.models import Order
from tests.fakes import snapshot
from tests.webhooks.conftest import Deliver
from webhooks.models import Delivery
from webhooks.understanding import understand_waiting

pytestmark = pytest.mark.django_db


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

"""A desk whose database is put back from a copy, while its broker has gone on."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running_desk import Desk

RESTING = {  # far from any price, until somebody cancels it
    "symbol": "AAPL",
    "order_type": "limit",
    "limit_price": "1",
    "time_in_force": "gtc",
}

SAID = """
from orders.models import Incident
print(Incident.objects.get(kind="restored").says)
"""


@pytest.fixture
def own_desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk that no other test shares."""
    desk = Desk(tmp_path)
    yield desk
    desk.stop()


def copy(source: Path, target: Path) -> None:
    # With its owner: PostgreSQL insists on it.
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def test_nothing_is_sent_until_the_broker_has_been_read(own_desk: Desk, tmp_path: Path) -> None:
    desk, pg = own_desk, own_desk.data / "pg"

    # A copy is made of the database, as it stands with one order working.
    kept = desk.place(client_order_id="kept", **RESTING)
    desk.until_order(kept, status="new")
    desk.stop()
    copy(pg, tmp_path / "copy")

    # The desk goes on and sends another order.
    desk.start()
    desk.until_order(desk.place(client_order_id="lost", quantity="7", **RESTING), status="new")
    desk.stop()

    # The copy is put back. A program goes on at once, as if nothing had happened.
    pg.rename(tmp_path / "gone")
    copy(tmp_path / "copy", pg)
    desk.start()
    early = desk.post(client_order_id="early", **RESTING)

    # The order that was forgotten is found and taken over, and the account is halted.
    incident = desk.until(lambda: incidents(desk, "lost_intent"), what="a lost intent")[0]
    assert incident["severity"] == "critical"
    assert "Nothing is sent" in desk.manage("shell", "--command", SAID)
    found = desk.until_order(incident["order_id"], submission="accepted")
    assert (found["client_order_id"], found["quantity"], found["source"]) == (
        "lost",
        "7",
        "broker",
    )

    # What came early never left; the program's own retry of the lost order makes no second one.
    if early.status_code == 201:
        blocked = desk.until_order(early.json()["id"], submission="blocked")
        assert "halted" in blocked["submission_reason"]
    else:
        assert early.json()["code"] == "account_halted"
    again = desk.post(client_order_id="lost", quantity="7", **RESTING)
    assert again.json()["id"] == incident["order_id"]
    assert [order["client_order_id"] for order in desk.exchange("orders")] == ["kept", "lost"]

    # A person looks and releases it: then it trades, once what was under way would have shown.
    desk.manage("release", desk.account_id, "--reason", "Seen to.")
    fresh = desk.place(client_order_id="fresh", **RESTING)
    began = time.monotonic()
    waiting = desk.order(fresh)
    desk.until_order(fresh, status="new", within=90)
    if waiting["submission"] == "ready":
        assert time.monotonic() - began < 60


def incidents(desk: Desk, kind: str) -> list[dict[str, Any]]:
    told = desk.api.get("/incidents")
    assert told.status_code == 200, told.text
    return [one for one in told.json()["incidents"] if one["kind"] == kind]

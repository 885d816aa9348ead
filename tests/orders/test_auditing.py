"""The record: append-only, and a change anywhere in it shows."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from orders import auditing
from orders.actors import component
from orders.models import AuditChain, AuditEvent


def write(n: int = 1, *, chain: str = "security") -> None:
    for number in range(n):
        auditing.write(
            chain,
            action="x",
            actor=component("test"),
            now=timezone.now(),
            after={"number": number, "π": "é"},
        )


def tamper(sql: str) -> None:
    """Do what somebody with the superuser's hands could do."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.mark.django_db
class TestChain:
    def test_an_untouched_chain_holds(self) -> None:
        write(20)

        assert auditing.first_broken("security") is None
        assert AuditChain.objects.get(name="security").sequence == 20

    @pytest.mark.parametrize(
        "deed",
        [
            "UPDATE orders_auditevent SET reason = 'x' WHERE sequence = 3",
            "UPDATE orders_auditevent SET actor_name = 'somebody else' WHERE sequence = 3",
            "UPDATE orders_auditevent SET at = at + interval '1 microsecond' WHERE sequence = 3",
            "UPDATE orders_auditevent SET after = '{\"number\": 9}' WHERE sequence = 3",
            "UPDATE orders_auditevent SET evidence = '{attempt:1}' WHERE sequence = 3",
            "DELETE FROM orders_auditevent WHERE sequence = 3",
            "UPDATE orders_auditevent SET sequence = 100 WHERE sequence = 3",
            (
                "UPDATE orders_auditevent SET hash = (SELECT hash FROM orders_auditevent"
                " WHERE sequence = 5) WHERE sequence = 3"
            ),
        ],
    )
    def test_a_changed_one_does_not(self, deed: str) -> None:
        write(6)

        tamper(deed)

        broken = auditing.first_broken("security")
        assert broken is not None
        assert broken.sequence in {3, 4}

    def test_chains_do_not_know_each_other(self) -> None:
        write(3, chain="a")
        write(2, chain="b")

        assert auditing.first_broken("a") is None
        assert auditing.first_broken("b") is None
        assert list(AuditEvent.objects.filter(chain="b").values_list("sequence", flat=True)) == [
            1,
            2,
        ]


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_make_one_chain() -> None:
    start = threading.Barrier(8)

    def many(work: Callable[[], None]) -> None:
        try:
            start.wait()
            work()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=many, args=(lambda: _each(10),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert AuditEvent.objects.count() == 80
    assert auditing.first_broken("security") is None


def _each(times: int) -> None:
    for _ in range(times):
        with transaction.atomic():
            write()

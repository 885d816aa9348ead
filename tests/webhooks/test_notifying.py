"""Whoever subscribed is told what a person must know of: once, signed, until it is taken."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from orders import actors, alarming
from orders.models import Account, AuditEvent, Incident
from tests.factories import AccountFactory, OrderFactory
from webhooks import delivering, notifying, subscribing
from webhooks.models import Notice, Subscription
from webhooks.subscribing import Unfit

pytestmark = pytest.mark.django_db
ANA = actors.component("ana")
Kind = Incident.Kind


class Receiver(ThreadingHTTPServer):
    """A subscriber's server on this machine, that answers as it is told to."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?of=desk"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        told = {name.lower(): value for name, value in self.headers.items()}
        self.server.heard.append((told | {"path": self.path}, body))
        status = self.server.answers.pop(0) if self.server.answers else 200
        self.send_response(status)
        self.send_header("location", self.server.url)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.DESK_TRUSTED_RECEIVERS = ["127.0.0.1"]
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def account() -> Account:
    return AccountFactory()


@pytest.fixture
def subscribed(account: Account, receiver: Receiver) -> tuple[Subscription, str]:
    return subscribing.subscribe(account, receiver.url, actor=ANA, now=timezone.now())


def bare(account: Account, *, after: float = 0) -> Incident:
    now = timezone.now() + timedelta(seconds=after)
    known = Incident.objects.filter(kind=Kind.UNPROTECTED).first()
    order = known.order if known else OrderFactory(account=account)
    return alarming.alarm(
        Kind.UNPROTECTED, account=account, order=order, says="10 ACME are bare.", now=now
    )


def notify(*, after: float = 0) -> list[Notice]:
    now = timezone.now() + timedelta(seconds=after)
    notifying.notice_incidents(now=now)
    due = delivering.due(now=now)
    for notice_id in due:
        delivering.deliver(notice_id)
    return list(Notice.objects.filter(id__in=due))


class TestTelling:
    def test_an_unprotected_position_is_told_signed(
        self, account: Account, subscribed: tuple[Subscription, str], receiver: Receiver
    ) -> None:
        incident = bare(account)
        [notice] = notify()

        [(headers, body)] = receiver.heard
        told = Webhook(subscribed[1]).verify(body, headers)
        assert told["type"] == "position.unprotected"
        assert told["data"]["order_id"] == str(incident.order_id)
        assert told["data"]["says"] == "10 ACME are bare."
        assert headers["webhook-id"] == str(notice.id)
        assert headers["path"] == "/hook?of=desk"
        assert headers["host"] == f"127.0.0.1:{receiver.server_port}"
        assert notice.taken_at is not None
        assert notify() == []

    def test_again_when_nobody_answers_and_when_it_is_over(
        self, account: Account, subscribed: tuple[Subscription, str], receiver: Receiver
    ) -> None:
        incident = bare(account)
        notify()
        bare(account, after=60)
        notify(after=60)
        alarming.settle(
            Kind.UNPROTECTED, subject=incident.subject, outcome="Protected.", now=timezone.now()
        )
        notify(after=61)

        events = [json.loads(body)["type"] for _, body in receiver.heard]
        assert events == ["position.unprotected"] * 2 + ["position.protected"]

    def test_other_incidents_are_told_once_however_often_they_come_up(
        self, account: Account, subscribed: tuple[Subscription, str], receiver: Receiver
    ) -> None:
        for _ in range(3):
            alarming.alarm(Kind.EXTERNAL, account=account, says="Others.", now=timezone.now())
            notify()

        assert [json.loads(body)["type"] for _, body in receiver.heard] == ["incident.raised"]

    def test_another_accounts_incidents_are_not_told(
        self, subscribed: tuple[Subscription, str], receiver: Receiver
    ) -> None:
        bare(AccountFactory())
        alarming.alarm(Kind.RESTORED, account=None, says="Older.", now=timezone.now())

        assert notify() == []

    def test_what_was_before_is_not_told(self, account: Account, receiver: Receiver) -> None:
        bare(account)
        subscribing.subscribe(
            account, receiver.url, actor=ANA, now=timezone.now() + timedelta(seconds=1)
        )

        assert notify(after=2) == []

    def test_two_makers_of_one_notice_make_one(
        self, account: Account, subscribed: tuple[Subscription, str]
    ) -> None:
        bare(account)
        [notice] = notify()

        with pytest.raises(IntegrityError, match="notice_once"), transaction.atomic():
            Notice.objects.create(
                subscription=notice.subscription,
                about=notice.about,
                event="x",
                body="{}",
                made_at=timezone.now(),
            )


class TestTrying:
    @pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
    def test_anything_but_a_2xx_is_tried_again_under_the_same_id(
        self,
        status: int,
        account: Account,
        subscribed: tuple[Subscription, str],
        receiver: Receiver,
    ) -> None:
        receiver.answers = [status]
        bare(account)
        [notice] = notify()
        assert (notice.taken_at, notice.answer_status) == (None, status)
        assert notify() == []

        notify(after=6)
        first, second = (headers for headers, _ in receiver.heard)
        assert first["webhook-id"] == second["webhook-id"]
        notice.refresh_from_db()
        assert (notice.tries, notice.due_at) == (2, None)

    def test_a_receiver_that_is_away_is_tried_for_days_and_then_given_up(
        self, account: Account, subscribed: tuple[Subscription, str], receiver: Receiver
    ) -> None:
        receiver.answers = [503] * 20
        bare(account)
        notify()
        for _ in range(20):
            Notice.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
            notify()

        [notice] = Notice.objects.all()
        assert (notice.tries, notice.due_at) == (1 + len(delivering.PAUSES), None)
        assert notice.failure == "answered 503"

    def test_gone_ends_the_subscription(
        self, account: Account, subscribed: tuple[Subscription, str], receiver: Receiver
    ) -> None:
        receiver.answers = [410]
        bare(account)
        notify()

        subscription = subscribed[0]
        subscription.refresh_from_db()
        assert subscription.ended_at is not None
        bare(account, after=90)
        assert notify(after=90) == []
        assert AuditEvent.objects.filter(action="subscription.ended").count() == 1

    def test_nobody_there_is_a_failure_like_any_other(
        self, account: Account, settings: Any
    ) -> None:
        settings.DESK_TRUSTED_RECEIVERS = ["127.0.0.1"]
        with socket.socket() as unheard:
            unheard.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unheard.getsockname()[1]}/"
            subscribing.subscribe(account, url, actor=ANA, now=timezone.now())
            bare(account)
            [notice] = notify()

        assert notice.failure.startswith("ConnectError")


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            "",
            "https://",
            "http://example.com/",
            "ftp://example.com/",
            "javascript:alert(1)",
            "https://user:pass@example.com/",
            "https://exa mple.com/",
            "https://example.com:99999/",
            "https://example.com/" + "x" * 500,
            "https://exämple.com/",
            "https://[::1/",
        ],
    )
    def test_not_every_text_is_one(self, account: Account, url: str) -> None:
        with pytest.raises(Unfit):
            subscribing.subscribe(account, url, actor=ANA, now=timezone.now())

    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "[::1]",
            "10.0.0.1",
            "169.254.169.254",
            "localhost",
            "192.168.1.1",
            "0.0.0.0",
        ],
    )
    def test_nothing_is_sent_into_a_private_network(self, account: Account, host: str) -> None:
        url = f"https://{host}/hook"
        subscribing.subscribe(account, url, actor=ANA, now=timezone.now())
        bare(account)
        [notice] = notify()

        assert "not of the open internet" in notice.failure


class TestCommand:
    def test_begins_lists_and_ends(self, account: Account, capsys: Any) -> None:
        call_command("subscription", "begin", account.name, "https://example.com/hook")
        told = capsys.readouterr().out
        assert "whsec_" in told

        call_command("subscription", "list")
        [subscription] = Subscription.objects.all()
        listed = capsys.readouterr().out
        assert str(subscription.id) in listed
        assert "whsec_" not in listed
        call_command("subscription", "end", str(subscription.id))
        subscription.refresh_from_db()
        assert subscription.ended_at is not None

    @pytest.mark.parametrize(
        "words",
        [
            ("begin", "nobody", "https://example.com/"),
            ("begin", "", "http://example.com/"),
            ("end", "no-uuid"),
            ("end", "00000000-0000-0000-0000-000000000000"),
        ],
    )
    def test_says_what_is_wrong(self, words: tuple[str, ...], account: Account) -> None:
        named = [account.name if word == "" else word for word in words]
        with pytest.raises(CommandError):
            call_command("subscription", *named)

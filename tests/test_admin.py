"""The admin shows and never changes, and shows no secret."""

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from orders import placing, sending
from orders.actors import component
from orders.admin import ReadOnly
from orders.models import Account, ApiKey, Grant, Heartbeat, Order, ParkedFact, Stream
from tests.factories import AccountFactory, UserFactory, a_ticket
from tests.fakes import fill
from webhooks.models import (
    Delivery,
    Endpoint,
    EndpointSecret,
    Notice,
    Quarantined,
    Subscription,
)

CANARY = "canary-5f1d"
WINDOWS = sorted(
    (model for model, window in admin.site._registry.items() if isinstance(window, ReadOnly)),
    key=lambda model: model._meta.label,
)


@pytest.fixture
def root(client, django_user_model):
    client.force_login(django_user_model.objects.create_superuser("root"))
    return client


@pytest.fixture
def desk(db, broker):
    """A row of everything that has a window, with secrets where there are any."""
    now = timezone.now()
    account = AccountFactory(trader=UserFactory())
    account.seal_credentials({"key": CANARY, "secret": CANARY})
    account.save()
    ApiKey.issue(account, name="robot", now=now)
    ApiKey.objects.update(secret_hash=CANARY)
    endpoint = Endpoint.objects.create(account=account, token=CANARY, created_at=now)
    EndpointSecret.seal(endpoint, CANARY, created_at=now).save()
    stray = Quarantined(
        endpoint=endpoint, body=b"<b>\xff", size=4, received_at=now, last_seen_at=now
    )
    stray.seal_proof({"authorization": CANARY})
    stray.seal_last_proof({"authorization": CANARY})
    stray.save()
    Delivery.objects.create(
        endpoint=endpoint,
        delivery_id="d1",
        digest=b"\0" * 32,
        body=b"<script>alert(1)</script>\xff",
        received_at=now,
    )
    subscription = Subscription(account=account, url="https://example.com/", created_at=now)
    subscription.seal(CANARY)
    subscription.save()
    Notice.objects.create(
        subscription=subscription, event="e", about="a", body="<b>", made_at=now, due_at=now
    )
    Heartbeat.objects.create(name="sweep", at=now)
    Stream.objects.create(account=account, since=now, error="<b>")
    order, _ = placing.place(account, a_ticket(), source="api", actor=component("tests"), now=now)
    broker.script.append(broker.has(order.ticket(), fill(order.ticket(), "e1", "1")))
    sending.send(order.id)
    order.inquiries.create(path="by our id", result="found", asked_at=now)
    ParkedFact.objects.create(
        account=account, broker_order_id="B", digest="x", kind="fill", said={}, heard_at=now
    )
    return account


def address(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def test_there_is_a_window_on_everything_but_secrets():
    assert [model._meta.object_name for model in WINDOWS] == [
        *("Account", "ApiKey", "Attempt", "AuditEvent", "Execution", "Grant", "Heartbeat"),
        *("Order", "ParkedFact", "SnapshotFact", "Stream", "Delivery", "Endpoint", "Notice"),
        *("Quarantined", "Subscription"),
    ]


@pytest.mark.parametrize("model", WINDOWS, ids=lambda model: model.__name__)
class TestWindow:
    def test_shows(self, root, desk, model):
        row = model.objects.first()
        assert row is not None

        for page in (address(model, "changelist"), address(model, "change", row.pk)):
            answer = root.get(page)

            assert answer.status_code == 200
            assert CANARY not in answer.content.decode()
            assert "unsafe" not in answer.headers["Content-Security-Policy"]

    def test_changes_nothing(self, root, desk, model):
        row, count = model.objects.first(), model.objects.count()
        before = model.objects.filter(pk=row.pk).values().get()
        change, delete = address(model, "change", row.pk), address(model, "delete", row.pk)

        assert root.get(address(model, "add")).status_code == 403
        assert root.post(address(model, "add"), {}).status_code == 403
        assert root.post(change, {"name": "x", "_save": "Save"}).status_code == 403
        assert root.get(delete).status_code == 403
        assert root.post(delete, {"post": "yes"}).status_code == 403
        bulk = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        root.post(address(model, "changelist"), bulk)

        assert model.objects.count() == count
        assert model.objects.filter(pk=row.pk).values().get() == before

    def test_offers_nothing(self, root, desk, model):
        rows = root.get(address(model, "changelist")).content.decode()
        row = root.get(address(model, "change", model.objects.first().pk)).content.decode()

        for button in ('name="action"', 'name="_save"', "deletelink"):
            assert button not in rows + row
        assert address(model, "add") not in rows + row

    def test_search_takes_anything(self, root, desk, model):
        for sought in ("x", "0b7f", "'; --", "%00", "é" * 300, "1e9"):
            assert root.get(address(model, "changelist"), {"q": sought}).status_code in {200, 302}

    def test_counts_no_more_than_it_shows(self, root, desk, model):
        with CaptureQueriesContext(connection) as queries:
            root.get(address(model, "changelist"))

        counts = [
            q["sql"] for q in queries if "COUNT(" in q["sql"] and model._meta.db_table in q["sql"]
        ]
        assert all("LIMIT" in sql for sql in counts)

    def test_is_for_staff_alone(self, client, desk, model):
        client.force_login(Grant.objects.first().user)

        assert client.get(address(model, "changelist")).status_code == 302


def test_order_shows_its_evidence(root, desk):
    page = root.get(address(Order, "change", Order.objects.get().pk)).content.decode()

    for said in ("The broker took it.", "order.sending", "by our id", "e1"):
        assert said in page


def test_delivery_shows_its_bytes_as_text(root, desk):
    page = root.get(address(Delivery, "change", Delivery.objects.get().pk)).content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;\ufffd" in page
    assert "<script>alert(1)" not in page


def test_quarantine_shows_its_bytes_as_text_and_no_signature(root, desk):
    stray = Quarantined.objects.get()
    page = root.get(address(Quarantined, "change", stray.pk)).content.decode()

    assert "&lt;b&gt;\ufffd" in page
    assert stray.proof not in page
    assert stray.last_proof not in page


def test_account_shows_no_credentials(root, desk):
    page = root.get(address(Account, "change", desk.pk)).content.decode()

    assert desk.credentials not in page
    assert "redentials" not in page

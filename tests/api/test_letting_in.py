"""Who gets in, and how far."""

import base64
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from orders.models import ApiKey, AuditEvent, Order
from tests.api.conftest import a_program, terms
from tests.factories import OrderFactory


def basic(key, secret):
    return "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()


class TestKey:
    def test_opens_by_headers(self, program):
        answer = program.get("/api/v1/accounts")

        assert answer.status_code == 200
        assert [account["id"] for account in answer.told["accounts"]] == [str(program.account.id)]

    def test_opens_by_http_basic(self, program, client):
        header = basic(program.key.key, program.secret)

        answer = client.get("/api/v1/accounts", headers={"Authorization": header})

        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"X-API-Key": "BLT0000"},
            {"X-API-Key": "", "X-API-Secret": ""},
            {"X-API-Key": "BLT0000", "X-API-Secret": "x"},
            {"X-API-Key": "n\0l", "X-API-Secret": "n\0l"},
            {"X-API-Key": "ключ", "X-API-Secret": "ключ"},
            {"X-API-Key": "x" * 5000, "X-API-Secret": "x" * 5000},
            {"Authorization": "Basic"},
            {"Authorization": "Basic %%%"},
            {"Authorization": "Basic " + base64.b64encode(b"\xff:\xfe").decode()},
            {"Authorization": basic("BLT0000", "x")},
            {"Authorization": "Bearer x"},
        ],
        ids=repr,
    )
    def test_nobody_else_gets_in(self, program, client, headers):
        answer = client.get("/api/v1/accounts", headers=headers)

        assert answer.status_code == 401
        assert answer.json()["code"] == "unauthenticated"
        assert "Basic" not in answer.headers["WWW-Authenticate"]  # a browser would put up a window

    def test_wrong_secret_is_no_key(self, program, client):
        headers = program.headers | {"X-API-Secret": program.secret + "x"}

        assert client.get("/api/v1/accounts", headers=headers).status_code == 401

    def test_revoked_key_is_no_key(self, program):
        ApiKey.objects.update(revoked_at=timezone.now())

        assert program.get("/api/v1/accounts").status_code == 401

    def test_session_of_a_person_is_no_key(self, program, client, django_user_model):
        client.force_login(django_user_model.objects.create_superuser("root"))

        assert client.get("/api/v1/accounts").status_code == 401

    def test_use_is_noted_at_most_once_a_minute(self, program):
        program.get("/api/v1/accounts")
        first = ApiKey.objects.get().last_used_at
        program.get("/api/v1/accounts")
        assert ApiKey.objects.get().last_used_at == first

        ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
        program.get("/api/v1/accounts")

        assert ApiKey.objects.get().last_used_at > first


class TestReadOnlyKey:
    @pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
    def test_may_not_write(self, program, method):
        order = OrderFactory(account=program.account, working=True)
        reader = a_program(program.account, may_trade=False)
        path = "orders" if method == "POST" else f"orders/{order.id}"

        answer = reader.ask(method, path, terms())

        assert (answer.status_code, answer.told["code"]) == (403, "read_only_key")
        assert Order.objects.count() == 1

    def test_may_look(self, program):
        reader = a_program(program.account, may_trade=False)

        assert reader.get("orders").status_code == 200


class TestOtherAccount:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", ""),
            ("GET", "/orders"),
            ("POST", "/orders"),
            ("GET", "/orders/{order}"),
            ("PATCH", "/orders/{order}"),
            ("DELETE", "/orders/{order}"),
            ("GET", "/orders/{order}/events"),
            ("GET", "/executions"),
            ("GET", "/positions"),
            ("GET", "/incidents"),
        ],
    )
    def test_is_not_there(self, program, method, path):
        theirs = OrderFactory(working=True)
        for account in (theirs.account_id, uuid4()):
            address = f"/api/v1/accounts/{account}" + path.format(order=theirs.id)
            answer = program.ask(method, address, None if method == "GET" else terms())

            assert (answer.status_code, answer.told["code"]) == (404, "not_found")

    @pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
    def test_order_is_not_there_under_our_account_either(self, program, method):
        theirs = OrderFactory(working=True)

        body = {"quantity": "1", "client_order_id": "x"} if method == "PATCH" else None
        answer = program.ask(method, f"orders/{theirs.id}", body)

        assert answer.status_code == 404
        theirs.refresh_from_db()
        assert theirs.cancel_requested_at is None

    def test_filter_by_their_order_finds_nothing(self, program):
        theirs = OrderFactory(filled=True)

        assert program.get(f"executions?order_id={theirs.id}").told["executions"] == []
        query = f"orders?client_order_id={theirs.client_order_id}"
        assert program.get(query).told["orders"] == []


class TestActor:
    def test_audit_names_key_address_and_request(self, program):
        answer = program.place()

        event = AuditEvent.objects.get(action="order.placed")
        assert (event.actor_kind, event.actor_id) == ("api_key", program.key.key)
        assert (event.ip, event.request_id) == ("127.0.0.1", answer.headers["X-Request-ID"])
        assert Order.objects.get().placed_with == program.key

    def test_address_that_is_none_is_left_out(self, program):
        program.client.defaults["REMOTE_ADDR"] = "unknown, 10.0.0.1"

        assert program.place().status_code == 201
        assert AuditEvent.objects.get(action="order.placed").ip is None

"""One envelope, whatever goes wrong, and never a 5xx for an order that is on record."""

import pytest
from django.db import OperationalError

from orders import placing
from orders.api import ordering, showing
from orders.models import Order
from tests.api.conftest import terms


def check_envelope(answer, status, code):
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    told = answer.json()
    assert told["code"] == code
    assert told["message"].endswith(".")
    assert told["request_id"] == answer.headers["X-Request-ID"] != ""
    assert set(told) <= {"code", "message", "field", "request_id"}


class TestUnknownAddress:
    @pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options", "head"])
    @pytest.mark.parametrize(
        "path", ["", "/", "/accounts/", "/nowhere", "/accounts/1", "/accounts/x/orders", "/orders"]
    )
    def test_is_not_found_and_never_redirects(self, client, method, path):
        answer = getattr(client, method)("/api/v1" + path)

        assert answer.status_code == 404
        if method != "head":
            check_envelope(answer, 404, "not_found")


class TestEnvelope:
    def test_for_a_method_that_is_none(self, program):
        for method, path in (("PUT", "orders"), ("DELETE", "executions"), ("POST", "positions")):
            answer = program.ask(method, path, None)

            check_envelope(answer, 405, "method_not_allowed")
            assert "GET" in answer.headers["Allow"]

    def test_for_options(self, program):
        check_envelope(program.ask("OPTIONS", "orders"), 405, "method_not_allowed")

    def test_for_a_client_that_takes_no_json(self, program):
        check_envelope(program.get("orders", Accept="text/html"), 406, "not_acceptable")

    def test_for_a_query_of_another_format(self, program):
        check_envelope(program.get("orders?format=xml"), 400, "invalid_request")

    def test_for_a_fault_of_ours(self, program, monkeypatch):
        monkeypatch.setattr(placing, "place", lambda *args, **kwargs: 1 / 0)

        answer = program.place()

        check_envelope(answer, 500, "internal_error")
        assert "division" not in answer.content.decode()

    def test_for_a_database_that_is_away(self, program, monkeypatch):
        def away(*args):
            raise OperationalError("connection to server at 10.0.0.7 failed")

        monkeypatch.setattr(ordering, "page", lambda *args, **kwargs: away())

        answer = program.get("orders")

        check_envelope(answer, 503, "database_away")
        assert "10.0.0.7" not in answer.content.decode()

    def test_repeats_the_id_a_client_gave(self, program):
        answer = program.get("nowhere", **{"X-Request-ID": "trace-12345678"})

        assert answer.told["request_id"] == "trace-12345678"


def test_an_order_on_record_is_never_answered_with_5xx(program, monkeypatch):
    def away(*args):
        raise OperationalError("away")

    monkeypatch.setattr(showing, "orders_of", away)

    assert program.ask("POST", "orders", terms()).status_code == 201
    assert Order.objects.count() == 1

"""Who gets in, and every answer that is none: a number and a message, whatever was asked."""

import base64

import pytest
from django.db import OperationalError
from django.utils import timezone

from orders import placing
from orders.api.alpaca import finding
from orders.api.reading import LARGEST_BODY
from orders.models import ApiKey, Order
from tests.api.alpaca.conftest import a_bot, an_order, check_declined
from tests.factories import OrderFactory


def basic(key, secret):
    return "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()


class TestKey:
    def test_opens_by_headers(self, bot):
        assert bot.get("orders").status_code == 200

    def test_opens_by_http_basic(self, bot, client):
        header = {"Authorization": basic(bot.key.key, bot.secret)}

        assert client.get("/alpaca/v2/orders", headers=header).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"APCA-API-KEY-ID": "BLT0"},
            {"APCA-API-KEY-ID": "", "APCA-API-SECRET-KEY": ""},
            {"APCA-API-KEY-ID": "BLT0", "APCA-API-SECRET-KEY": "x"},
            {"APCA-API-KEY-ID": "n\0l", "APCA-API-SECRET-KEY": "n\0l"},
            {"APCA-API-KEY-ID": "ключ", "APCA-API-SECRET-KEY": "ключ"},
            {"APCA-API-KEY-ID": "x" * 5000, "APCA-API-SECRET-KEY": "x" * 5000},
            {"Authorization": "Bearer x"},
            {"Authorization": "Basic %%%"},
            {"Authorization": basic("BLT0", "x")},
        ],
        ids=repr,
    )
    def test_nobody_else_gets_in(self, bot, client, headers):
        answer = client.get("/alpaca/v2/orders", headers=headers)
        answer.told = answer.json()

        check_declined(answer, 401, 40110000, "request is not authorized")
        assert "Basic" not in answer.headers["WWW-Authenticate"]

    def test_revoked_key_is_no_key(self, bot):
        ApiKey.objects.update(revoked_at=timezone.now())

        check_declined(bot.get("orders"), 401, 40110000)

    def test_of_a_reader_places_nothing(self, bot):
        order = OrderFactory(account=bot.account, working=True)
        reader = a_bot(bot.account, may_trade=False)

        for method, path in (("POST", "orders"), ("PATCH", f"orders/{order.id}")):
            check_declined(reader.ask(method, path, an_order()), 403, 40310000)
        for path in ("orders", f"orders/{order.id}"):
            check_declined(reader.ask("DELETE", path), 403, 40310000)
        assert reader.get("orders").status_code == 200
        assert Order.objects.count() == 1


class TestAddress:
    @pytest.mark.parametrize(
        "path",
        [
            "",
            "/",
            "/v2",
            "/v2/",
            "/v2/orders/",
            "/v2/nowhere",
            "/v1/orders",
            "/v2/orders/x/y",
            "//",
        ],
    )
    @pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
    def test_that_is_none(self, client, method, path):
        answer = getattr(client, method)("/alpaca" + path)
        answer.told = answer.json()

        check_declined(answer, 404, 40410000, "endpoint not found")

    def test_with_two_slashes_is_the_same(self, bot):
        """As it comes of a base URL that ends in one."""
        assert bot.get("/alpaca//v2/orders").status_code == 200
        assert bot.get("/alpaca//v2/orders:by_client_order_id").status_code == 422

    @pytest.mark.parametrize(
        ("method", "path"), [("PUT", "orders"), ("PATCH", "orders"), ("POST", "orders/x")]
    )
    def test_of_another_method(self, bot, method, path):
        check_declined(bot.ask(method, path), 405, 40510000)

    def test_takes_whatever_a_client_accepts(self, bot):
        assert bot.get("orders", Accept="text/html").status_code == 200
        assert bot.get("orders?format=xml").status_code == 200


class TestBody:
    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "x", ""])
    def test_of_another_type(self, bot, kind):
        answer = bot.client.post(
            "/alpaca/v2/orders", data="a=b", content_type=kind, headers=bot.headers
        )
        answer.told = answer.json()

        check_declined(answer, 415, 41510000)

    def test_that_is_encoded(self, bot):
        answer = bot.ask("POST", "orders", an_order(), **{"Content-Encoding": "gzip"})

        check_declined(answer, 415, 41510000)

    def test_that_is_too_long(self, bot):
        answer = bot.ask("POST", "orders", " " * LARGEST_BODY + "{}")

        check_declined(answer, 413, 41310000)


class TestFault:
    def test_of_ours(self, bot, monkeypatch):
        monkeypatch.setattr(placing, "place", lambda *args, **kwargs: 1 / 0)

        answer = bot.place()

        check_declined(answer, 500, 50010000)
        assert "division" not in answer.content.decode()

    @pytest.mark.parametrize("given", [..., "mine"])
    def test_of_the_database_tells_the_id_that_makes_it_repeatable(self, bot, monkeypatch, given):
        asked = []

        def away(account, ticket, **rest):
            asked.append(ticket.wire_id)
            raise OperationalError("away")

        monkeypatch.setattr(placing, "place", away)

        answer = bot.place(client_order_id=given)

        check_declined(answer, 503, 50310000, "repeat the request with the same client_order_id")
        assert [answer.told["client_order_id"]] == asked
        assert given is ... or asked == [given]

    def test_of_the_database(self, bot, monkeypatch):
        def away(*args):
            raise OperationalError("connection to server at 10.0.0.7 failed")

        monkeypatch.setattr(finding, "listed", away)

        answer = bot.get("orders")

        check_declined(answer, 503, 50310000)
        assert "10.0.0.7" not in answer.content.decode()
        assert answer.headers["Retry-After"] == "1"

"""POST …/orders: what is taken, what is refused, and what makes a retry safe."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from io import BytesIO
from threading import Barrier

import pytest
import redis
from celery import Celery
from django.core.handlers.asgi import ASGIRequest
from django.db import OperationalError, connections

from config.celery import app
from orders import announcing, placing
from orders.api.ordering import Orders
from orders.models import AuditEvent, Order
from orders.tasks import send_order
from tests.api.conftest import terms


class TestNewOrder:
    def test_is_on_record_before_the_answer(self, program):
        answer = program.place(client_order_id="mine-1")

        order = Order.objects.get()
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"{program.orders}/{order.id}"
        assert answer.told["id"] == str(order.id)
        assert (answer.told["status"], answer.told["in_doubt"]) == (None, False)
        assert (answer.told["quantity"], answer.told["limit_price"]) == ("10", "99.5")
        assert answer.told["placed_at"].endswith("Z")
        assert (order.client_order_id, order.source) == ("mine-1", "api")
        assert AuditEvent.objects.filter(action="order.placed").count() == 1

    def test_shows_the_same_when_read_again(self, program):
        placed = program.place().told

        read = program.get(f"orders/{placed['id']}").told

        for changing in ("submission", "submission_at", "next_check_at", "updated_at", "version"):
            placed.pop(changing), read.pop(changing)
        assert placed == read

    @pytest.mark.parametrize("written", ["0.1", 0.1, "0.100000000"], ids=repr)
    def test_amount_is_exact_however_it_is_written(self, program, written):
        assert program.place(quantity=written).told["quantity"] == "0.1"
        assert Order.objects.get().quantity == Decimal("0.1")

    def test_number_that_no_float_holds_is_exact(self, program):
        body = json.dumps(terms(quantity="@")).replace('"@"', "123456789012.123456789")

        assert program.ask("POST", "orders", body).told["quantity"] == "123456789012.123456789"

    def test_body_sent_in_chunks_is_read(self, program):
        headers = program.headers | {
            "Content-Type": "application/json",
            "Transfer-Encoding": "chunked",
        }
        wire = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "POST", "path": program.orders, "headers": wire}
        request = ASGIRequest(scope, BytesIO(json.dumps(terms()).encode()))

        answer = Orders.as_view()(request, account_id=program.account.id)

        assert answer.status_code == 201


class TestRetry:
    def test_answers_with_the_order_it_made(self, program):
        first = program.place(client_order_id="again")
        second = program.place(client_order_id="again", quantity="10.00", time_in_force="day")

        assert (first.status_code, second.status_code) == (201, 200)
        assert first.told["id"] == second.told["id"]
        assert Order.objects.count() == 1

    def test_of_something_else_is_a_conflict(self, program):
        program.place(client_order_id="again")

        answer = program.place(client_order_id="again", quantity="11")

        assert (answer.status_code, answer.told["code"]) == (409, "client_order_id_taken")
        assert answer.told["field"] == "client_order_id"
        assert Order.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_by_two_at_once_makes_one_order(self, program):
        together = Barrier(2)

        def place():
            try:
                together.wait()
                return program.place(client_order_id="race")
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            answers = [done.result() for done in [pool.submit(place), pool.submit(place)]]

        assert sorted(answer.status_code for answer in answers) == [200, 201]
        assert len({answer.told["id"] for answer in answers}) == 1
        assert Order.objects.count() == 1

    def test_id_may_come_by_header(self, program):
        body = terms(client_order_id=...)
        answers = [
            program.ask("POST", "orders", body, **{"Idempotency-Key": given})
            for given in ("by-header", '"by-header"')
        ]

        assert [answer.status_code for answer in answers] == [201, 200]
        assert Order.objects.get().client_order_id == "by-header"

    def test_header_and_body_must_agree(self, program):
        body = terms(client_order_id="one")
        answer = program.ask("POST", "orders", body, **{"Idempotency-Key": "two"})
        assert (answer.status_code, answer.told["field"]) == (400, "client_order_id")

        answer = program.ask("POST", "orders", body, **{"Idempotency-Key": "one"})
        assert answer.status_code == 201

    def test_without_an_id_could_not_be_safe(self, program):
        answer = program.place(client_order_id=...)

        assert (answer.status_code, answer.told["code"]) == (400, "client_order_id_required")
        assert not Order.objects.exists()

    def test_is_safe_when_the_database_was_lost(self, program, monkeypatch):
        place = placing.place

        def lose(*args, **kwargs):
            place(*args, **kwargs)
            raise OperationalError("server closed the connection")

        monkeypatch.setattr(placing, "place", lose)
        answer = program.place(client_order_id="lost")
        assert (answer.status_code, answer.told["code"]) == (503, "database_away")
        assert answer.headers["Retry-After"] == "1"

        monkeypatch.undo()
        assert program.place(client_order_id="lost").status_code == 200


class TestRefusedFields:
    @pytest.mark.parametrize("name", ["symbol", "side", "quantity", "order_type"])
    def test_missing(self, program, name):
        self.refused(program.place(**{name: ...}), name)

    @pytest.mark.parametrize("name", ["limit_prise", "account", "id", "", "n\0l", "\ud800", "é"])
    def test_unknown(self, program, name):
        self.refused(program.place(**{name: "1"}), name)

    def test_unknown_and_endless(self, program):
        answer = program.place(**{"x" * 500: 1})

        assert answer.told["field"] == "x" * 64

    @pytest.mark.parametrize("value", [None, True, [], {}, [1], 1, 1.5, ""], ids=repr)
    @pytest.mark.parametrize("name", ["symbol", "side", "order_type", "client_order_id"])
    def test_word_of_another_type(self, program, name, value):
        self.refused(program.place(**{name: value}), name)

    @pytest.mark.parametrize(
        "value", ["a b", "n\0l", "\ud800", "é", "x" * 200, "line\n", "\u202e", "\x7f"], ids=repr
    )
    @pytest.mark.parametrize("name", ["symbol", "side", "client_order_id", "time_in_force"])
    def test_word_that_is_none(self, program, name, value):
        self.refused(program.place(**{name: value}), name)

    @pytest.mark.parametrize(
        "literal",
        [
            *("NaN", "Infinity", "-Infinity", "1e999999", "1e99999999999999999999", "-1e999999"),
            *("1e-999999", "true", "false", "[]", "{}", "[1]", '"NaN"', '"1e5"', '"1_000"'),
            *('""', '" 1"', '"0x10"', '"١"', '"1,5"', '"+1"', '"1."', '".5"', '"1\\u0000"'),
            *("9" * 40, f'"{"9" * 40}"', f'"0.{"1" * 40}"', "1.0000000001", "1e30"),
        ],
    )
    @pytest.mark.parametrize("name", ["quantity", "limit_price", "stop_price"])
    def test_amount_that_is_none(self, program, name, literal):
        body = json.dumps(terms(**{name: "@"})).replace('"@"', literal)

        self.refused(program.ask("POST", "orders", body), name)

    @pytest.mark.parametrize("name", ["quantity", "limit_price"])
    @pytest.mark.parametrize("amount", ["0", "-1", "-0", "1000000000000"])
    def test_amount_that_no_order_has(self, program, name, amount):
        answer = program.place(**{name: amount})

        assert (answer.status_code, answer.told["code"]) == (422, "invalid_field")
        assert answer.told["field"] == name

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"limit_price": ...}, "limit_price"),
            ({"limit_price": None}, "limit_price"),
            ({"order_type": "market"}, "limit_price"),
            ({"order_type": "stop", "limit_price": ...}, "stop_price"),
            ({"stop_price": "1"}, "stop_price"),
        ],
        ids=repr,
    )
    def test_prices_that_do_not_go_together(self, program, changes, field):
        answer = program.place(**changes)

        assert (answer.status_code, answer.told["field"]) == (422, field)

    def test_given_twice(self, program):
        body = json.dumps(terms())[:-1] + ', "quantity": "1000"}'

        self.refused(program.ask("POST", "orders", body), "quantity")

    def test_query_on_a_write(self, program):
        answer = program.ask("POST", program.orders + "?dry_run=true", terms())

        self.refused(answer, "dry_run")

    def refused(self, answer, field):
        assert answer.status_code == 400
        assert (answer.told["code"], answer.told["field"]) == ("invalid_request", field)
        assert not Order.objects.exists()


class TestRefusedAccounts:
    def test_halted(self, program):
        program.account.halted_at, program.account.halt_reason = program.key.created_at, "Enough."
        program.account.save()

        answer = program.place()

        assert (answer.status_code, answer.told["code"]) == (422, "account_halted")
        assert "Enough." in answer.told["message"]

    def test_closed(self, program):
        program.account.is_open = False
        program.account.save()

        assert program.place().told["code"] == "account_closed"


class TestUnreadableBodies:
    @pytest.mark.parametrize(
        "body",
        [
            *(b"{", b"nonsense", b"{'a': 1}", b'{"a": 1,}', b"\xff\xfe", b'{"a": "\xff"}'),
            *(b"[" * 30_000, b'{"a":' * 10_000, b"\xef\xbb\xbf{}"),
        ],
        ids=lambda body: repr(body[:12]),
    )
    def test_is_not_json(self, program, body):
        answer = program.ask("POST", "orders", body)

        assert (answer.status_code, answer.told["code"]) == (400, "malformed_json")

    @pytest.mark.parametrize("body", ["[]", "null", "1", '"x"', "true"])
    def test_is_not_an_object(self, program, body):
        answer = program.ask("POST", "orders", body)

        assert (answer.status_code, answer.told["code"]) == (400, "invalid_request")

    def test_none_at_all(self, program):
        assert program.ask("POST", "orders").status_code in {400, 415}

    def test_too_large(self, program):
        answer = program.place(symbol="x" * 70_000)

        assert (answer.status_code, answer.told["code"]) == (413, "too_large")

    def test_of_another_kind(self, program):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            answer = program.client.post(
                program.orders, "a=1", content_type=kind, headers=program.headers
            )

            assert answer.status_code == 415
            assert answer.json()["code"] == "unsupported_media_type"

    def test_compressed(self, program):
        answer = program.ask("POST", "orders", terms(), **{"Content-Encoding": "gzip"})

        assert answer.status_code == 415


class TestRedisDead:
    @pytest.mark.django_db(transaction=True)
    def test_order_is_taken_all_the_same(self, program, monkeypatch, tmp_path):
        nobody = f"{tmp_path}/nobody.sock"
        publisher = Celery("publisher", broker=f"redis+socket://{nobody}")
        publisher.conf.update(broker_transport_options=app.conf.broker_transport_options)
        rung = []

        def apply_async(args, **options):
            rung.append(args)
            publisher.send_task(send_order.name, args, **options)

        monkeypatch.setattr(send_order, "apply_async", apply_async)
        dead = redis.Redis(unix_socket_path=nobody)
        monkeypatch.setattr(announcing, "_redis", lambda: dead)
        began = time.monotonic()

        answer = program.place()

        publisher.close()
        assert answer.status_code == 201
        assert rung == [(answer.told["id"],)]
        assert time.monotonic() - began < 5
        assert Order.objects.get().look_at is not None  # the sweep finds it

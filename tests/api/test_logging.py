"""What the log says of a request, and what it never says."""

import json
import logging
from io import StringIO

import pytest

from config.logging import configuration
from orders import placing
from tests.api.conftest import terms

CANARY = "canary-8c2e"


@pytest.fixture
def lines(settings):
    """Return what a production desk has logged since: one dict a line."""
    written = StringIO()
    formatter = configuration(as_json=True, level="DEBUG")["formatters"]["line"]
    handler = logging.StreamHandler(written)
    made = dict(formatter)
    handler.setFormatter(made.pop("()")(**made))
    root = logging.getLogger()
    root.addHandler(handler)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.removeHandler(handler)


def test_one_line_a_request_with_its_ids(program, lines):
    answer = program.place(client_order_id="mine-1")

    (line,) = [line for line in lines() if line["event"] == "request"]
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert (line["order"], line["client_order_id"]) == (answer.told["id"], "mine-1")
    assert (line["method"], line["status"]) == ("POST", 201)
    assert line["route"] == "api/v1/accounts/<uuid:account_id>/orders"
    assert line["ms"] > 0
    assert line["key"] == program.key.key


def test_the_next_request_starts_afresh(program, lines):
    program.place()
    program.get("/api/v1/accounts")

    assert "order" not in lines()[-1]


def test_health_is_too_frequent_to_mention(program, lines, client):
    client.get("/healthz")

    assert lines() == []


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.django_db(transaction=True)
def test_no_secret_is_ever_written(program, lines, monkeypatch, client, fails):
    if fails:

        def fail(*args, **kwargs):
            held = program.secret, CANARY  # a local, which a traceback must not show
            raise RuntimeError(f"{len(held)} things went wrong")

        monkeypatch.setattr(placing, "place", fail)
    program.ask("POST", "orders", terms(), Authorization=f"Bearer {CANARY}", Cookie=CANARY)
    client.get(f"/api/v1/accounts?token={CANARY}", headers=program.headers)
    client.get("/api/v1/accounts", headers={"X-API-Key": "BLT0", "X-API-Secret": CANARY})
    client.get(f"/sign-in/once/{CANARY}")
    client.post(f"/webhooks/{CANARY}", CANARY, content_type="application/json")

    everything = json.dumps(lines())
    assert program.secret not in everything
    assert CANARY not in everything
    assert ("things went wrong" in everything) is fails

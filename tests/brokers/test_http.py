from __future__ import annotations

import socket
import time
from decimal import Decimal

import pytest

from brokers import http
from brokers.errors import NotSent, OutcomeUnknown
from tests.brokers import wire as scripts
from tests.brokers.wire import Wire, answer


def call(url, **given):
    return http.call("POST", url, headers={"X-Key": "canary"}, **given)


class TestWhatIsSent:
    def test_amounts_travel_as_strings_with_every_digit(self, wire):
        wire.script = answer(200, {})

        call(wire.url, body={"quantity": Decimal("1E-9"), "price": Decimal("1E+2")})
        # As a column of the database has it: more digits than some take, and all of them nothing.
        call(wire.url, body={"quantity": Decimal("8.000000000000000000")})

        assert wire.bodies() == [{"quantity": "0.000000001", "price": "100"}, {"quantity": "8"}]

    def test_each_call_has_a_connection_of_its_own(self, wire):
        wire.script = answer(200, {})

        for _ in range(3):
            call(wire.url)

        assert wire.connections == 3

    def test_no_connection_is_kept_for_later(self):
        """One kept open may be dead at the other end by then, and a write on it would be doubt."""
        with Wire() as wire:
            wire.script, closed = scripts.stay(200, {})
            call(wire.url)

        assert closed == ["the client"]

    def test_a_redirect_is_an_answer_and_not_followed(self, wire):
        wire.script = answer(302, Location="/again")

        assert call(wire.url).status == 302
        assert len(wire.requests) == 1


class TestWhatIsNot:
    @pytest.mark.parametrize(
        "url",
        ["http://[half", "ftp://broker.example", "broker.example", "http://", "http://a:99999999"],
    )
    def test_a_url_that_is_none(self, url):
        with pytest.raises(NotSent) as caught:
            call(url)

        assert caught.value.call.url == url

    @pytest.mark.parametrize("key", ["pasted\n", "clé", "\ud800", "nul\x00"])
    def test_a_header_that_cannot_be_written(self, wire, key):
        """A key pasted with its line feed must not put every order in doubt."""
        with pytest.raises(NotSent):
            http.call("POST", wire.url, headers={"X-Key": key}, body={"a": "b"})

        assert wire.requests == []


class TestWhatComesBack:
    def test_numbers_keep_their_digits(self, wire):
        wire.script = answer(200, b'{"price": 0.1234567890123456789}')

        assert call(wire.url).json() == {"price": Decimal("0.1234567890123456789")}

    @pytest.mark.parametrize("body", [b"", b"{", b"NaN", b"[" * 50_000, b'{"a": ' + b"9" * 5_000])
    def test_what_is_not_json_is_a_value_error(self, wire, body):
        wire.script = answer(200, body)

        with pytest.raises(ValueError):  # noqa: PT011  (the promise is the type)
            call(wire.url).json()

    def test_a_broken_answer_is_kept_as_far_as_it_came(self, wire):
        wire.script = scripts.cut(201, {"id": "B-1", "rest": "x" * 50})

        with pytest.raises(OutcomeUnknown) as caught:
            call(wire.url)

        assert caught.value.call.status == 201
        assert caught.value.call.answer_body.startswith('{"id": "B-1"')
        assert "connection broke" in str(caught.value)

    @pytest.mark.usefixtures("impatient")
    def test_silence_is_called_silence(self, wire):
        wire.script = scripts.silence

        with pytest.raises(OutcomeUnknown, match="silence for"):
            call(wire.url)

    @pytest.mark.usefixtures("impatient")
    def test_a_drip_ends_when_its_time_is_up(self, wire):
        wire.script = scripts.drip

        with pytest.raises(OutcomeUnknown, match=r"no whole answer within 0\.5 s"):
            call(wire.url)

    @pytest.mark.usefixtures("impatient")
    def test_a_name_that_resolves_after_its_time_is_up_sends_nothing(self, wire, monkeypatch):
        resolve = socket.getaddrinfo

        def slowly(*given, **more):
            time.sleep(0.8)
            return resolve(*given, **more)

        monkeypatch.setattr(socket, "getaddrinfo", slowly)
        wire.script = answer(201, {})

        with pytest.raises((NotSent, OutcomeUnknown)):
            call(wire.url, body={"quantity": Decimal(1)})

        assert wire.requests == []

    def test_a_long_answer_is_kept_in_part(self, wire):
        wire.script = answer(500, b"x" * 100_000)

        told = call(wire.url)

        assert len(told.text) == 100_000
        assert len(told.call.answer_body) == http.KEPT


def test_redacted_headers_tell_no_secrets():
    kept = http.redacted({"X-Paper-Key": "canary", "Authorization": "Bearer canary", "Accept": "*"})

    assert kept == {
        "X-Paper-Key": "[6 characters]",
        "Authorization": "[13 characters]",
        "Accept": "*",
    }

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers import parsing

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)
READERS = [
    parsing.parse_amount,
    parsing.parse_time,
    parsing.parse_whole,
    parsing.parse_text,
    parsing.parse_optional_amount,
]


@pytest.mark.parametrize("reader", READERS)
@given(value=ANYTHING)
def test_reads_or_raises_value_error(reader, value):
    with suppress(ValueError):
        reader(value)


@given(st.text() | st.binary())
def test_json_is_read_or_a_value_error(text):
    with suppress(ValueError):
        parsing.parse_json(text)


@pytest.mark.parametrize(
    ("value", "amount"), [("1.50", "1.5"), (3, "3"), (Decimal(-2), "-2"), ("0", "0")]
)
def test_an_amount(value, amount):
    assert parsing.parse_amount(value) == Decimal(amount)


@pytest.mark.parametrize(
    "value",
    ["1e999999999", "-1e999999999", "1e-999999999", "NaN", "Infinity", "", "1,5", True, 1.5],
)
def test_no_amount(value):
    with pytest.raises(ValueError):  # noqa: PT011  (the promise is the type)
        parsing.parse_amount(value)


@pytest.mark.parametrize("text", ["2026-03-02T12:00:00Z", "2026-03-02T13:00:00+01:00"])
def test_a_time_is_utc(text):
    at = parsing.parse_time(text)

    assert at == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert at.tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["2026-03-02T12:00:00", "2026-03-02", "", "soon", "0001-01-01T00:00:00+14:00", 5]
)
def test_no_time(text):
    with pytest.raises(ValueError):  # noqa: PT011
        parsing.parse_time(text)


@pytest.mark.parametrize("text", ["\x00", "\ud800", "x" * 501, 5, b"x"])
def test_no_text(text):
    with pytest.raises(ValueError):  # noqa: PT011
        parsing.parse_text(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9))
def test_json_numbers_keep_their_digits(amount):
    assert parsing.parse_json(json.dumps({"a": 0}).replace("0", f"{amount:f}"))["a"] == amount


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1.5E-99999999999999999999"])
def test_a_number_beyond_any_decimal_is_a_value_error(number):
    with pytest.raises(ValueError, match="number"):
        parsing.parse_json(f'{{"code": {number}}}')

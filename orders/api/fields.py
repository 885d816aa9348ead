"""How single values are written and read: amounts as exact decimal strings, times in UTC."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Never

from drf_spectacular.utils import extend_schema_field
from rest_framework.fields import Field

from orders.money import plain

SHAPE = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
LARGEST, DECIMALS = 18, 9  # digits before the point; the desk's own limits are far below

AMOUNT = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "examples": ["100.25"]}
WORD = r"[!-~]{1,%d}"  # printable ASCII without spaces: what every broker and every URL can carry


def _schema(shape: Mapping[str, Any]) -> Any:
    return extend_schema_field(dict(shape))


@_schema(
    {
        "oneOf": [
            {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,9})?$"},
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10**12},
        ],
        "examples": ["100.25"],
    }
)
class AmountGiven(Field[Decimal, Any, Any, Any]):
    """An amount, as a string or a JSON number. What no order could mean is refused here."""

    default_error_messages = {
        "shape": "Write an amount as a plain decimal, such as 100.25.",
        "range": "The amount is out of range.",
        "decimals": f"An amount takes at most {DECIMALS} decimals.",
    }

    def to_internal_value(self, data: object) -> Decimal:
        if isinstance(data, str):
            return self._exact(Decimal(data)) if SHAPE.fullmatch(data) else self._refuse("shape")
        if isinstance(data, Decimal):
            return self._exact(data)
        return self._refuse("shape")

    def to_representation(self, value: Decimal) -> str | None:
        return plain(value)

    def _exact(self, amount: Decimal) -> Decimal:
        if not amount.is_finite():
            self._refuse("shape")
        exponent = amount.as_tuple().exponent
        # Asked before it is written out: 1e999999 is one line here and a megabyte there.
        if amount.adjusted() >= LARGEST or not isinstance(exponent, int) or exponent < -60:
            self._refuse("range")
        text = plain(amount) or ""
        if len(text.partition(".")[2]) > DECIMALS:
            self._refuse("decimals")
        return Decimal(text)

    def _refuse(self, why: str) -> Never:
        self.fail(why)


@_schema(AMOUNT)
class Amount(Field[Decimal, Any, str | None, Any]):
    """An amount as the desk shows it: no exponent, no needless zeros."""

    def to_representation(self, value: Decimal) -> str | None:
        return plain(value)


@_schema(
    {
        "type": "string",
        "format": "date-time",
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$",
        "examples": ["2026-03-02T14:30:00.000000Z"],
    }
)
class Moment(Field[datetime, Any, str, Any]):
    """A time as the desk shows it: RFC 3339, UTC, microseconds."""

    def to_representation(self, value: datetime) -> str:
        utc = value.astimezone(UTC).replace(tzinfo=None)
        return utc.isoformat(timespec="microseconds") + "Z"


@_schema(
    {"type": "string", "format": "date-time", "examples": ["2026-03-02T14:30:00Z"]},
)
class MomentGiven(Field[datetime, Any, Any, Any]):
    """A time with its zone, in RFC 3339."""

    default_error_messages = {
        "shape": "Write a time with its zone, such as 2026-03-02T14:30:00Z (and a + as %2B).",
    }
    shape = re.compile(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
        r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
    )

    def to_internal_value(self, data: object) -> datetime:
        if not isinstance(data, str) or not self.shape.fullmatch(data):
            self.fail("shape")
        try:
            return datetime.fromisoformat(data.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("shape")

    def to_representation(self, value: datetime) -> Any:
        return value.isoformat()


class Word(Field[str, Any, str, Any]):
    """A string without spaces, in printable ASCII; nothing else is taken for one."""

    default_error_messages = {
        "shape": "Write 1 to {longest} printable ASCII characters without spaces.",
    }

    def __init__(self, *, longest: int, **options: Any) -> None:
        super().__init__(**options)
        self.longest = longest
        self.shape = re.compile(WORD % longest)
        self._spectacular_annotation = {
            "field": {
                "type": "string",
                "minLength": 1,
                "maxLength": longest,
                "pattern": r"^[!-~]+$",
            }
        }

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str) or not self.shape.fullmatch(data):
            self.fail("shape", longest=self.longest)
        return data

    def to_representation(self, value: str) -> str:
        return value


class Choice(Field[str, Any, str | None, Any]):
    """One of a few words, as a string and in lower case. No word at all is shown as null."""

    default_error_messages = {"choice": "Choose one of: {words}."}

    def __init__(self, words: Any, **options: Any) -> None:
        super().__init__(**options)
        self.words = [str(word) for word in words]
        self._spectacular_annotation = {"field": {"type": "string", "enum": self.words}}

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str) or data not in self.words:
            self.fail("choice", words=", ".join(self.words))
        return data

    def to_representation(self, value: str) -> str | None:
        return str(value) or None


@_schema({"type": "boolean"})
class Flag(Field[bool, Any, bool, Any]):
    """true or false, in a query string."""

    default_error_messages = {"flag": "Write true or false."}

    def to_internal_value(self, data: object) -> bool:
        if data not in {"true", "false"}:
            self.fail("flag")
        return data == "true"

    def to_representation(self, value: bool) -> bool:
        return value


@_schema({"type": "boolean"})
class YesOrNo(Field[bool, Any, bool, Any]):
    """true or false, in a body; nothing else is taken for one."""

    default_error_messages = {"bool": "Write true or false."}

    def to_internal_value(self, data: object) -> bool:
        if not isinstance(data, bool):
            self.fail("bool")
        return data

    def to_representation(self, value: bool) -> bool:
        return value


class Count(Field[int, Any, int, Any]):
    """A whole number from 1 to `most`, in a query string."""

    default_error_messages = {"count": "Write a whole number from 1 to {most}."}

    def __init__(self, *, most: int, **options: Any) -> None:
        super().__init__(**options)
        self.most = most
        self._spectacular_annotation = {"field": {"type": "integer", "minimum": 1, "maximum": most}}

    def to_internal_value(self, data: object) -> int:
        if not isinstance(data, str) or not re.fullmatch(r"[0-9]{1,9}", data):
            self.fail("count", most=self.most)
        if not 1 <= int(data) <= self.most:
            self.fail("count", most=self.most)
        return int(data)

    def to_representation(self, value: int) -> int:
        return value

"""Amounts, moments and states, as every page writes them.

Moments are written in UTC with the exact value beside them; static/desk/desk.js
turns them into the reader's own zone. So a row is the same for everybody.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orders.models import Account, Execution, Incident, Order
from orders.money import plain
from orders.money import worth as exact_worth
from orders.web import words
from orders.web.words import Badge

register = template.Library()

CENTS, TEN_THOUSANDTH = Decimal("0.01"), Decimal("0.0001")


@register.filter
def amount(value: Decimal | None) -> str:
    """Write an amount with thousands apart and no needless zeros; a dash for none."""
    text = plain(value)
    if text is None:
        return "—"
    whole, _, part = text.partition(".")
    sign, digits = ("−", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{'.' + part if part else ''}"


@register.filter
def price(value: Decimal | None) -> str:
    """Write a price: at least two decimals, more where it has more."""
    if value is None:
        return "—"
    text = amount(value)
    part = text.partition(".")[2]
    return text if len(part) >= 2 else f"{text}{'' if part else '.'}{'0' * (2 - len(part))}"


@register.filter
def money(value: Decimal | None) -> str:
    """Write a sum of money to the cent; a dash for none."""
    return "—" if value is None else price(value.quantize(CENTS))


@register.filter
def signed(value: Decimal | None) -> str:
    """Write a sum of money to the cent, with its sign."""
    text = money(value)
    return f"+{text}" if value is not None and value.quantize(CENTS) > 0 else text


@register.filter
def direction(value: Decimal | None) -> str:
    """Name the tone of a profit or a loss."""
    rounded = (value or Decimal(0)).quantize(CENTS)
    return "up" if rounded > 0 else "down" if rounded < 0 else "flat"


@register.filter
def short_type(order_type: str) -> str:
    """Write an order type as desks do."""
    return {"market": "MKT", "limit": "LMT", "stop": "STP", "stop_limit": "STP LMT"}.get(
        order_type, order_type
    )


@register.filter
def rounded_price(value: Decimal | None) -> str:
    """Write an average to four decimals at most; the exact one belongs beside it, or in a title."""
    return "—" if value is None else price(value.quantize(TEN_THOUSANDTH))


@register.filter
def exact(value: Decimal | None) -> str:
    """Write an amount as wires do."""
    return plain(value) or ""


@register.filter
def worth(fill: Execution) -> Decimal:
    return exact_worth(fill.quantity, fill.price)


@register.filter
def percent(order: Order) -> int:
    """Return how much of an order is filled: 0 and 100 mean none and all of it, exactly."""
    if order.quantity is None:
        share = order.filled_value * 100 / (order.notional or order.filled_value)
    else:
        share = order.filled_quantity * 100 / order.quantity
    if 0 < share < 1:
        return 1
    return min(int(share), 100)


@register.filter
def span(length: timedelta) -> str:
    """Write a duration in the largest unit that it is a whole number of."""
    seconds = int(length.total_seconds())
    for size, word in ((3600, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {word}"
    return f"{seconds} s"


@register.filter
def spaced(name: str) -> str:
    return name.replace("_", " ")


@register.filter
def slug(name: str) -> str:
    """Return a name fit for an id."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name)


@register.filter
def readable(said: str) -> str:
    """Indent a broker's JSON; leave whatever else it said as it came."""
    try:
        told: Any = json.loads(said, parse_float=Decimal)
        return json.dumps(told, indent=2, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return said


@register.filter
def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


@register.filter
def badge(order: Order) -> Badge:
    return words.badge(order)


@register.filter
def marks(order: Order) -> list[Badge]:
    return list(words.marks(order))


@register.filter
def note(order: Order) -> str:
    return words.note(order)


@register.filter
def severity(incident: Incident) -> Badge:
    return words.SEVERITIES[incident.severity]


@register.filter
def urgent(order: Order) -> bool:
    """Whether a change of this order is read out at once, whatever is being read."""
    return words.badge(order).tone in {"rejected", "doubt", "conflict"}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw one symbol of our own. The word beside it is what is read out."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>',
        static("desk/icons.svg"),
        name,
    )


@register.simple_tag
def clock(moment: datetime | None, how: str = "clock") -> SafeString | str:
    """Write a moment: `clock`, `exact`, `date`, `age` (since) or `countdown` (until)."""
    if moment is None:
        return "—"
    moment = moment.astimezone(UTC)
    text = f"{moment:%H:%M:%S}" if how == "clock" else f"{moment:%Y-%m-%d %H:%M:%S}"
    return format_html(
        '<time datetime="{}" data-time="{}" title="{} UTC">{}</time>',
        moment.isoformat(timespec="microseconds"),
        how,
        f"{moment:%Y-%m-%d %H:%M:%S.%f}",
        text,
    )


@register.simple_tag
def now_iso() -> str:
    """Write the server's clock, which the page's countdowns go by."""
    return timezone.now().isoformat()


@register.simple_tag(takes_context=True)
def environment(context: dict[str, Any]) -> str:
    """Say what is at stake on this page: `paper`, `live`, `mixed` or nothing."""
    user = getattr(context.get("request"), "user", None)
    if user is None or not user.is_authenticated:
        return ""
    accounts = Account.objects.visible_to(user)
    found = set(accounts.values_list("environment", flat=True).order_by().distinct())
    return "mixed" if len(found) > 1 else "".join(found)

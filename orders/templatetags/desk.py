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
from orders.web import amounts, phrasing, sounding, words
from orders.web.words import Badge

register = template.Library()

for written in (
    amounts.amount,
    amounts.price,
    amounts.rounded_price,
    amounts.money,
    amounts.signed,
    amounts.direction,
    phrasing.side,
    phrasing.leg,
    phrasing.order_class,
    phrasing.short_type,
    phrasing.size,
    phrasing.named,
    phrasing.pricing,
    phrasing.trail,
    phrasing.trailing,
    phrasing.conditions,
):
    register.filter(written)


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
    said = [words.badge(order), *words.marks(order)]
    return any(badge.tone in {"rejected", "doubt", "conflict"} for badge in said)


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


@register.inclusion_tag("orders/_banner.html", takes_context=True)
def alarms(context: dict[str, Any]) -> dict[str, Any]:
    """Say what nobody may overlook, on whatever page they are."""
    return {"alarms": sounding.sounding(context["request"].user)}


@register.simple_tag(takes_context=True)
def environment(context: dict[str, Any]) -> str:
    """Say what is at stake on this page: `paper`, `live`, `mixed` or nothing."""
    user = getattr(context.get("request"), "user", None)
    if user is None or not user.is_authenticated:
        return ""
    accounts = Account.objects.visible_to(user)
    found = set(accounts.values_list("environment", flat=True).order_by().distinct())
    return "mixed" if len(found) > 1 else "".join(found)

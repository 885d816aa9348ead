"""What people fill in. Whatever is wrong is said at the field it is wrong in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18}")
NOT_OURS = {"csrfmiddlewaretoken"}
PRICES = ("limit_price", "stop_price", "trail_price", "trail_percent")


class AmountField(forms.CharField):
    """A plain decimal number. No exponent, no separators, no digits of other scripts."""

    default_error_messages = {"number": "Write a plain number, such as 1250.5."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=40, **kwargs)
        self.widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}

    def clean(self, value: Any) -> Decimal | None:
        text = super().clean(value)
        if not text:
            return None
        if not AMOUNT.fullmatch(text):
            raise ValidationError(self.error_messages["number"], code="number")
        return Decimal(text)


class MomentField(forms.DateTimeField):
    """A date and time, in UTC where it names no zone. Shown as browsers pick one."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def to_python(self, value: Any) -> datetime | None:
        moment: datetime | None = super().to_python(value)
        try:
            return None if moment is None else moment.astimezone(UTC)
        except OverflowError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error


class StrictForm(forms.Form):
    """Refuses what it has no field for, and what came twice: either may have meant something."""

    def clean(self) -> dict[str, Any]:
        told = self.data
        for name in told:
            if name not in self.fields and name not in NOT_OURS:
                self.add_error(None, f"There is no field {name[:40]!r} here.")
            elif isinstance(told, QueryDict) and len(told.getlist(name)) > 1:
                self.add_error(name if name in self.fields else None, "This came twice.")
        return self.cleaned_data


class ReplaceForm(StrictForm):
    """What a working order should become. Fields left as they are stay so."""

    quantity = AmountField(label="New total quantity")
    limit_price = AmountField(required=False)
    stop_price = AmountField(required=False)
    trail_price = AmountField(label="Trail by price", required=False)
    trail_percent = AmountField(label="Trail by percent", required=False)
    intent = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, prices: Iterable[str] = PRICES, **kwargs: Any) -> None:
        """`prices` are the fields that the order has and its broker can change."""
        super().__init__(*args, **kwargs)
        self.auto_id = "replace_%s"
        for name in set(PRICES) - set(prices):
            del self.fields[name]
        say_where(self)


class RulingForm(StrictForm):
    """What a broker's people said of an order in doubt, and where they said it."""

    verdict = forms.ChoiceField(
        label="The broker says that",
        choices=[("absent", "it does not have it"), ("found", "it has it")],
        widget=forms.RadioSelect,
    )
    broker_order_id = forms.CharField(
        label="Its id for the order, if it has it", required=False, max_length=128
    )
    broker_ticket = forms.CharField(label="Its ticket number for our question", max_length=100)
    reason = forms.CharField(
        label="What it said", max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "ruling_%s"
        say_where(self)


def say_where(form: forms.Form) -> None:
    """Tie each field to its error, and put the cursor into the first that has one."""
    for name, field in form.fields.items():
        field.widget.attrs["aria-describedby"] = f"error_{form[name].auto_id}"
        if form.is_bound and name in form.errors:
            field.widget.attrs["aria-invalid"] = "true"
    faulty = [name for name in form.fields if form.is_bound and name in form.errors]
    if faulty:
        form.fields[faulty[0]].widget.attrs["autofocus"] = True

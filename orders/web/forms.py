"""The ticket as people fill it in. Whatever is wrong is said at the field it is wrong in."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.urls import reverse_lazy

from brokers.messages import Ticket
from brokers.vocabulary import OrderType, Side, TimeInForce
from orders import connecting, placing
from orders.errors import DeskError
from orders.models import Account

AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18}")
NOT_OURS = {"csrfmiddlewaretoken"}

TYPES = {
    OrderType.LIMIT: "Limit",
    OrderType.MARKET: "Market",
    OrderType.STOP: "Stop",
    OrderType.STOP_LIMIT: "Stop limit",
}
TIMES = {
    TimeInForce.DAY: "Day",
    TimeInForce.GTC: "Until cancelled",
    TimeInForce.IOC: "Now, or not",
    TimeInForce.FOK: "All now, or nothing",
}


# The choices depend on these: the ticket is drawn afresh when they change.
ASKS_AGAIN = {
    "hx-get": reverse_lazy("ticket"),
    "hx-trigger": "change",
    "hx-include": "closest form",
    "hx-target": "#ticket",
    "hx-swap": "outerMorph",
}


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


class TicketForm(StrictForm):
    account = forms.ModelChoiceField(
        Account.objects.none(), empty_label=None, widget=forms.Select(ASKS_AGAIN)
    )
    side = forms.ChoiceField(
        choices=[(Side.BUY, "Buy"), (Side.SELL, "Sell")], widget=forms.RadioSelect
    )
    symbol = forms.CharField(
        max_length=32,
        widget=forms.TextInput({"list": "symbols", "autocomplete": "off", "spellcheck": "false"}),
    )
    quantity = AmountField()
    order_type = forms.ChoiceField(label="Type", widget=forms.Select(ASKS_AGAIN))
    time_in_force = forms.ChoiceField()
    limit_price = AmountField(required=False)
    stop_price = AmountField(required=False)
    intent = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "ticket_%s"
        accounts = Account.objects.tradable_by(user)
        self.fields["account"].queryset = accounts  # type: ignore[attr-defined]
        self.chosen = _chosen(self.data.get("account") or self.initial.get("account"), accounts)
        self._offer()
        _say_where(self)

    @property
    def window(self) -> timedelta:
        """How long the order may wait here before it must not leave any more."""
        told = self.data.get("order_type") or self.initial.get("order_type") or OrderType.LIMIT
        return self.chosen.submit_window(told) if self.chosen else timedelta()

    def ticket(self, wire_id: UUID) -> Ticket:
        """Return the instruction that was filled in."""
        told = self.cleaned_data
        return Ticket(
            wire_id=str(wire_id),
            symbol=told["symbol"],
            side=Side(told["side"]),
            quantity=told["quantity"],
            order_type=OrderType(told["order_type"]),
            time_in_force=TimeInForce(told["time_in_force"]),
            limit_price=told["limit_price"],
            stop_price=told["stop_price"],
        )

    def clean_symbol(self) -> str:
        symbol: str = self.cleaned_data["symbol"].strip().upper()
        if not symbol.isascii() or not symbol.isprintable():
            raise ValidationError("Symbols are written in plain letters.")
        return symbol

    def clean(self) -> dict[str, Any]:
        told = super().clean()
        if not self.errors:
            try:
                placing.check(told["account"], self.ticket(told["intent"] or UUID(int=0)))
            except DeskError as error:
                self.add_error(error.field if error.field in self.fields else None, error.message)
        return told

    def _offer(self) -> None:
        """Offer the types and times in force that the account's broker takes."""
        terms = connecting.passport(self.chosen) if self.chosen else None
        types = [(k.value, v) for k, v in TYPES.items() if terms and k in terms.order_types]
        self.fields["order_type"].choices = types  # type: ignore[attr-defined]
        told = self.data.get("order_type") or self.initial.get("order_type")
        kind = OrderType(told) if told in set(OrderType) else OrderType.LIMIT
        taken = terms.tifs(kind) if terms else frozenset()
        times = [(k.value, f"{k.upper()} · {v}") for k, v in TIMES.items() if k in taken]
        self.fields["time_in_force"].choices = times  # type: ignore[attr-defined]


class ReplaceForm(StrictForm):
    """What a working order should become. Fields left as they are stay so."""

    quantity = AmountField(label="New total quantity")
    limit_price = AmountField(required=False)
    stop_price = AmountField(required=False)
    intent = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "replace_%s"
        _say_where(self)


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
        _say_where(self)


def _say_where(form: forms.Form) -> None:
    """Tie each field to its error, and put the cursor into the first that has one."""
    for name, field in form.fields.items():
        field.widget.attrs["aria-describedby"] = f"error_{form[name].auto_id}"
        if form.is_bound and name in form.errors:
            field.widget.attrs["aria-invalid"] = "true"
    faulty = [name for name in form.fields if form.is_bound and name in form.errors]
    if faulty:
        form.fields[faulty[0]].widget.attrs["autofocus"] = True


def _chosen(told: Any, accounts: Any) -> Account | None:
    """Return the account a ticket is for: the one named, else the first."""
    named = told.id if isinstance(told, Account) else told
    found: Account | None
    for account in accounts:
        if str(account.id) == str(named):
            found = account
            return found
    found = accounts.first()
    return found

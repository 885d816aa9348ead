"""The ticket's fields: what an account's broker takes is offered, and nothing else.

The form is drawn afresh whenever a choice changes what goes with it. Fields that
do not apply are `off`: not shown where there is JavaScript to draw it afresh, and
shown with all the others where there is none. Their names are an order's columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.urls import reverse_lazy
from django.utils import timezone

from brokers.messages import Ticket
from brokers.passport import Passport, Trail
from brokers.vocabulary import (
    NEEDS_LIMIT,
    NEEDS_STOP,
    WITH_LEGS,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)
from orders import connecting, placing, terms
from orders.errors import DeskError
from orders.models import Account
from orders.web import family
from orders.web.forms import AmountField, MomentField, StrictForm, say_where
from orders.web.phrasing import TYPES

TIMES = {
    TimeInForce.DAY: "Day",
    TimeInForce.GTC: "Until cancelled",
    TimeInForce.IOC: "Now, or not",
    TimeInForce.FOK: "All now, or nothing",
    TimeInForce.OPG: "At the open",
    TimeInForce.CLS: "At the close",
    TimeInForce.GTD: "Until a date",
}
CLASSES = {
    OrderClass.SIMPLE: "None",
    OrderClass.BRACKET: "Target and stop (bracket)",
    OrderClass.OTO: "Target or stop (one leg)",
    OrderClass.OCO: "None: this is an exit in two (OCO)",
}
EFFECTS = {
    PositionEffect.OPEN: "Only open: sell short, or buy to open",
    PositionEffect.CLOSE: "Only close: buy to cover, or sell to close",
}
# Where what is wrong with a ticket is said, if not at a field of the same name.
SAID_AT = {
    "take_profit": "take_profit_price",
    "take_profit.limit_price": "take_profit_price",
    "stop_loss": "stop_loss_price",
    "stop_loss.stop_price": "stop_loss_price",
    "stop_loss.limit_price": "stop_loss_limit_price",
}
RESTING = frozenset({TimeInForce.DAY, TimeInForce.GTC})
ENTRIES = frozenset({OrderType.MARKET, OrderType.LIMIT})

ASKS_AGAIN = {
    "hx-get": reverse_lazy("ticket"),
    "hx-trigger": "change",
    "hx-include": "closest form",
    "hx-target": "#ticket",
    "hx-swap": "outerMorph",
}


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
    # Which of the two amounts is shown. Which of them counts is said by the amounts.
    sized = forms.ChoiceField(
        choices=[("quantity", "Quantity"), ("notional", "Money")], required=False
    )
    quantity = AmountField(required=False)
    notional = AmountField(label="Money", required=False)
    order_type = forms.ChoiceField(label="Type", widget=forms.Select(ASKS_AGAIN))
    limit_price = AmountField(required=False)
    stop_price = AmountField(required=False)
    trail_price = AmountField(label="Trail by price", required=False)
    trail_percent = AmountField(label="or by percent", required=False)
    time_in_force = forms.ChoiceField(label="Time in force", widget=forms.Select(ASKS_AGAIN))
    expires_at = MomentField(label="Good till (UTC)", required=False)
    order_class = forms.ChoiceField(
        label="Protection", required=False, widget=forms.Select(ASKS_AGAIN)
    )
    take_profit_price = AmountField(label="Target", required=False)
    stop_loss_price = AmountField(label="Stop", required=False)
    stop_loss_limit_price = AmountField(label="Stop's limit, if any", required=False)
    more = forms.BooleanField(label="More conditions", required=False)
    position_effect = forms.ChoiceField(label="Position", required=False)
    extended_hours = forms.BooleanField(label="Also outside regular hours", required=False)
    intent = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "ticket_%s"
        accounts = Account.objects.tradable_by(user)
        self.fields["account"].queryset = accounts  # type: ignore[attr-defined]
        self.off: frozenset[str] = frozenset()
        self.chosen = _chosen(self._told("account"), accounts)
        self.passport = connecting.passport(self.chosen) if self.chosen else None
        if self.passport:
            self._offer(self.passport)
        self.off = frozenset(self._off())
        say_where(self)

    @property
    def window(self) -> timedelta:
        """How long the order may wait here before it must not leave any more."""
        return self.chosen.submit_window(self.kind) if self.chosen else timedelta()

    @property
    def kind(self) -> OrderType:
        """The type that is chosen, or the first one offered."""
        return OrderType(self._choice("order_type") or OrderType.LIMIT)

    @property
    def legs(self) -> OrderClass:
        """How the order and its legs belong together, if it has any."""
        return OrderClass(self._choice("order_class") or OrderClass.SIMPLE)

    @property
    def in_money(self) -> bool:
        """Whether it is to be for an amount of money."""
        if sized := self._told("sized"):
            return bool(sized == "notional")
        return bool(self._told("notional") and not self._told("quantity"))

    @property
    def takes_money(self) -> bool:
        """Whether an order of this type may be for an amount of money."""
        return self.passport is not None and self.kind in self.passport.for_money

    @property
    def has_effects(self) -> bool:
        """Whether an order may say what it does to the position."""
        return len(self._choices("position_effect")) > 1

    @property
    def has_classes(self) -> bool:
        return len(self._choices("order_class")) > 1

    @property
    def how(self) -> str:
        """How the legs that are chosen come to the broker."""
        if self.passport is None:
            return ""
        klass = self.legs
        return family.how(self.passport.strategy(klass) or "", klass)

    def ticket(self, wire_id: UUID) -> Ticket:
        """Return the instruction that was filled in."""
        told = self.cleaned_data
        said = told | {"order_class": told["order_class"] or OrderClass.SIMPLE}
        return terms.ticket(str(wire_id), SimpleNamespace(**said))

    def clean_symbol(self) -> str:
        symbol: str = self.cleaned_data["symbol"].strip().upper()
        if not symbol.isascii() or not symbol.isprintable():
            raise ValidationError("Symbols are written in plain letters.")
        return symbol

    def clean(self) -> dict[str, Any]:
        told = super().clean()
        if told.get("stop_loss_limit_price") and not told.get("stop_loss_price"):
            self.add_error("stop_loss_price", "Say at which price the stop is, besides its limit.")
        expires_at = told.get("expires_at")
        if expires_at is not None and expires_at <= timezone.now():
            self.add_error("expires_at", "That moment has passed.")
        if not self.errors:
            try:
                placing.check(told["account"], self.ticket(told["intent"] or UUID(int=0)))
            except DeskError as error:
                self.blame(error)
        return told

    def blame(self, error: DeskError) -> None:
        """Say what the desk declined, at the field it is about."""
        field = SAID_AT.get(error.field or "", error.field)
        self.add_error(field if field in self.fields else None, error.message)
        self.off -= {field}

    def _offer(self, passport: Passport) -> None:
        """Offer what the account's broker takes, of what goes with the rest."""
        kinds = [kind for kind in TYPES if kind in passport.order_types]
        self._set("order_type", {kind: TYPES[kind] for kind in kinds})
        chosen = self.kind
        classes = [
            kind
            for kind in CLASSES
            if kind is OrderClass.SIMPLE or passport.strategy(kind) is not None
        ]
        self._set("order_class", {kind: CLASSES[kind] for kind in classes})
        taken = passport.tifs(chosen)
        self._set(
            "time_in_force", {k: f"{k.upper()} · {v}" for k, v in TIMES.items() if k in taken}
        )
        effects = {k: v for k, v in EFFECTS.items() if k in passport.position_effects}
        self._set("position_effect", {"": "Whatever the side does", **effects})

    def _off(self) -> Iterator[str]:
        """Yield the fields that do not go with what is chosen."""
        kind, klass = self.kind, self.legs
        tif = self._choice("time_in_force")
        passport = self.passport
        hours = passport.extended_hours.get(kind, frozenset()) if passport else frozenset()
        trails = passport.trails if passport and kind is OrderType.TRAILING_STOP else frozenset()
        around_hours = tif in hours and klass is OrderClass.SIMPLE
        goes = {
            "quantity": not self.in_money,
            "notional": self.in_money,
            "limit_price": kind in NEEDS_LIMIT,
            "stop_price": kind in NEEDS_STOP,
            "trail_price": Trail.PRICE in trails,
            "trail_percent": Trail.PERCENT in trails,
            "expires_at": tif == TimeInForce.GTD,
            "order_class": kind in ENTRIES and tif in RESTING,
            "take_profit_price": klass in WITH_LEGS - {OrderClass.OCO},
            "stop_loss_price": klass in WITH_LEGS,
            "stop_loss_limit_price": klass in WITH_LEGS,
            "extended_hours": around_hours,
            "more": around_hours or self.has_effects,
        }
        faulty = set(self.errors) if self.is_bound else set()
        # What is chosen is shown, that it may be chosen otherwise.
        chosen = {"order_class"} if klass is not OrderClass.SIMPLE else set()
        yield from {name for name, so in goes.items() if not so} - faulty - chosen

    def _told(self, name: str) -> Any:
        return self.data.get(name) or self.initial.get(name)

    def _choices(self, name: str) -> list[str]:
        return [value for value, _ in self.fields[name].choices]  # type: ignore[attr-defined]

    def _choice(self, name: str) -> str:
        """Return what is chosen of what is offered: the first, where nothing else is."""
        offered = self._choices(name)
        told = self._told(name)
        return told if told in offered else next(iter(offered), "")

    def _set(self, name: str, offered: dict[Any, str]) -> None:
        self.fields[name].choices = [(str(k), v) for k, v in offered.items()]  # type: ignore[attr-defined]


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

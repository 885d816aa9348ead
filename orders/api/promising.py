"""How a broker's terms are shown: its passport, for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from brokers import ticks
from brokers.passport import Kinds, Passport, Strategy, Trail
from brokers.vocabulary import OrderClass, OrderType, PositionEffect, TimeInForce
from orders.api.fields import Amount, Choice
from orders.api.showing import Shown
from orders.money import ZERO

Word = TypeVar("Word", bound=StrEnum)


class TypeShown(Shown):
    """A type of order, and the times in force that it may have, where."""

    order_type = Choice(OrderType)
    times_in_force = serializers.ListField(child=Choice(TimeInForce))
    in_parts = serializers.ListField(
        child=Choice(TimeInForce), help_text="Of shares, for a quantity that is not whole."
    )
    for_money = serializers.ListField(
        child=Choice(TimeInForce), help_text="For an amount of money."
    )
    extended_hours = serializers.ListField(
        child=Choice(TimeInForce), help_text="Outside regular hours."
    )
    of_pairs = serializers.ListField(
        child=Choice(TimeInForce), help_text="Of pairs such as BTC/USD."
    )


class ClassShown(Shown):
    """A class of order, and how its legs come to the broker: null where it has none."""

    order_class = Choice(OrderClass)
    strategy = Choice(Strategy, allow_null=True)


class IncrementShown(Shown):
    """How finely prices may be given. A finer one is refused, and never rounded."""

    at_least = Amount(help_text="For prices from here up.")
    increment = Amount()


class CapabilitiesShown(Shown):
    """What an account's broker accepts and promises."""

    broker = serializers.CharField()
    title = serializers.CharField()
    order_types = serializers.SerializerMethodField()
    order_classes = serializers.SerializerMethodField()
    trails = serializers.SerializerMethodField()
    trail_percent_decimals = serializers.IntegerField()
    position_effects = serializers.SerializerMethodField()
    sells_short = serializers.BooleanField()
    quantity_decimals = serializers.IntegerField(help_text="0: whole quantities only.")
    price_increments = serializers.SerializerMethodField()
    replaceable = serializers.SerializerMethodField()
    replace_makes_new_order = serializers.BooleanField()
    wire_id_pattern = serializers.CharField(
        help_text="What an order's id may look like there. Yours goes as it is where it fits."
    )
    wire_id_length = serializers.IntegerField()
    duplicate_id_answer = serializers.CharField(help_text="What it answers to an id used twice.")
    pushes = serializers.CharField(help_text="How it tells of fills.")
    tested_on = serializers.DateField()
    source = serializers.CharField(  # type: ignore[assignment]
        help_text="What this was checked against."
    )

    @extend_schema_field(TypeShown(many=True))
    def get_order_types(self, passport: Passport) -> Any:
        """Its types of order, each with the times in force that it may have."""
        pairs = passport.takes if passport.pairs is None else passport.pairs
        tables: Mapping[str, Kinds] = {
            "times_in_force": passport.takes,
            "in_parts": passport.in_parts,
            "for_money": passport.for_money,
            "extended_hours": passport.extended_hours,
            "of_pairs": pairs,
        }
        kinds = [
            {
                "order_type": kind,
                **{
                    name: _in_order(TimeInForce, table.get(kind, ()))
                    for name, table in tables.items()
                },
            }
            for kind in _in_order(OrderType, passport.order_types)
        ]
        return TypeShown(kinds, many=True).data

    @extend_schema_field(ClassShown(many=True))
    def get_order_classes(self, passport: Passport) -> Any:
        """The classes of order that the desk places here."""
        classes = [
            {"order_class": kind, "strategy": passport.strategy(kind) or ""}
            for kind in OrderClass
            if kind is OrderClass.SIMPLE or passport.strategy(kind) is not None
        ]
        return ClassShown(classes, many=True).data

    @extend_schema_field({"type": "array", "items": {"enum": list(Trail)}})
    def get_trails(self, passport: Passport) -> list[str]:
        """What a trailing stop may keep its distance in."""
        return [str(trail) for trail in _in_order(Trail, passport.trails)]

    @extend_schema_field({"type": "array", "items": {"enum": list(PositionEffect)}})
    def get_position_effects(self, passport: Passport) -> list[str]:
        """What an order may say that it does to the position."""
        return [str(effect) for effect in _in_order(PositionEffect, passport.position_effects)]

    @extend_schema_field(IncrementShown(many=True))
    def get_price_increments(self, passport: Passport) -> Any:  # noqa: ARG002 — of every broker
        """Of shares. Those of a pair are the broker's word on that pair."""
        steps = ((ticks.DOLLAR, ticks.CENT), (ZERO, ticks.SUB_DOLLAR))
        told = [{"at_least": least, "increment": step} for least, step in steps]
        return IncrementShown(told, many=True).data

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_replaceable(self, passport: Passport) -> list[str]:
        """The fields of a working order that a replacement may change."""
        return sorted(passport.replaceable)


def _in_order(words: type[Word], some: Iterable[Word]) -> list[Word]:
    """Return some of an enum's words, as it orders them."""
    chosen = set(some)
    return [word for word in words if word in chosen]

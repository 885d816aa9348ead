"""What every order must fit, whoever writes it: the database refuses the rest."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from brokers.passport import Strategy
from brokers.vocabulary import (
    NEEDS_LIMIT,
    NEEDS_STOP,
    WITH_LEGS,
    Leg,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    Status,
    TimeInForce,
)
from orders.states import IN_FLIGHT, NEVER_LEFT, UNSENT, Submission

HAS_QUANTITY = Q(quantity__isnull=False)

ORDER_FITS: list[models.BaseConstraint] = [
    models.UniqueConstraint(fields=["account", "client_order_id"], name="order_client_id_unique"),
    models.UniqueConstraint(fields=["account", "wire_id"], name="order_wire_id_unique"),
    models.UniqueConstraint(
        fields=["account", "broker_order_id"],
        condition=Q(broker_order_id__isnull=False),
        name="order_broker_id_unique",
    ),
    # One that has happened does not count here: a replace taken for refused may turn up
    # while its successor is under way, and what the broker says must not be refused.
    models.UniqueConstraint(
        fields=["replaces"],
        condition=Q(submission__in=sorted(UNSENT | IN_FLIGHT)),
        name="order_one_open_replace",
    ),
    models.CheckConstraint(
        condition=~Q(client_order_id="") & ~Q(wire_id="") & ~Q(symbol=""),
        name="order_named",
    ),
    models.CheckConstraint(
        condition=Q(quantity__isnull=False, quantity__gt=0, notional__isnull=True)
        | Q(quantity__isnull=True, notional__isnull=False, notional__gt=0),
        name="order_quantity_or_notional",
    ),
    models.CheckConstraint(condition=Q(side__in=list(Side)), name="order_side_known"),
    models.CheckConstraint(condition=Q(order_type__in=list(OrderType)), name="order_type_known"),
    models.CheckConstraint(
        condition=Q(time_in_force__in=list(TimeInForce)), name="order_tif_known"
    ),
    models.CheckConstraint(
        condition=Q(submission__in=Submission.values), name="order_submission_known"
    ),
    # A check that comes out NULL passes, so the price must be asked for by name.
    models.CheckConstraint(
        condition=Q(
            order_type__in=sorted(NEEDS_LIMIT),
            limit_price__isnull=False,
            limit_price__gt=0,
        )
        | Q(~Q(order_type__in=sorted(NEEDS_LIMIT)), limit_price__isnull=True),
        name="order_limit_price_fits",
    ),
    models.CheckConstraint(
        condition=Q(order_type__in=sorted(NEEDS_STOP), stop_price__isnull=False, stop_price__gt=0)
        | Q(~Q(order_type__in=sorted(NEEDS_STOP)), stop_price__isnull=True),
        name="order_stop_price_fits",
    ),
    models.CheckConstraint(
        condition=Q(
            Q(trail_price__isnull=False, trail_price__gt=0, trail_percent__isnull=True)
            | Q(trail_price__isnull=True, trail_percent__isnull=False, trail_percent__gt=0),
            order_type=OrderType.TRAILING_STOP,
        )
        | Q(
            ~Q(order_type=OrderType.TRAILING_STOP),
            trail_price__isnull=True,
            trail_percent__isnull=True,
        ),
        name="order_trail_fits",
    ),
    models.CheckConstraint(
        condition=Q(time_in_force=TimeInForce.GTD, expires_at__isnull=False)
        | Q(~Q(time_in_force=TimeInForce.GTD), expires_at__isnull=True),
        name="order_expiry_fits",
    ),
    models.CheckConstraint(
        condition=Q(position_effect__in=["", *PositionEffect]), name="order_effect_known"
    ),
    models.CheckConstraint(
        condition=Q(
            order_class=OrderClass.SIMPLE,
            strategy="",
            take_profit_price__isnull=True,
            stop_loss_price__isnull=True,
            stop_loss_limit_price__isnull=True,
        )
        | Q(
            Q(take_profit_price__isnull=False, take_profit_price__gt=0)
            | Q(stop_loss_price__isnull=False, stop_loss_price__gt=0),
            order_class__in=sorted(WITH_LEGS),
            strategy__in=list(Strategy),
        ),
        name="order_class_fits",
    ),
    models.CheckConstraint(
        condition=Q(parent__isnull=True, leg="", covers_from__isnull=True)
        | Q(parent__isnull=False, leg__in=list(Leg)),
        name="order_leg_of_something",
    ),
    models.CheckConstraint(
        condition=Q(status__isnull=True) | Q(status__in=list(Status)),
        name="order_status_known",
    ),
    models.CheckConstraint(
        condition=Q(filled_quantity__gte=0) & Q(filled_value__gte=0),
        name="order_filled_not_negative",
    ),
    models.CheckConstraint(
        condition=Q(status__isnull=True, filled_quantity=0)
        | HAS_QUANTITY & Q(status=Status.FILLED, filled_quantity__gte=F("quantity"))
        | HAS_QUANTITY
        & Q(status__isnull=False)
        & ~Q(status=Status.FILLED)
        & Q(filled_quantity__lt=F("quantity"))
        # For money, only the broker can say that it is whole.
        | ~HAS_QUANTITY & Q(status=Status.FILLED, filled_quantity__gt=0)
        | ~HAS_QUANTITY & Q(status__isnull=False) & ~Q(status=Status.FILLED),
        name="order_filled_iff_whole_quantity",
    ),
    models.CheckConstraint(
        condition=Q(average_price__isnull=True, filled_quantity=0)
        | Q(average_price__isnull=False, filled_quantity__gt=0),
        name="order_average_iff_filled",
    ),
    # What never left this desk has never been heard of at a broker.
    models.CheckConstraint(
        condition=~Q(submission__in=sorted(NEVER_LEFT | UNSENT))
        | Q(status__isnull=True, broker_order_id__isnull=True, filled_quantity=0),
        name="order_unsent_has_no_broker_state",
    ),
    # The broker has it: then we know what it calls it, and what it last said.
    models.CheckConstraint(
        condition=~Q(submission=Submission.ACCEPTED)
        | Q(status__isnull=False, broker_order_id__isnull=False),
        name="order_accepted_has_broker_state",
    ),
    models.CheckConstraint(
        condition=~Q(parent=F("id")) & ~Q(replaces=F("id")), name="order_not_its_own_kin"
    ),
    models.CheckConstraint(
        condition=Q(replaces__isnull=True, replaces_filled__isnull=True)
        | Q(replaces__isnull=False, replaces_filled__isnull=False),
        name="order_replaces_whole",
    ),
]

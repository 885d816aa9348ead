"""What a client may ask for in a query string, read strictly."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from brokers.vocabulary import Side, Status
from orders.api.accepting import Strict
from orders.api.fields import Choice, Count, Flag, MomentGiven, Word
from orders.api.refusing import BadRequest
from orders.states import Submission

MOST = 200  # rows on one page
USUAL = 50


class CancelQuery(Strict):
    """Which open orders to cancel: all of them, unless it says."""

    symbol = Word(longest=32, required=False)
    side = Choice(Side, required=False)


class PageQuery(Strict):
    """Which page of a list."""

    cursor = Word(
        longest=64,
        required=False,
        help_text="What `next_cursor` of the page before said. Leave it out for the first page.",
    )
    limit = Count(most=MOST, default=USUAL)


class OrderQuery(PageQuery):
    """Which orders to list."""

    status = Choice(Status, required=False)
    submission = Choice(Submission.values, required=False)
    open = Flag(
        required=False,
        help_text="true: only orders that are, or may be, or may yet become live. false: the rest.",
    )
    symbol = Word(longest=32, required=False)
    side = Choice(Side, required=False)
    client_order_id = Word(longest=128, required=False)
    placed_after = MomentGiven(required=False, help_text="Placed at this time or later.")
    placed_before = MomentGiven(required=False, help_text="Placed before this time.")


class ExecutionQuery(PageQuery):
    """Which executions to list."""

    order_id = serializers.UUIDField(required=False)
    symbol = Word(longest=32, required=False)
    executed_after = MomentGiven(required=False, help_text="Executed at this time or later.")
    executed_before = MomentGiven(required=False, help_text="Executed before this time.")


class IncidentQuery(PageQuery):
    """Which incidents to list."""

    open = Flag(required=False, help_text="Only those that have not ended, or only the others.")


def query(request: Request, kind: type[Strict] = Strict) -> dict[str, Any]:
    """Return a query string's parameters: none, unless it says. Raises BadRequest or
    ValidationError.
    """
    for name, values in request.query_params.lists():
        if len(values) > 1:
            raise BadRequest("This parameter is given twice.", field=name)
    asked = kind(data=request.query_params.dict())
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)

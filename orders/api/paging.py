"""Walks long lists by key, newest first: rows that arrive meanwhile move none that is to come."""

from __future__ import annotations

from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

from orders.api.refusing import BadRequest

Row = TypeVar("Row", bound=Model)


def page(rows: QuerySet[Row], *, cursor: str | None, limit: int) -> tuple[list[Row], str | None]:
    """Return the rows older than a cursor, newest first, and the cursor of the page after.

    Nothing is counted. Ids grow with time, so each row is met once however
    many arrive during the walk. Raises BadRequest for a cursor that is none of ours.
    """
    if cursor is not None:
        rows = rows.filter(pk__lt=_key(rows, cursor))
    found = list(rows.order_by("-pk")[: limit + 1])
    more = len(found) > limit
    return found[:limit], str(found[limit - 1].pk) if more else None


def _key(rows: QuerySet[Row], cursor: str) -> Any:
    try:
        key = rows.model._meta.pk.to_python(cursor)  # noqa: SLF001 — public, for all its name
    except ValidationError as error:
        raise BadRequest("This is no cursor of this list.", field="cursor") from error
    if isinstance(key, int) and not 0 < key < 2**63:
        raise BadRequest("This is no cursor of this list.", field="cursor")
    return key

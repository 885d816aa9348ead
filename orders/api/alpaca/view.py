"""What every address of this surface has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework.authentication import BaseAuthentication

from orders.api import view
from orders.api.alpaca import refusing, wording
from orders.api.alpaca.authenticating import KeyAuthentication


class View(view.View):
    """One address in Alpaca's words: every failure is a number and a message."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (KeyAuthentication,)
    content_negotiation_class = view.AlwaysJSON  # type: ignore[assignment]
    schema: Any = None  # Alpaca's own document describes it
    about = wording.About()  # what a refusal is about, as far as the request was read

    def get_exception_handler(self) -> Any:
        return refusing.answer


class Unknown(view.Unknown):
    """Every address that is none, in the same words as the others."""

    content_negotiation_class = view.AlwaysJSON  # type: ignore[assignment]
    schema: Any = None

    def get_exception_handler(self) -> Any:
        return refusing.answer

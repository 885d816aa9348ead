"""What every address of this surface has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from orders.api import view
from orders.api.authenticating import key_of
from orders.api.gateway import refusing
from orders.api.gateway.authenticating import KeyAuthentication
from orders.models import Account


class View(view.View):
    """One address in the Gateway's words: every failure is a code, a message and details."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (KeyAuthentication,)
    content_negotiation_class = view.AlwaysJSON  # type: ignore[assignment]
    schema: Any = None  # the Gateway's own document describes it
    provider = ""  # of the broker, for what it can't do

    def account_of(self, request: Request) -> Account:
        """Return the account of the key that asks. Raises NotAuthenticated."""
        account = key_of(request).account
        self.provider = account.broker
        return account

    def get_exception_handler(self) -> Any:
        return refusing.answer


class Unknown(view.Unknown):
    """Every address that is none, in the same words as the others."""

    content_negotiation_class = view.AlwaysJSON  # type: ignore[assignment]
    schema: Any = None

    def get_exception_handler(self) -> Any:
        return refusing.answer

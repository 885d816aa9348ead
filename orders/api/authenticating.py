"""Lets programs in: a key and its secret, as two headers or as HTTP Basic."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, NotFound
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView
from structlog.contextvars import bind_contextvars

from orders import actors
from orders.actors import Actor
from orders.api.refusing import ReadOnlyKey
from orders.models import Account, ApiKey

NOTE_USE_EVERY = timedelta(minutes=1)  # a write for every read would be a poor bargain


class KeyAuthentication(BaseAuthentication):
    """Takes X-API-Key with X-API-Secret, or HTTP Basic with the same pair."""

    def authenticate(self, request: Request) -> tuple[ApiKey, ApiKey] | None:
        """Return the key twice, as who asks and by what right. None if none was shown."""
        pair = self.pair(request)
        if pair is None:
            return None
        key = ApiKey.find(*pair)
        if key is None:
            raise AuthenticationFailed
        bind_contextvars(key=key.key)
        note_use(key)
        return key, key

    def pair(self, request: Request) -> tuple[str, str] | None:
        """Return the key and the secret that a request shows, if any."""
        return _headers(request) or basic(request)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        """Return what a 401 asks for. Not Basic, at which browsers put up a window."""
        return 'ApiKey realm="Blotter"'


class KeyPermission(BasePermission):
    """Any live key may look; one that may trade may also write."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002
        """Raises ReadOnlyKey for a write by a key that may only look."""
        if not isinstance(request.auth, ApiKey):
            return False
        if request.method not in SAFE_METHODS and not request.auth.may_trade:
            raise ReadOnlyKey
        return True


def key_of(request: Request) -> ApiKey:
    """Return the key that asks. Raises NotAuthenticated where nobody showed one."""
    if not isinstance(request.auth, ApiKey):
        raise NotAuthenticated
    return request.auth


def account_of(request: Request, account_id: UUID) -> Account:
    """Return the account, if it is the key's own. Raises NotFound for any other, real or not."""
    account = key_of(request).account
    if account.id != account_id:
        raise NotFound
    return account


def actor_of(request: Request) -> Actor:
    """Return the key that asks, as the audit names it."""
    return actors.program(key_of(request), ip=_ip(request))


def _ip(request: Request) -> str | None:
    """Return where the request came from, if that is an address: a proxy may say anything."""
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None


def _headers(request: Request) -> tuple[str, str] | None:
    if "X-API-Key" not in request.headers:
        return None
    return request.headers["X-API-Key"], request.headers.get("X-API-Secret", "")


def basic(request: Request) -> tuple[str, str] | None:
    """Return the pair of HTTP Basic, if that is there. Raises AuthenticationFailed for half one."""
    scheme, _, told = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        key, _, secret = base64.b64decode(told.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise AuthenticationFailed from error
    return key, secret


def note_use(key: ApiKey) -> None:
    """Keep when a key was last used, to the minute."""
    if key.last_used_at is None or timezone.now() - key.last_used_at > NOTE_USE_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=Now())

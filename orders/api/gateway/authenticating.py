"""Lets the Gateway's clients in: they know one word, which is a key and its secret with a dot."""

from __future__ import annotations

from rest_framework.request import Request

from orders.api import authenticating


class KeyAuthentication(authenticating.KeyAuthentication):
    """Takes `KEY.SECRET` as a bearer token or in X-API-Key, and what the native API takes."""

    def pair(self, request: Request) -> tuple[str, str] | None:
        """Return the key and the secret that a request shows, if any."""
        told = of_headers(
            request.headers.get("Authorization", ""), request.headers.get("X-API-Key", "")
        )
        return told or super().pair(request)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        """Return what a 401 asks for."""
        return 'Bearer realm="Blotter"'


def of_headers(authorization: str, key: str) -> tuple[str, str] | None:
    """Return the key and the secret in the one word that clients know, if it is there."""
    scheme, _, told = authorization.partition(" ")
    word = told.strip() if scheme.lower() == "bearer" else ""
    if not word:  # an empty bearer counts for nothing
        word = key if "." in key else ""
    if not word:
        return None
    name, _, secret = word.partition(".")
    return name, secret

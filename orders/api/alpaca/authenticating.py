"""Lets Alpaca's clients in: a key and its secret in Alpaca's two headers, or as HTTP Basic."""

from __future__ import annotations

from rest_framework.request import Request

from orders.api import authenticating


class KeyAuthentication(authenticating.KeyAuthentication):
    """Takes APCA-API-KEY-ID with APCA-API-SECRET-KEY, or HTTP Basic with the same pair."""

    def pair(self, request: Request) -> tuple[str, str] | None:
        """Return the key and the secret that a request shows, if any."""
        if "APCA-API-KEY-ID" in request.headers:
            secret = request.headers.get("APCA-API-SECRET-KEY", "")
            return request.headers["APCA-API-KEY-ID"], secret
        return authenticating.basic(request)

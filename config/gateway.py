"""Says how the desk does in the Gateway's words. Brokers are named to holders of a key alone."""

from __future__ import annotations

import tomllib
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.http import HttpRequest, JsonResponse

from config import health
from orders.api.gateway.authenticating import of_headers
from orders.models import Account, ApiKey, Feed

PROJECT = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]


def ready(request: HttpRequest) -> JsonResponse:
    """Answer whoever decides whether to send requests here: 200, or 503 if any part has failed."""
    parts = health.ask_all()
    failed = [part.says for part in parts.values() if part.state == health.FAILED]
    providers = _providers(request)
    told: dict[str, Any] = {
        "ready": not failed,
        "providers": providers,
        "provider_count": len(providers),
    }
    if failed:
        told["message"] = " ".join(failed)
    return JsonResponse(told, status=503 if failed else 200)


def detailed(request: HttpRequest) -> JsonResponse:
    """Answer how the desk does, and whether the key's own broker is heard."""
    is_well = health.worst(health.ask_all()) == health.OK
    providers = _providers(request)
    account = _account(request) if providers else None
    heard = account is not None and _is_heard(account)
    return JsonResponse(
        {
            "status": "connected" if is_well else "degraded",
            "version": PROJECT["version"],
            "git_sha": "unknown",
            "providers": [{"platform": name, "connected": heard} for name in providers],
        }
    )


def _providers(request: HttpRequest) -> list[str]:
    account = _account(request)
    return [] if account is None else [account.broker]


def _account(request: HttpRequest) -> Account | None:
    """Return the account of the key that is shown, if it is a live one and can be looked up."""
    headers = request.headers
    pair = of_headers(headers.get("Authorization", ""), headers.get("X-API-Key", ""))
    try:
        key = ApiKey.find(*pair) if pair else None
    except DatabaseTrouble:
        return None
    return key.account if key else None


def _is_heard(account: Account) -> bool:
    try:
        feed = Feed.objects.filter(account=account).first()
    except DatabaseTrouble:
        return False
    return feed is not None and feed.heard_at is not None and feed.silent_since is None

"""Lets a browser open a socket only from a page of the desk it opens it to, down to the port.

Cookies ignore ports, so any other page served from this host would otherwise
open sockets in the name of whoever is signed in here.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host


class FromOurPages:
    """Passes a socket on to an application if its Origin is this desk's, and refuses it otherwise.

    The rule is the one Django has for forms: the Origin is DESK_URL, or the
    very address that was asked, if that is one of ALLOWED_HOSTS.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        trusts = is_ours(headers.get(b"origin", ""), asked=headers.get(b"host", ""))
        await (self.application if trusts else refuse)(scope, receive, send)


async def refuse(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 — an application
    """Refuse a socket before it is opened. Channels' own refusal would ask Redis first."""
    await send({"type": "websocket.close"})


def is_ours(origin: str, *, asked: str) -> bool:
    """Say whether an Origin is this desk, given the Host that was asked."""
    if origin == settings.DESK_URL:
        return True
    scheme = urlsplit(settings.DESK_URL).scheme
    domain, _ = split_domain_port(asked)
    # ALLOWED_HOSTS first: a name of somebody else's can be made to point here.
    return validate_host(domain, settings.ALLOWED_HOSTS) and origin == f"{scheme}://{asked}"

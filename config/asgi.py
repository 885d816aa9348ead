"""The ASGI entry point: which protocol goes where."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
pages = get_asgi_application()  # first: it loads the apps that the imports below need

from config.origins import FromOurPages, refuse  # noqa: E402
from orders.api.alpaca.streaming import sockets as alpaca  # noqa: E402
from orders.api.gateway.streaming import sockets as gateway  # noqa: E402
from orders.web import sockets  # noqa: E402
from webhooks import door  # noqa: E402

pages_only = FromOurPages(
    AuthMiddlewareStack(
        URLRouter(
            [
                *sockets.routes,
                re_path(r"", refuse),  # type: ignore[arg-type, list-item]
            ]
        )
    )
)
application = ProtocolTypeRouter(
    {
        # Deliveries take the short way; everything else is a page or an API call.
        "http": URLRouter(
            [
                re_path(r"^webhooks/[0-9a-f]{32}$", door.application),  # type: ignore[arg-type, list-item]
                re_path(r"", pages),  # type: ignore[arg-type, list-item]
            ]
        ),
        "websocket": URLRouter(
            [
                *alpaca.routes,  # programs: they show a key, and come from no page
                *gateway.routes,
                re_path(r"", pages_only),  # type: ignore[arg-type, list-item]
            ]
        ),
    }
)

"""Every address of the desk, one mount per surface. None redirects."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from config import gateway, health
from orders.api import documenting
from orders.api.alpaca.view import Unknown as UnknownToAlpaca
from orders.api.gateway.view import Unknown as UnknownToGateway
from orders.api.view import Unknown

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("admin/", admin.site.urls),
    path("api/v1", Unknown.as_view()),
    path("api/v1/", include("orders.api.urls")),
    path("api/openapi.json", documenting.openapi, name="openapi"),
    path("api/docs/", documenting.Docs.as_view(), name="docs"),
    path("alpaca", UnknownToAlpaca.as_view()),
    path("alpaca/", include("orders.api.alpaca.urls")),
    # Where a base URL of /gateway has the Gateway's own root.
    path("gateway/livez", health.alive),
    path("gateway/readyz", gateway.ready),
    path("gateway/health", gateway.detailed),
    path("gateway", UnknownToGateway.as_view()),
    path("gateway/", include("orders.api.gateway.urls")),
    path("", include("orders.web.urls")),
]

"""Every address of the desk, one mount per surface. None redirects."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from config import health
from orders.api import documenting
from orders.api.alpaca.view import Unknown as UnknownToAlpaca
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
    path("", include("orders.web.urls")),
]

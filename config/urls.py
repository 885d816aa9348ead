"""Every address of the desk, one mount per surface. None redirects."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path

from config import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.alive),
    path("admin/", admin.site.urls),
]

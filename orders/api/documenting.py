"""Serves the API's description, and a page to read and try it on."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularSwaggerSplitView


@cache
def document() -> str:
    """Return the OpenAPI document: a function of the code, so it is written once."""
    make: Any = SchemaGenerator  # it has no types
    generator = make(patterns=[path("api/v1/", include("orders.api.urls"))])
    schema = generator.get_schema(request=None, public=True)
    return json.dumps(schema, indent=2) + "\n"


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """Answer with the OpenAPI document."""
    return HttpResponse(document(), content_type="application/json")


class Docs(SpectacularSwaggerSplitView):
    """Swagger UI from our own files, its script apart from its page, as the content policy asks."""

    authentication_classes = ()
    permission_classes = ()
    template_name = "api/docs.html"
    url_name = "openapi"
    title = "Blotter API"

    def finalize_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(*args, **kwargs)
        # Its style sheet draws arrows with images of its own.
        policy = settings.CONTENT_SECURITY_POLICY + "; img-src 'self' data:"
        response.headers["Content-Security-Policy"] = policy
        return response

"""What every address of the API has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotFound
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from orders.api.authenticating import KeyAuthentication, KeyPermission
from orders.api.describing import Described
from orders.api.reading import StrictJSON
from orders.api.refusing import answer


class AlwaysJSON(BaseContentNegotiation):
    """Answers in JSON whatever a client says it takes: the SDKs of brokers read nothing else."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Return the parser for a body's type, or None for a type that is not taken."""
        told = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == told), None)

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002
        renderers: Any,
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class View(APIView):
    """One address: JSON in and out, a key required, every failure in one envelope."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (KeyAuthentication,)
    permission_classes = (KeyPermission,)
    parser_classes = (StrictJSON,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = DefaultContentNegotiation
    metadata_class = None
    schema = Described()
    throttle_classes = ()

    def get_exception_handler(self) -> Any:
        return answer

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        # DRF takes a body without a length, sent in chunks, for no body.
        if request.headers.get("Transfer-Encoding") and not request.META.get("CONTENT_LENGTH"):
            request.META["CONTENT_LENGTH"] = "1"
        return super().initialize_request(request, *args, **kwargs)


@extend_schema(exclude=True)
class Unknown(View):
    """Every address that is none, in the same words as the others."""

    authentication_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        raise NotFound

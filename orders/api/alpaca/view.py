"""What every address of this surface has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from orders.api import view
from orders.api.alpaca import refusing, wording
from orders.api.alpaca.authenticating import KeyAuthentication


class AlwaysJSON(BaseContentNegotiation):
    """Answers in JSON whatever a client says it takes: its SDKs read nothing else."""

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


class View(view.View):
    """One address in Alpaca's words: every failure is a number and a message."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (KeyAuthentication,)
    content_negotiation_class = AlwaysJSON  # type: ignore[assignment]
    schema: Any = None  # Alpaca's own document describes it
    about = wording.About()  # what a refusal is about, as far as the request was read

    def get_exception_handler(self) -> Any:
        return refusing.answer


class Unknown(view.Unknown):
    """Every address that is none, in the same words as the others."""

    content_negotiation_class = AlwaysJSON  # type: ignore[assignment]
    schema: Any = None

    def get_exception_handler(self) -> Any:
        return refusing.answer

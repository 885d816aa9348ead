"""Says that this process serves requests. It asks nothing of PostgreSQL or Redis."""

from django.http import HttpRequest, HttpResponse


async def alive(_request: HttpRequest) -> HttpResponse:
    """Answer whoever decides whether to restart this process."""
    return HttpResponse("ok\n", content_type="text/plain")

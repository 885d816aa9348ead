"""What every answer carries, over both ways into Django."""

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client

POLICY = "default-src 'self'"


@pytest.fixture(params=["sync", "async"])
def get(request):
    """Ask for a page by WSGI's way in, and by ASGI's."""

    async def ask(path, **headers):
        if request.param == "async":
            return await AsyncClient().get(path, headers=headers)
        return await sync_to_async(Client().get)(path, headers=headers)

    return ask


async def test_a_page_may_run_nothing_but_our_own_files(get):
    answer = await get("/healthz")

    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"].startswith(POLICY)
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_an_id_that_is_given_is_answered_with(get):
    answer = await get("/healthz", **{"X-Request-ID": "trace-0123456789"})

    assert answer.headers["X-Request-ID"] == "trace-0123456789"


@pytest.mark.parametrize("given", ["short", "with space in it", "x" * 65, 'quoted"0123456789'])
async def test_an_id_that_could_garble_a_log_is_replaced(get, given):
    answer = await get("/healthz", **{"X-Request-ID": given})

    assert answer.headers["X-Request-ID"] != given
    assert len(answer.headers["X-Request-ID"]) == 32


async def test_static_files_are_served_whole(get):
    answer = await get("/static/vendor/htmx/htmx.js")

    assert answer.status_code == 200
    assert not answer.streaming
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert len(answer.content) == int(answer.headers["Content-Length"]) > 30_000
    assert answer.headers["Content-Security-Policy"].startswith(POLICY)


async def test_nothing_redirects_for_want_of_a_slash(get):
    assert (await get("/admin")).status_code == 404

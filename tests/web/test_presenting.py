"""A broker's page: its passport for every member, its accounts for those who may see them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from brokers import registry
from orders.models import Feed, Stream
from tests.factories import AccountFactory
from tests.web.conftest import HTMX


@pytest.mark.parametrize("name", sorted(registry.BROKERS))
def test_every_broker_of_ours_has_a_page(page, name):
    passport = registry.passport(name)

    text = page.get(f"/brokers/{name}/").text

    assert passport.title in text
    assert passport.source in text
    assert "The same id again" in text


def test_shows_which_type_may_have_which_time(page, account):
    text = page.get("/brokers/scripted/").text

    row = text.split('<th scope="row">Trailing</th>')[1].split("</tr>")[0]
    assert row.count(">yes<") == 2
    assert row.count(">no<") == 5


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_shows_only_accounts_one_may_see(page, account, headers):
    AccountFactory(name="Somebody else's")

    text = page.get("/brokers/scripted/", headers=headers).text

    assert "Scripted 1" in text
    assert "not heard yet" in text
    assert "Somebody else" not in text


def test_says_why_an_account_is_not_heard(page, account):
    account.feed.failure = "<b>Silence</b>"
    account.feed.silent_since = account.created_at
    account.feed.save()

    text = page.get("/brokers/scripted/").text

    assert "silent" in text
    assert "&lt;b&gt;Silence" in text


def test_says_how_an_accounts_stream_does(page, account):
    now = timezone.now()
    stream = Stream.objects.create(
        account=account, state="unauthorized", since=now, error="<i>No.</i>", connects=2
    )
    Feed.objects.filter(account=account).update(heard_at=now)

    for held_until, word, why in [
        (now + timedelta(seconds=20), "stream unauthorized", "&lt;i&gt;No."),
        (now - timedelta(seconds=20), "stream offline", "no stream bridge runs"),
    ]:
        Stream.objects.update(held_until=held_until)
        text = page.get("/brokers/scripted/").text
        assert word in text
        assert why in text
        assert "connected 2 times" in text
        assert word in page.get("/desk/strip").text

    stream.state, stream.held_until = "live", now + timedelta(seconds=20)
    stream.save()
    assert "Stream: live for" in page.get("/brokers/scripted/").text


@pytest.mark.parametrize("name", ["nobody", "%00", "..%2f", "a" * 300])
def test_others_do_not_exist(page, name):
    assert page.get(f"/brokers/{name}/").status_code == 404


def test_is_linked_from_ticket_and_strip(page, account):
    assert 'href="/brokers/scripted/"' in page.get("/orders/new/").text
    assert 'href="/brokers/scripted/"' in page.get("/desk/strip").text

"""A link that signs in once: programs may preview it, one person may use it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from orders.models import SignInLink


@pytest.fixture
def link(trader):
    return f"/sign-in/once/{SignInLink.issue(trader.pk, now=timezone.now())}"


def test_looking_does_not_use_it_up(client, link):
    for _ in range(3):
        assert "Sign in as ana" in client.get(link).text
        client.head(link)

    assert client.post(link).url == "/"
    assert client.get("/").status_code == 200


def test_works_once(client, link):
    client.post(link)
    client.logout()

    assert client.post(link).status_code == 410
    assert "no longer works" in client.get(link).text
    assert client.get("/").status_code == 302


def test_grows_old(client, trader):
    token = SignInLink.issue(trader.pk, now=timezone.now() - timedelta(hours=1))

    assert client.get(f"/sign-in/once/{token}").status_code == 410
    assert client.post(f"/sign-in/once/{token}").status_code == 410


@pytest.mark.parametrize("token", ["made-up", "%00", "é", "a" * 5000])
def test_a_made_up_one_is_no_use(client, db, token):
    assert client.get(f"/sign-in/once/{token}").status_code == 410
    assert client.post(f"/sign-in/once/{token}").status_code == 410


def test_lets_nobody_in_who_was_shut_out_meanwhile(client, trader, link):
    trader.is_active = False
    trader.save()

    assert client.get(link).status_code == 410
    assert client.post(link).status_code == 410

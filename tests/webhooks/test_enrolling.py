"""Endpoints and their secrets, from the first to the last."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from orders import auditing
from orders.models import Account, AuditEvent
from tests.factories import AccountFactory
from tests.webhooks.conftest import TESTS
from webhooks.enrolling import Unfit, decommission, enroll, retire, rotate
from webhooks.models import Endpoint, EndpointSecret
from webhooks.trusting import gate_to

pytestmark = pytest.mark.django_db

THEIRS = "whsec_" + "VGhlaXJz" * 4


@pytest.fixture
def account() -> Account:
    return AccountFactory(broker="paper")


@pytest.fixture
def endpoint(account: Account) -> Endpoint:
    return enroll(account, actor=TESTS, now=timezone.now())[0]


def by() -> dict[str, Any]:
    return {"actor": TESTS, "now": timezone.now()}


def active(endpoint: Endpoint) -> list[str]:
    return [key.value for key in gate_to(endpoint).keys]


class TestRotate:
    def test_adds_a_secret_and_leaves_the_old_one(self, endpoint: Endpoint) -> None:
        [old] = active(endpoint)

        _, new = rotate(endpoint, **by())

        assert active(endpoint) == [new, old]
        assert new.startswith("whsec_")
        assert new != old

    def test_takes_the_brokers_own(self, endpoint: Endpoint) -> None:
        rotate(endpoint, given=f" {THEIRS}\n", **by())

        assert active(endpoint)[0] == THEIRS

    def test_again_and_again(self, endpoint: Endpoint) -> None:
        for _ in range(3):
            old = endpoint.secrets.get(retired_at__isnull=True)
            new, value = rotate(endpoint, **by())
            assert retire(old, **by())

            assert active(endpoint) == [value]
            assert new.slot != old.slot

    def test_makes_no_third(self, endpoint: Endpoint) -> None:
        rotate(endpoint, **by())

        with pytest.raises(Unfit, match="Two secrets are active already"):
            rotate(endpoint, **by())

        assert endpoint.secrets.count() == 2

    @pytest.mark.parametrize("given", ["", "short", "x" * 15, "a b" * 10, "é" * 20, "a\x00" * 10])
    def test_takes_no_secret_that_is_none(self, account: Account, given: str) -> None:
        endpoint, _ = enroll(account, **by())

        with pytest.raises(Unfit, match="characters or more"):
            rotate(endpoint, given=given, **by())
        with pytest.raises(Unfit, match="characters or more"):
            enroll(account, given=given, **by())

        assert EndpointSecret.objects.count() == 1

    def test_takes_no_secret_twice(self, endpoint: Endpoint) -> None:
        rotate(endpoint, given=THEIRS, **by())
        retire(endpoint.secrets.earliest("id"), **by())

        with pytest.raises(Unfit, match="active already"):
            rotate(endpoint, given=THEIRS, **by())

    def test_mends_an_endpoint_whose_secret_no_key_opens(self, endpoint: Endpoint) -> None:
        EndpointSecret.objects.update(sealed="sealed by a lost key")

        _, new = rotate(endpoint, **by())

        assert active(endpoint) == [new]


class TestRetire:
    def test_is_trusted_no_more(self, endpoint: Endpoint) -> None:
        old = endpoint.secrets.get()
        _, new = rotate(endpoint, **by())

        assert retire(old, **by())
        assert not retire(old, **by())

        assert active(endpoint) == [new]

    def test_never_the_only_one(self, endpoint: Endpoint) -> None:
        with pytest.raises(Unfit, match="Rotate first"):
            retire(endpoint.secrets.get(), **by())

        assert len(active(endpoint)) == 1


class TestDecommission:
    def test_closes_for_good(self, endpoint: Endpoint) -> None:
        secret, _ = rotate(endpoint, **by())

        assert decommission(endpoint, **by())
        assert not decommission(endpoint, **by())

        endpoint.refresh_from_db()
        assert gate_to(endpoint).is_decommissioned
        assert active(endpoint) == []
        with pytest.raises(Unfit, match="Open another"):
            rotate(endpoint, **by())
        with pytest.raises(Unfit, match="Open another"):
            retire(secret, **by())


def test_each_step_is_on_the_accounts_record(account: Account) -> None:
    endpoint, _ = enroll(account, **by())
    old = endpoint.secrets.get()
    new, value = rotate(endpoint, **by())
    retire(old, **by())
    retire(old, **by())
    decommission(endpoint, **by())

    rows = AuditEvent.objects.filter(chain=str(account.id)).order_by("sequence")
    assert [(row.action, row.after.get("secret")) for row in rows] == [
        ("endpoint.opened", None),
        ("endpoint.secret_added", new.pk),
        ("endpoint.secret_retired", old.pk),
        ("endpoint.secret_retired", new.pk),
        ("endpoint.decommissioned", None),
    ]
    assert {(row.actor_name, row.subject) for row in rows} == {("tests", str(endpoint.id))}
    assert auditing.first_broken(str(account.id)) is None
    assert value not in str(list(rows.values()))

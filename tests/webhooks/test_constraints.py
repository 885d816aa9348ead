"""What the database refuses of the inbox by itself."""

from __future__ import annotations

import pytest
from django.utils import timezone

from tests.factories import AccountFactory
from tests.orders.test_constraints import refuses, run
from tests.webhooks.conftest import TESTS, kept
from webhooks.enrolling import decommission, enroll, rotate
from webhooks.models import Endpoint, Quarantined

pytestmark = pytest.mark.django_db

ADD_SECRET = """
    INSERT INTO webhooks_endpointsecret (endpoint_id, slot, sealed, created_at)
    VALUES (%s, %s, 'sealed', now())
"""


@pytest.fixture
def endpoint() -> Endpoint:
    return enroll(AccountFactory(broker="paper"), actor=TESTS, now=timezone.now())[0]


class TestSecret:
    @pytest.mark.parametrize(
        ("slot", "by"), [(1, "secret_two_active"), (3, "secret_slot_known"), (0, "secret_slot")]
    )
    def test_takes_one_of_two_places(self, endpoint: Endpoint, slot: int, by: str) -> None:
        refuses(ADD_SECRET, endpoint.id, slot, by=by)

    def test_is_no_third(self, endpoint: Endpoint) -> None:
        rotate(endpoint, actor=TESTS, now=timezone.now())

        for slot in (1, 2):
            refuses(ADD_SECRET, endpoint.id, slot, by="secret_two_active")
        run("UPDATE webhooks_endpointsecret SET retired_at = now() WHERE slot = 1")
        run(ADD_SECRET, endpoint.id, 1)

    @pytest.mark.parametrize("change", ["retired_at = NULL", "retired_at = now() + '1 day'"])
    def test_stays_retired(self, endpoint: Endpoint, change: str) -> None:
        run("UPDATE webhooks_endpointsecret SET retired_at = now()")

        refuses(f"UPDATE webhooks_endpointsecret SET {change}", by="stays_retired")

    @pytest.mark.parametrize(
        "change", ["slot = 2", "created_at = now()", "id = 77", "endpoint_id = %s"]
    )
    def test_is_what_it_was_made_as(self, endpoint: Endpoint, change: str) -> None:
        other, _ = enroll(endpoint.account, actor=TESTS, now=timezone.now())
        parameters = [other.id] if "%s" in change else []

        refuses(
            f"UPDATE webhooks_endpointsecret SET {change} WHERE id = {endpoint.secrets.get().id}",
            *parameters,
            by="frozen_columns",
        )


class TestEndpoint:
    @pytest.mark.parametrize(
        "change", ["token = 'another'", "created_at = now()", "account_id = gen_random_uuid()"]
    )
    def test_is_one_address_of_one_account(self, endpoint: Endpoint, change: str) -> None:
        refuses(f"UPDATE webhooks_endpoint SET {change}", by="frozen_columns")

    @pytest.mark.parametrize("change", ["NULL", "now() + '1 day'"])
    def test_stays_decommissioned(self, endpoint: Endpoint, change: str) -> None:
        decommission(endpoint, actor=TESTS, now=timezone.now())

        refuses(
            f"UPDATE webhooks_endpoint SET decommissioned_at = {change}", by="stays_decommissioned"
        )


class TestDelivery:
    @pytest.mark.parametrize(
        "change",
        [
            *("body = 'x'", "digest = 'x'", "headers = '{}'", "delivery_id = 'x'"),
            *("received_at = now()", "endpoint_id = gen_random_uuid()"),
        ],
    )
    def test_is_kept_as_it_came(self, endpoint: Endpoint, change: str) -> None:
        delivery = kept(endpoint, b"{}")
        run(
            "INSERT INTO webhooks_delivery (endpoint_id, delivery_id, digest, headers, body,"
            " received_at, is_contradicting, event, note)"
            " VALUES (%s, 'other', 'y', '{\"a\": 1}', 'y', '2001-01-01', false, '', '')",
            endpoint.id,
        )

        refuses(f"UPDATE webhooks_delivery SET {change}", by="as_it_came")
        refuses("TRUNCATE webhooks_delivery CASCADE", by="no_truncate")
        refuses(
            "UPDATE webhooks_delivery SET state = 'lost' WHERE id = %s",
            delivery.id,
            by="delivery_state_known",
        )


class TestQuarantined:
    @pytest.fixture
    def stray(self, endpoint: Endpoint) -> Quarantined:
        now = timezone.now()
        return Quarantined.objects.create(
            endpoint=endpoint,
            digest=b"d",
            proof="sealed",
            body=b"{}",
            size=2,
            why="?",
            received_at=now,
            last_seen_at=now,
        )

    @pytest.mark.parametrize(
        "change",
        [
            *("body = 'x'", "digest = 'x'", "headers = '{\"a\": 1}'", "proof = 'x'", "size = 3"),
            *("why = 'x'", "received_at = now() + '1 s'", "endpoint_id = gen_random_uuid()"),
        ],
    )
    def test_is_kept_as_it_came(self, stray: Quarantined, change: str) -> None:
        refuses(f"UPDATE webhooks_quarantined SET {change}", by="as_it_came")

    def test_is_kept_once(self, stray: Quarantined) -> None:
        refuses(
            "INSERT INTO webhooks_quarantined (endpoint_id, digest, headers, proof, body, size,"
            " why, received_at, seen, last_seen_at, last_proof)"
            " VALUES (%s, 'd', '{}', 's', 'b', 1, '', now(), 1, now(), '')",
            stray.endpoint_id,
            by="quarantined_once",
        )

    def test_may_be_forgotten(self, stray: Quarantined) -> None:
        run("DELETE FROM webhooks_quarantined")

        assert not Quarantined.objects.exists()

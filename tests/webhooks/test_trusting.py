"""Which secret signed, and how fresh the door's knowledge of endpoints is."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

import pytest
from django.utils import timezone

from brokers import signatures
from brokers.errors import Untrusted
from tests.factories import AccountFactory
from tests.webhooks.conftest import TESTS
from webhooks import trusting
from webhooks.enrolling import decommission, enroll, rotate
from webhooks.models import EndpointSecret
from webhooks.trusting import Gate, Key, Proof, gate_to, note_used

OLD, NEW, OTHER = ("whsec_" + letter * 32 for letter in "ABC")
KEYS = (Key(2, NEW), Key(1, OLD))


def signed(*secrets: str, now: datetime) -> dict[str, str]:
    stamp = int(now.timestamp())
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(stamp),
        "webhook-signature": " ".join(
            signatures.sign(secret, "msg_1", stamp, b"{}") for secret in secrets
        ),
    }


class TestGate:
    @pytest.mark.parametrize(
        ("by", "named"), [((OLD,), 1), ((NEW,), 2), ((OLD, NEW), 2), ((OTHER, OLD), 1)]
    )
    def test_names_the_newest_secret_that_signed(self, by: tuple[str, ...], named: int) -> None:
        now = timezone.now()
        gate = Gate(uuid4(), "paper", False, KEYS)

        assert gate.verify(signed(*by, now=now), b"{}", now=now) == Proof("msg_1", named)

    def test_tries_every_key_whichever_fits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tried: list[str] = []
        verify = signatures.verify

        def noted(secrets: tuple[str, ...], *args: object, **kwargs: object) -> str:
            tried.extend(secrets)
            return verify(secrets, *args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(signatures, "verify", noted)
        now = timezone.now()

        Gate(uuid4(), "paper", False, KEYS).verify(signed(NEW, now=now), b"{}", now=now)

        assert tried == [NEW, OLD]

    def test_one_key_that_breaks_the_verifier_leaves_the_other_in_use(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verify = signatures.verify

        def breaking(secrets: tuple[str, ...], *args: object, **kwargs: object) -> str:
            if secrets == (NEW,):
                raise ZeroDivisionError
            return verify(secrets, *args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(signatures, "verify", breaking)
        now = timezone.now()
        gate = Gate(uuid4(), "paper", False, KEYS)

        assert gate.verify(signed(OLD, now=now), b"{}", now=now).secret_id == 1
        with pytest.raises(Untrusted):
            gate.verify(signed(NEW, now=now), b"{}", now=now)

    @pytest.mark.parametrize("keys", [(), KEYS])
    def test_trusts_nothing_else(self, keys: tuple[Key, ...]) -> None:
        now = timezone.now()

        with pytest.raises(Untrusted):
            Gate(uuid4(), "paper", False, keys).verify(signed(OTHER, now=now), b"{}", now=now)

    def test_shows_no_secret(self) -> None:
        assert NEW not in repr(Gate(uuid4(), "paper", False, KEYS))


@pytest.mark.django_db
class TestKnown:
    def test_every_endpoint_is_known_with_its_active_secrets(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account, now = AccountFactory(broker="paper"), timezone.now()
        live, old = enroll(account, actor=TESTS, now=now)
        _, new = rotate(live, actor=TESTS, now=now)
        closed, _ = enroll(account, actor=TESTS, now=now)
        decommission(closed, actor=TESTS, now=now)
        monkeypatch.setattr(trusting.connections, "close_all", lambda: None)  # this test's own

        gates = trusting._read().gates

        assert set(gates) == {live.token, closed.token}
        assert [key.value for key in gates[live.token].keys] == [new, old]
        assert gates[live.token] == gate_to(live)
        closed.refresh_from_db()
        assert gates[closed.token] == gate_to(closed)
        assert gates[closed.token].is_decommissioned

    def test_a_secret_moved_to_another_endpoint_opens_nothing(self) -> None:
        account, now = AccountFactory(broker="paper"), timezone.now()
        (one, _), (other, _) = (enroll(account, actor=TESTS, now=now) for _ in range(2))
        assert gate_to(one).keys

        EndpointSecret.objects.filter(endpoint=other).update(sealed=one.secrets.get().sealed)

        assert gate_to(other).keys == ()

    def test_a_use_is_never_set_back(self) -> None:
        endpoint, _ = enroll(AccountFactory(broker="paper"), actor=TESTS, now=timezone.now())
        secret, now = endpoint.secrets.get(), timezone.now()

        note_used({secret.pk: now})
        note_used({secret.pk: now.replace(year=2001)})

        secret.refresh_from_db()
        assert secret.last_used_at == now

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime

from django.conf import settings
from django.db import models

from orders.models.account import Account


class ApiKey(models.Model):
    """A program's way in: one key, one account. The secret is shown once and kept as a hash."""

    key = models.CharField(max_length=32, unique=True)
    secret_hash = models.CharField(max_length=64)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=60)
    may_trade = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.key})"

    # DRF and Django ask this of whoever a request acts for.
    @property
    def is_authenticated(self) -> bool:
        return True

    @classmethod
    def issue(
        cls, account: Account, *, name: str, now: datetime, may_trade: bool = True
    ) -> tuple[ApiKey, str]:
        """Make a key and return it with its secret, which is not kept and can't be shown again."""
        # 256 random bits need no slow hash: there is no dictionary to try.
        secret = secrets.token_urlsafe(32)
        issued = cls.objects.create(
            key="BLT" + secrets.token_hex(10).upper(),
            secret_hash=_hash(secret),
            account=account,
            name=name,
            may_trade=may_trade,
            created_at=now,
        )
        return issued, secret

    @classmethod
    def find(cls, key: str, secret: str) -> ApiKey | None:
        """Return the live key whose secret this is, or None. One comparison, in constant time."""
        if "\0" in key:
            return None
        found = cls.objects.select_related("account").filter(key=key[:64]).first()
        kept = found.secret_hash if found else _hash("")
        same = hmac.compare_digest(kept, _hash(secret))
        return found if found and same and found.revoked_at is None else None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()

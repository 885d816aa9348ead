from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

VALID_FOR = timedelta(minutes=30)


class SignInLink(models.Model):
    """A link that signs one person in once: how the embedded desk greets its owner."""

    token_hash = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"for {self.user}"

    @classmethod
    def issue(cls, user_id: int, *, now: datetime) -> str:
        """Return the token of a fresh link. Only its hash is kept."""
        token = secrets.token_urlsafe(24)
        cls.objects.create(token_hash=_hash(token), user_id=user_id, expires_at=now + VALID_FOR)
        return token

    @classmethod
    def bearer(cls, token: str, *, now: datetime) -> str | None:
        """Return the name of whom a link would sign in, without using it up, or None."""
        live = cls.objects.filter(
            token_hash=_hash(token), used_at__isnull=True, expires_at__gt=now, user__is_active=True
        )
        return live.values_list("user__username", flat=True).first()

    @classmethod
    def redeem(cls, token: str, *, now: datetime) -> int | None:
        """Use a link up and return whom it signs in, or None if it is used, old or made up."""
        live = cls.objects.filter(token_hash=_hash(token), used_at__isnull=True, expires_at__gt=now)
        # One statement: of two who hold the link, one gets in.
        if not live.update(used_at=now):
            return None
        return cls.objects.get(token_hash=_hash(token)).user_id


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()

"""Secrets at rest: encrypted, and bound to the place they belong to.

A ciphertext carries the name of its row and field, so one moved to another
account decrypts to nothing.
"""

from __future__ import annotations

import json
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class SecretUnreadable(Exception):
    """No key of this desk opens it, or it was sealed for another place."""


def seal(value: str, *, place: str) -> str:
    """Return the ciphertext of a value that only opens at `place`, such as `account:<id>`."""
    return _box().encrypt(json.dumps([place, value]).encode()).decode()


def unseal(sealed: str, *, place: str) -> str:
    """Return the value. Raises SecretUnreadable."""
    try:
        sealed_for, value = json.loads(_box().decrypt(sealed.encode()))
    except InvalidToken as error:
        raise SecretUnreadable("No key of this desk opens this secret.") from error
    if sealed_for != place:
        raise SecretUnreadable("This secret was sealed for another place.")
    return str(value)


@cache
def _box() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.DESK_CREDENTIAL_KEYS])

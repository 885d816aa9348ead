"""Webhook signatures: how a delivery proves who sent it.

Standard Webhooks 1.0.0 (github.com/standard-webhooks/standard-webhooks): the
signed content is `{id}.{timestamp}.{body}`, the key is the base64 after
`whsec_`, and one good `v1,` entry among those in the header is enough.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from brokers.errors import Untrusted

TOLERANCE = timedelta(seconds=300)  # an older or newer stamp may be somebody's recording
PREFIX = "whsec_"
LONGEST_ID = 255


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` entry for a body. `timestamp` is unix seconds.

    Raises ValueError for a secret that is none.
    """
    key = _key(secret)
    if not key:
        raise ValueError("The secret is not whsec_ and base64.")
    return _entry(key, message_id, timestamp, body)


def verify(
    secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, *, now: datetime
) -> str:
    """Return the message id of a delivery that any of the secrets signed within five minutes.

    Every secret and every entry is compared, in constant time. Raises Untrusted.
    """
    message_id = headers.get("webhook-id", "")
    is_text = message_id.isascii() and message_id.isprintable()
    if not is_text or not 0 < len(message_id) <= LONGEST_ID:
        raise Untrusted("There is no usable webhook-id header.")
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise Untrusted("The webhook-timestamp header is not a number of seconds.")
    if abs(int(stamp) - now.timestamp()) > TOLERANCE.total_seconds():
        raise Untrusted("The webhook-timestamp is more than five minutes away from our clock.")
    signatures = headers.get("webhook-signature", "").encode(errors="replace").split(b" ")
    good = False
    for key in filter(None, map(_key, secrets)):
        expected = _entry(key, message_id, int(stamp), body).encode()
        for signature in signatures:
            good |= hmac.compare_digest(expected, signature)
    if not good:
        raise Untrusted("No active secret signed this delivery.")
    return message_id


def _entry(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    """Return a secret's key; nothing for a secret that is mistyped or empty.

    Nothing is signed or verified with nothing: everybody knows that key. One
    mistyped secret among several does not put the good ones out of use.
    """
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:  # binascii.Error is one, and so is what is raised for letters beyond ASCII
        return b""

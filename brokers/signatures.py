"""Webhook signatures: how a delivery proves who sent it.

Standard Webhooks 1.0.0 (github.com/standard-webhooks/standard-webhooks): the
signed content is `{id}.{timestamp}.{body}`, the key is the base64 after
`whsec_`, and one good `v1,` entry among those in the header is enough.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from brokers.errors import Untrusted

TOLERANCE = timedelta(seconds=300)  # an older or newer stamp may be somebody's recording
PREFIX = "whsec_"
LONGEST_ID = 255


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` entry for a body. `timestamp` is unix seconds."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def verify(
    secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, *, now: datetime
) -> str:
    """Return the message id of a delivery that any of the secrets signed within five minutes.

    Every secret and every entry is compared, in constant time. Raises Untrusted.
    """
    message_id = headers.get("webhook-id", "")
    if not message_id or len(message_id) > LONGEST_ID:
        raise Untrusted("There is no usable webhook-id header.")
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise Untrusted("The webhook-timestamp header is not a number of seconds.")
    if abs(int(stamp) - now.timestamp()) > TOLERANCE.total_seconds():
        raise Untrusted("The webhook-timestamp is more than five minutes away from our clock.")
    entries = [entry.encode() for entry in headers.get("webhook-signature", "").split(" ")]
    good = False
    for secret in secrets:
        expected = sign(secret, message_id, int(stamp), body).encode()
        for entry in entries:
            good |= hmac.compare_digest(expected, entry)
    if not good:
        raise Untrusted("No active secret signed this delivery.")
    return message_id


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise Untrusted("The stored secret is not base64.") from error

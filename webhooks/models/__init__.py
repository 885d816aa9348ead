"""What comes in from brokers, and what goes out to whoever subscribed."""

from webhooks.models.incoming import (
    Delivery,
    Endpoint,
    EndpointSecret,
    Quarantined,
    Reception,
    new_token,
    once,
)
from webhooks.models.outgoing import Notice, Subscription

__all__ = [
    "Delivery",
    "Endpoint",
    "EndpointSecret",
    "Notice",
    "Quarantined",
    "Reception",
    "Subscription",
    "new_token",
    "once",
]

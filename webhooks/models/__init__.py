"""What comes in from brokers, and what goes out to whoever subscribed."""

from webhooks.models.incoming import (
    Delivery,
    Endpoint,
    EndpointSecret,
    Origin,
    Quarantined,
    Reception,
    new_stream_name,
    new_token,
    once,
)
from webhooks.models.outgoing import Notice, Subscription

__all__ = [
    "Delivery",
    "Endpoint",
    "EndpointSecret",
    "Notice",
    "Origin",
    "Quarantined",
    "Reception",
    "Subscription",
    "new_stream_name",
    "new_token",
    "once",
]

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from orders.models.account import Account


class StreamState(models.TextChoices):
    LIVE = "live", "Live"  # connected, and what was missed before has been asked for
    DELAYED = "delayed", "Delayed"  # connected, and what was missed is still being asked for
    OFFLINE = "offline", "Offline"
    UNAUTHORIZED = "unauthorized", "Unauthorized"  # the broker does not take our credentials
    UNWANTED = "unwanted", "Not needed"  # nothing can happen in this account any more


class Stream(models.Model):
    """One account's open connection to a broker that tells its news over one: who keeps it, and
    how it fares. Apart from the feed, as one process alone writes here.
    """

    State = StreamState

    account = models.OneToOneField(
        Account, on_delete=models.CASCADE, primary_key=True, related_name="stream"
    )
    state = models.CharField(
        max_length=12, choices=StreamState, default=StreamState.OFFLINE, db_default="offline"
    )
    since = models.DateTimeField()
    heard_at = models.DateTimeField(null=True, blank=True)  # it last told something
    event_id = models.CharField(max_length=255, blank=True)  # of the last event that bore one
    connects = models.PositiveIntegerField(default=0)  # times it was connected
    failures = models.PositiveIntegerField(default=0)  # in a row
    error = models.TextField(blank=True)  # what went wrong last, also if it is well by now
    error_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)  # connected again not before
    # One process at a time keeps it, for as long as it says so again and again.
    held_by = models.UUIDField(null=True, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=StreamState.values), name="stream_state_known"
            ),
        ]

    def __str__(self) -> str:
        return f"Stream of {self.account_id}"

    def is_held(self, *, now: datetime) -> bool:
        """Whether a process keeps the connection, or tries to, for all that it last said."""
        return self.held_until is not None and now < self.held_until

    def state_at(self, now: datetime) -> StreamState:
        """Return how it is. Whoever kept it and is gone could not say that it is offline."""
        state = StreamState(self.state)
        if state == StreamState.UNWANTED or self.is_held(now=now):
            return state
        return StreamState.OFFLINE

    def since_at(self, now: datetime) -> datetime:
        """Return since when it is as `state_at` says."""
        if self.state_at(now) == self.state or self.held_until is None:
            return self.since
        return max(self.since, self.held_until)

    def failure_at(self, now: datetime) -> str:
        """Return why it is not live, or "" if it is or nobody knows."""
        state = self.state_at(now)
        if state in {StreamState.LIVE, StreamState.UNWANTED}:
            return ""
        if not self.is_held(now=now):
            return "Nothing keeps it: no stream bridge runs (manage.py stream)."
        if state == StreamState.DELAYED:
            return "It is connected, and not all that was missed before is known yet."
        return self.error or "It has not been connected yet."

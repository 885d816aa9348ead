"""How long the desk waits, and why. Due times are kept in PostgreSQL, on its clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django.db import connection

LEASE = timedelta(seconds=30)  # 25 s to send and 5 to spare; an answer recorded later still counts
CLAIM_GOOD_FOR = 1.0  # seconds from claim to first byte: a machine that slept must not send
ARMED_GOOD_FOR = 4.0  # seconds from the lease's begin to the first byte: what 25 s to send leave
RECORD_WITHIN = 30.0  # seconds of trying to record an answer; then reconciling will find it
HANDED_OUT = timedelta(seconds=5)  # a look handed to a worker and lost is due again after this
TENDED_OUT = timedelta(seconds=1)  # the same for a bracket: it takes no broker's answer
DOORBELL = timedelta(seconds=1)  # a rung doorbell's chance, before the sweep takes over
WORKING_POLL = timedelta(seconds=15)  # push is a courtesy; this is the guarantee
PENDING_POLL = timedelta(seconds=3)  # while a cancel, a replace or a missing fill is open
ACCOUNT_SWEEP = timedelta(seconds=60)  # an account's whole lists, whatever the webhooks do
UNSURE_LOOK = timedelta(seconds=2)  # an order that waits for its account to be sure again
FILLS_MAY_LAG = timedelta(seconds=30)  # behind the order that claims them; then a person is told
CANCEL_AGAIN = timedelta(seconds=30)  # a cancel taken and not carried out is asked for again

# When to look for an order in doubt, counted from when doubt began.
LADDER = tuple(timedelta(seconds=s) for s in (1, 2, 4, 8, 15, 30, 60))
EACH_MINUTE_FOR = timedelta(hours=1)
EACH_QUARTER_FOR = timedelta(hours=24)


def database_now() -> datetime:
    """Return the database's clock, the only one that several machines agree on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment.astimezone(UTC)


def trading_day(at: datetime) -> date:
    """Return the day that a moment belongs to: it ends at midnight UTC, as the paper exchange's."""
    return at.astimezone(UTC).date()


def day_begins(day: date) -> datetime:
    """Return when a trading day begins, which is when the one before has ended."""
    return datetime.combine(day, time.min, UTC)


def next_look(began: datetime, *, now: datetime) -> datetime:
    """Return when to look next for an order in doubt since `began`. It never ends by itself."""
    age = now - began
    for step in LADDER:
        if age < step:
            return began + step
    if age < EACH_MINUTE_FOR:
        return now + timedelta(minutes=1)
    if age < EACH_QUARTER_FOR:
        return now + timedelta(minutes=15)
    return now + timedelta(days=1)


def cancel_again(asked: int) -> timedelta:
    """Return when to repeat a cancel that was taken so often and not carried out."""
    return CANCEL_AGAIN if asked < 10 else 10 * CANCEL_AGAIN


def backoff(tries: int) -> timedelta:
    """Return how long to wait after a number of failures: 1, 2, 4 … at most 30 seconds."""
    return timedelta(seconds=min(2 ** max(tries - 1, 0), 30))

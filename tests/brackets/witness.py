"""Looks at the broker's true books beside what the desk says, after every single event."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from brokers.vocabulary import TERMINAL, Leg, OrderClass, Status
from orders.models import Account, Execution, Incident, Order, SnapshotFact
from orders.money import ZERO, total
from tests.brackets.exchange import WORKING, Exchange, Row

IN_TIME = timedelta(seconds=5)  # from what the desk has been told to the incident
# From what is so to the incident, where no webhook tells: a poll each 15 seconds, one that is lost
# comes round after 5 more, and what the poll finds is told in time.
POLLED = timedelta(seconds=40)

Kind = Incident.Kind


@dataclass
class Told:
    """What of one order at the broker the desk has on record."""

    version: int = 0
    status: str = ""
    filled: Decimal = ZERO
    claimed: Decimal = ZERO


@dataclass
class Spell:
    """How long something has gone on without a break, and how long it ever did."""

    since: datetime | None = None
    longest: timedelta = timedelta()
    begun: int = 0

    def lasts(self, holds: bool, now: datetime, *, not_before: datetime) -> timedelta:
        if not holds:
            self.since = None
            return timedelta()
        if self.since is None:
            self.since, self.begun = now, self.begun + 1
        lasted = now - max(self.since, not_before)
        self.longest = max(self.longest, lasted)
        return lasted


@dataclass
class Witness:
    """Keeps count of one trial, and of what must not be."""

    account: Account
    broker: Exchange
    entry: Order
    violations: list[str] = field(default_factory=list)
    waived: bool = False  # somebody took a leg off: from then on, that is nobody's fault
    bare: Spell = field(default_factory=Spell)
    bare_unsaid: Spell = field(default_factory=Spell)
    told_unsaid: Spell = field(default_factory=Spell)
    oversold_unsaid: Spell = field(default_factory=Spell)
    most_opened: Decimal = ZERO
    says: set[str] = field(default_factory=set)
    _told: dict[str, Told] = field(default_factory=dict)
    _snapshots: int = 0
    _executions: int = 0

    @property
    def role(self) -> Leg:
        """The leg that protects: the stop, or the target where only that was asked for."""
        return Leg.STOP_LOSS if self.entry.stop_loss_price is not None else Leg.TAKE_PROFIT

    def looks(self, now: datetime, *, killed_at: datetime, changed: set[str]) -> None:
        """Compare what is so, what the desk was told, and what it says.

        `changed` is what of that may have, since the last time; it is emptied.
        """
        if "facts" in changed:
            self._reads()
        if "incidents" in changed:
            open_ = Incident.objects.filter(account=self.account).open()
            kinds = open_.filter(kind__in=[Kind.UNPROTECTED, Kind.OVERSOLD])
            self.says = set(kinds.values_list("kind", flat=True))
        changed -= {"facts", "incidents"}
        says = self.says
        held, told_held = self._held(self._true), self._held(self._known)
        self.most_opened = max(self.most_opened, self._opened())
        is_bare = self._protected(truly=True) < held
        is_told = self._protected(truly=False) < told_held
        is_said = Kind.UNPROTECTED in says or self.waived
        self.bare.lasts(is_bare, now, not_before=killed_at)
        unsaid = self.told_unsaid.lasts(is_told and not is_said, now, not_before=killed_at)
        if unsaid > IN_TIME:
            self._violates("silent", f"told of it for {unsaid.total_seconds():.1f} s")
        unsaid = self.bare_unsaid.lasts(is_bare and not is_said, now, not_before=killed_at)
        if unsaid > POLLED:
            self._violates("silent in truth", f"for {unsaid.total_seconds():.1f} s")
        oversold = told_held < 0 and Kind.OVERSOLD not in says
        if self.oversold_unsaid.lasts(oversold, now, not_before=killed_at) > IN_TIME:
            self._violates("oversold, and not said", f"by {-told_held}")
        self._counts_twice()

    def ends(self) -> None:
        """See what is left when the dust has settled."""
        held = self._held(self._true)
        open_ = Incident.objects.filter(account=self.account).open()
        bare_is_said = open_.filter(kind=Kind.UNPROTECTED).exists()
        heads = {row.parent for row in self._legs()}
        left = [row.name for row in self._legs() if row.is_live and row.name not in heads]
        if self._entering():  # the broker keeps its own for what is yet to fill
            left = [name for name in left if not self.broker.rows[name].parent]
        if held <= 0 and left:
            self._violates("a leg without a position", ", ".join(left))
        is_bare = held > 0 and self._protected(truly=True) < held
        if is_bare and not bare_is_said and not self.waived:
            self._violates("a position without protection", f"{held}, and nobody says so")
        if not is_bare and bare_is_said and held == self._held(self._known):
            lacks_target = self._lacks_target(held)
            if not lacks_target:
                self._violates("an alarm that does not end", f"{held} held")
        if held < 0 and not open_.filter(kind=Kind.OVERSOLD).exists():
            self._violates("oversold, and not said", f"by {-held} in the end")
        twice = [name for name, count in Counter(self.broker.written).items() if count > 1]
        if twice:
            self._violates("sent twice", ", ".join(twice))

    # What is so, and what was told ------------------------------------------------------------

    def _reads(self) -> None:
        facts = SnapshotFact.objects.filter(order__account=self.account, id__gt=self._snapshots)
        for number, name, version, status, claimed in facts.order_by("id").values_list(
            "id", "broker_order_id", "broker_version", "status", "cumulative"
        ):
            self._snapshots = number
            told = self._told.setdefault(name, Told())
            if version >= told.version:
                told.version, told.status, told.claimed = version, status, claimed
        trades = Execution.objects.filter(account=self.account, id__gt=self._executions)
        for number, name, quantity in trades.order_by("id").values_list(
            "id", "broker_order_id", "quantity"
        ):
            self._executions = number
            self._told.setdefault(name, Told()).filled += quantity

    @staticmethod
    def _true(row: Row) -> Decimal:
        return row.filled

    def _known(self, row: Row) -> Decimal:
        """Return what the desk can know to have filled. Of the entry, trades alone count: what is
        claimed and not told yet is asked for before anything is let out for it."""
        told = self._told.get(row.name, Told())
        return told.filled if row.ticket.side == self.entry.side else max(told.filled, told.claimed)

    def _held(self, filled: object) -> Decimal:
        """Return what is held of what the bracket opened. Below zero: it has turned round."""
        opening = self.entry.side
        return total(
            filled(row) if row.ticket.side == opening else -filled(row)  # type: ignore[operator]
            for row in self.broker.rows.values()
        )

    def _opened(self) -> Decimal:
        return total(
            row.filled for row in self.broker.rows.values() if row.ticket.side == self.entry.side
        )

    def _legs(self) -> list[Row]:
        return [row for row in self.broker.rows.values() if row.ticket.side != self.entry.side]

    def _entering(self) -> bool:
        rows = self.broker.rows.values()
        return any(row.is_live for row in rows if row.ticket.side == self.entry.side)

    def _is(self, row: Row, role: Leg) -> bool:
        is_stop = row.ticket.stop_price is not None
        if row.ticket.limit_price is None and not is_stop:
            return False  # what closes at the market
        return is_stop == (role is Leg.STOP_LOSS)

    def _protected(self, *, truly: bool) -> Decimal:
        legs = [row for row in self._legs() if self._is(row, self.role)]
        if truly:
            return total(self.broker.works(row) for row in legs)
        return total(self._shown(row) for row in legs)

    def _shown(self, row: Row) -> Decimal:
        """Return how much of a leg works for all that the desk was told."""
        told = self._told.get(row.name)
        if told is None:
            return ZERO
        leaves = max(ZERO, row.quantity - max(told.filled, told.claimed))
        if told.status in WORKING and leaves:
            return leaves
        if told.status != Status.HELD:
            return ZERO
        kept = self.broker.group(row)
        assert kept is not None
        head, closers = kept
        known = {one.name: self._told.get(one.name, Told()) for one in (head, *closers)}
        is_whole = head in closers or known[head.name].filled >= head.quantity
        siblings = (known[one.name].status in WORKING for one in closers if one.role != row.role)
        return leaves if is_whole and any(siblings) else ZERO

    def _lacks_target(self, held: Decimal) -> bool:
        if self.entry.take_profit_price is None or self.role is Leg.TAKE_PROFIT:
            return False
        targets = [row for row in self._legs() if self._is(row, Leg.TAKE_PROFIT)]
        return total(self.broker.works(row) for row in targets) < held

    def _counts_twice(self) -> None:
        """Never two live legs for the same fills: a leg may be as large as what was ever opened,
        less what its kind has closed."""
        rows = self._legs()
        # The broker's own are for the whole entry from the beginning.
        is_brokers = any(row.is_live and row.parent and self._is_entry(row.parent) for row in rows)
        most = self.entry.quantity if is_brokers else self.most_opened
        assert most is not None
        for role in (Leg.STOP_LOSS, Leg.TAKE_PROFIT):
            mine = [row for row in rows if self._is(row, role)]
            out = total(row.leaves for row in mine if row.status not in TERMINAL)
            done = total(row.filled for row in mine)
            if out and out + done > max(most, self.most_opened):
                self._violates("two legs for the same fills", f"{role}: {out} out, {done} done")

    def _is_entry(self, name: str) -> bool:
        row = self.broker.rows[name]
        return row.ticket.side == self.entry.side and row.ticket.order_class != OrderClass.SIMPLE

    def _violates(self, what: str, how: str) -> None:
        if not any(known.startswith(f"{what}:") for known in self.violations):
            self.violations.append(f"{what}: {how}")

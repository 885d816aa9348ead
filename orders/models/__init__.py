"""What the desk keeps. One model, one file; the database refuses what must never be so."""

from orders.models.account import Account, Feed, Grant, Role
from orders.models.api_key import ApiKey
from orders.models.attempt import Attempt
from orders.models.audit import AuditChain, AuditEvent
from orders.models.execution import Execution
from orders.models.heartbeat import Heartbeat
from orders.models.incident import Incident, Severity
from orders.models.inquiry import Inquiry
from orders.models.order import Order
from orders.models.parked import ParkedFact
from orders.models.reconciliation import Break, Reconciliation
from orders.models.ruling import Ruling
from orders.models.sign_in import SignInLink
from orders.models.snapshot import SnapshotFact
from orders.models.stream import Stream
from orders.models.timeline import Timeline

__all__ = [
    "Account",
    "ApiKey",
    "Attempt",
    "AuditChain",
    "AuditEvent",
    "Break",
    "Execution",
    "Feed",
    "Grant",
    "Heartbeat",
    "Incident",
    "Inquiry",
    "Order",
    "ParkedFact",
    "Reconciliation",
    "Role",
    "Ruling",
    "Severity",
    "SignInLink",
    "SnapshotFact",
    "Stream",
    "Timeline",
]

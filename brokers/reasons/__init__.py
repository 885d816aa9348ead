"""Why an order can't be: one canonical code for each reason, and each broker's own words for it."""

from brokers.reasons.codes import Reason
from brokers.reasons.telling import DIALECTS, Dialect, Said, cannot_tell, reason_of, says

__all__ = ["DIALECTS", "Dialect", "Reason", "Said", "cannot_tell", "reason_of", "says"]

"""The one room in which a placed order changes.

Sending, webhooks, polls and people each learn things about orders. They tell
them here, where, in one transaction and under a lock on the order, the fact is
stored, the projection follows, the audit grows by a row, and open pages are
told to look again.
"""

from orders.recording.adopting import adopt, leave, settle_left
from orders.recording.answering import settle
from orders.recording.changing import projection
from orders.recording.claiming import Claim, claim_cancel, claim_submission
from orders.recording.concluding import (
    ask_cancel,
    check_now,
    complain_of_missing,
    conclude_absent,
    deny,
    escalate,
    expire,
    lapse,
    note_look,
)
from orders.recording.heeding import Heeded, LearnedMeanwhile, heed, heed_waiting, heed_within
from orders.recording.listening import judge_feeds
from orders.recording.parking import all_taken, orphans
from orders.recording.ruling import Word, rule
from orders.recording.ruling import confirm as confirm_ruling
from orders.recording.ruling import drop as drop_ruling
from orders.recording.sifting import sift
from orders.recording.streaming import ask_for_missed, has_missed, judge_streams
from orders.recording.transcribing import Unadoptable

__all__ = [
    "Claim",
    "Heeded",
    "LearnedMeanwhile",
    "Unadoptable",
    "Word",
    "adopt",
    "all_taken",
    "ask_cancel",
    "ask_for_missed",
    "check_now",
    "claim_cancel",
    "claim_submission",
    "complain_of_missing",
    "conclude_absent",
    "confirm_ruling",
    "deny",
    "drop_ruling",
    "escalate",
    "expire",
    "has_missed",
    "heed",
    "heed_waiting",
    "heed_within",
    "judge_feeds",
    "judge_streams",
    "lapse",
    "leave",
    "note_look",
    "orphans",
    "projection",
    "rule",
    "settle",
    "settle_left",
    "sift",
]

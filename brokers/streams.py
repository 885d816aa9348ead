"""What a broker says over an open connection, frame by frame.

Translation alone, as an adapter's: no connection, no state, no decisions. `brokers.dialing` speaks,
and whoever keeps what was heard keeps each frame as it came.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from brokers.messages import Delivery

LONGEST_NAME = 255


class Step(StrEnum):
    """What a frame means for the connection it came on."""

    LET_IN = "let in"
    TURNED_AWAY = "turned away"  # our credentials are not taken, or not any more
    LISTENING = "listening"  # from here on, every event is told
    TOLD = "told"  # news, or something nobody here can read: it is kept as it came
    COMPLAINT = "complaint"  # the broker does not take what we asked, or says why it will hang up
    NOTHING = "nothing"  # a sign of life


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one frame is. `name` is the same for the same news, however often it is told."""

    step: Step
    name: str = ""
    event_id: str = ""  # the broker's own number of the event, where it has one
    says: str = ""  # in words, for people


class BrokerStream(ABC):
    """How a broker's stream is spoken to."""

    @abstractmethod
    def address(self, base_url: str) -> str:
        """Return where the stream of an account at this address is: a ws:// or wss:// address."""

    @abstractmethod
    def greeting(self, credentials: Mapping[str, str]) -> str:
        """Return the first frame to send: who we are. Raises KeyError for a missing credential."""

    @abstractmethod
    def request(self, *, after: str) -> str:
        """Return the frame that asks for the account's news, once we are let in: those after an
        event as well, if there is one. Not every broker remembers them.
        """

    @abstractmethod
    def hear(self, payload: bytes) -> Heard:
        """Return what a frame is. Never raises: what can't be read is news of an unknown kind."""

    @abstractmethod
    def read(self, payload: bytes) -> Delivery:
        """Parse a frame that told something. Raises Unreadable."""

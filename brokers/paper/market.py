"""The market: a dozen symbols whose prices wander about, the same way for the same seed.

A price is a whole number of its instrument's increment until it leaves this
room as a Decimal. Each tick shows fresh size at a few prices on either side;
what orders take of it is gone until the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from random import Random

from brokers.paper.amounts import write_amount, write_time
from brokers.paper.charting import Bar, Chart
from brokers.paper.refusals import Refusal
from brokers.vocabulary import Side

CENT = Decimal("0.01")
FINE = Decimal("0.0001")  # the step of equities' prices below one
LEVELS = 2  # prices shown on either side: enough for a fill in parts at several prices
SHOWN = (1_000, 4_000)  # worth of one level: a hundred AAPL take a few ticks, as a person can see
WANDER = 4_000  # a tick moves a price by up to one part in this many


class Phase(StrEnum):
    """What a listing's market is doing."""

    OPEN = "open"
    EXTENDED = "extended"  # before or after hours: only orders that asked for it trade
    CLOSED = "closed"

    @property
    def as_words(self) -> str:
        """What one says that a market is."""
        return "out of hours" if self is Phase.EXTENDED else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """Something to trade."""

    symbol: str
    name: str
    start: Decimal
    kind: str = "equity"
    tradable: bool = True
    fractionable: bool = True
    shortable: bool = True
    always_closed: bool = False
    increment: Decimal = CENT

    def tick(self, price: Decimal) -> Decimal:
        """Return the step that prices around this one are multiples of."""
        return FINE if self.kind == "equity" and price < 1 else self.increment


INSTRUMENTS: Mapping[str, Instrument] = {
    instrument.symbol: instrument
    for instrument in (
        Instrument(symbol="AAPL", name="Apple", start=Decimal(150)),
        Instrument(symbol="MSFT", name="Microsoft", start=Decimal(400)),
        Instrument(symbol="TSLA", name="Tesla", start=Decimal(250)),
        Instrument(symbol="SPY", name="SPDR S&P 500 ETF", start=Decimal(350)),
        Instrument(symbol="AMD", name="Advanced Micro Devices", start=Decimal(20)),
        Instrument(symbol="NVDA", name="NVIDIA", start=Decimal(120)),
        Instrument(symbol="AMZN", name="Amazon", start=Decimal(180)),
        Instrument(symbol="GOOGL", name="Alphabet", start=Decimal(160)),
        Instrument(symbol="META", name="Meta Platforms", start=Decimal(480)),
        Instrument(symbol="KO", name="Coca-Cola", start=Decimal(60), fractionable=False),
        Instrument(
            symbol="BTC/USD", name="Bitcoin", start=Decimal(17_000), kind="crypto", shortable=False
        ),
        Instrument(
            symbol="ETH/USD", name="Ether", start=Decimal(1_200), kind="crypto", shortable=False
        ),
        Instrument(symbol="HALT", name="Halted, never tradable", start=Decimal(10), tradable=False),
        Instrument(
            symbol="CLSD", name="Listed where it never opens", start=Decimal(25), always_closed=True
        ),
    )
}


@dataclass(slots=True)
class Level:
    """A price, and how much can still be had at it during this tick."""

    price: Decimal
    size: Decimal


@dataclass(slots=True)
class Listing:
    """One instrument's state: its price in increments, and what is shown this tick."""

    instrument: Instrument
    price: int
    anchor: int
    chart: Chart
    phase: Phase = Phase.OPEN
    bids: list[Level] = field(default_factory=list)
    asks: list[Level] = field(default_factory=list)
    held: bool = False  # an admin has set the price, and it stays
    size: Decimal | None = None  # an admin has set the size of each level

    @property
    def last(self) -> Decimal:
        """The latest price."""
        return self.price * self.instrument.increment

    def facing(self, side: Side) -> list[Level]:
        """Return the levels an order of this side trades with, best first."""
        return self.asks if side is Side.BUY else self.bids


class Market:
    """Every listing, moved one tick at a time by `step`."""

    def __init__(
        self, *, seed: int, now: datetime, prices: Mapping[str, Decimal] | None = None
    ) -> None:
        self._random = Random(f"{seed}:market")  # noqa: S311  (repeatable on purpose)
        self.at = now
        self.listings: dict[str, Listing] = {}
        for symbol, instrument in INSTRUMENTS.items():
            anchor = int(instrument.start / instrument.increment)
            price = int((prices or {}).get(symbol, instrument.start) / instrument.increment)
            chart = Chart(
                price=price,
                at=int(now.timestamp()),
                wiggle=max(1, anchor // 1_500),
                random=Random(f"{seed}:{symbol}:past"),  # noqa: S311
            )
            phase = Phase.CLOSED if instrument.always_closed else Phase.OPEN
            listing = Listing(instrument, price, anchor, chart, phase)
            self.listings[symbol] = listing
            self._show(listing)

    def step(self, *, now: datetime) -> None:
        """Move every listing that is not closed by a tick, and show fresh size."""
        self.at = now
        for listing in self.listings.values():
            if listing.phase is Phase.CLOSED:
                continue
            if not listing.held:
                most = max(1, listing.price // WANDER)
                pull = (listing.anchor - listing.price) // 2_000
                listing.price = max(10, listing.price + pull + self._random.randint(-most, most))
            listing.chart.add(listing.price, at=int(now.timestamp()))
            self._show(listing)

    def listing(self, symbol: str) -> Listing:
        """Return a listing. Raises Refusal for an unknown symbol."""
        try:
            return self.listings[symbol]
        except KeyError:
            raise Refusal(
                "unknown_symbol", f"There is no instrument {symbol!r} here.", field="symbol"
            ) from None

    def price_of(self, symbol: str) -> Decimal:
        """Return a symbol's latest price. Raises Refusal for an unknown symbol."""
        return self.listing(symbol).last

    def set_price(self, symbol: str, price: Decimal, *, size: Decimal | None = None) -> None:
        """Set a price and hold it there, with the size each level shows if one is given."""
        listing = self.listing(symbol)
        listing.price = max(10, int(price / listing.instrument.increment))
        listing.held, listing.size = True, size
        listing.chart.add(listing.price, at=int(self.at.timestamp()))
        self._show(listing)

    def release(self, symbol: str) -> None:
        """Let a held price wander again, from where it is."""
        listing = self.listing(symbol)
        listing.held, listing.size = False, None

    def quote(self, symbol: str) -> dict[str, str]:
        """Return a quote as the wire has it."""
        listing = self.listing(symbol)
        return {
            "symbol": symbol,
            "bid": write_amount(listing.bids[0].price),
            "bid_size": write_amount(listing.bids[0].size),
            "ask": write_amount(listing.asks[0].price),
            "ask_size": write_amount(listing.asks[0].size),
            "last": write_amount(listing.last),
            "at": write_time(self.at),
        }

    def bars(self, symbol: str, *, seconds: int, count: int) -> list[dict[str, str]]:
        """Return bars as the wire has them, oldest first."""
        listing = self.listing(symbol)
        bars = listing.chart.bars(seconds=seconds, count=count)
        return [_bar_json(bar, listing.instrument.increment) for bar in bars]

    def instruments(self) -> Iterator[dict[str, str | bool]]:
        """Yield every instrument as the wire has it."""
        for listing in self.listings.values():
            instrument = listing.instrument
            yield {
                "symbol": instrument.symbol,
                "name": instrument.name,
                "kind": instrument.kind,
                "tradable": instrument.tradable,
                "open": listing.phase is Phase.OPEN,
                "phase": listing.phase.value,
                "fractionable": instrument.fractionable,
                "shortable": instrument.shortable,
                "price_increment": write_amount(instrument.increment),
            }

    def _show(self, listing: Listing) -> None:
        half_spread = 1 if listing.held else max(1, listing.price // 20_000)
        listing.bids = [self._level(listing, -half_spread - n) for n in range(LEVELS)]
        listing.asks = [self._level(listing, half_spread + n) for n in range(LEVELS)]

    def _level(self, listing: Listing, away: int) -> Level:
        price = (listing.price + away) * listing.instrument.increment
        worth = self._random.randint(*SHOWN)  # drawn even if unused: an admin shifts no luck
        if listing.size is not None:
            return Level(price, listing.size)
        if listing.instrument.kind == "crypto":
            return Level(price, max(Decimal(worth * 10_000 // int(price)), Decimal(1)) / 10_000)
        return Level(price, max(Decimal(worth // int(price)), Decimal(1)))


def _bar_json(bar: Bar, increment: Decimal) -> dict[str, str]:
    return {
        "at": write_time(datetime.fromtimestamp(bar.at, UTC)),
        "open": write_amount(bar.open * increment),
        "high": write_amount(bar.high * increment),
        "low": write_amount(bar.low * increment),
        "close": write_amount(bar.close * increment),
    }

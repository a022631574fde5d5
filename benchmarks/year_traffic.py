"""What people do in a simulated year, drawn at random in fixed proportions; the seed alone decides.

An act is chosen knowing what its author would know: what he has, which of his holds are open, which orders can be
refunded. About one act in a hundred is a mistake (an order sent twice, more than there is), as in life.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from benchmarks.year_people import Pen, Person, Shop, code_of, offices, person, request_of, shops
from points.keys import holdings_key
from points.state import UY_PER_FEN, Holdings
from points.view import View
from primitives.hashing import tagged_hash
from primitives.keys import PublicKey
from primitives.kinds import (
    AccountKey,
    AccountOpen,
    Authorize,
    BatchOperations,
    Body,
    Capture,
    Exchange,
    Issue,
    KycAttest,
    Operation,
    Redeem,
    RedeemByToken,
    Refund,
    ReverseIssue,
    Transfer,
    Void,
)
from primitives.kinds_assets import Anchor, AssetOffer, AssetRegister, AssetReturn, AssetSwap, OfflineEscrow
from primitives.kinds_campaigns import CampaignClaim
from primitives.kinds_identity import GuardiansSet
from primitives.receipt import Receipt
from primitives.transaction import Decoded

TAG_THING: Final = b"hn/year/thing"
STAY_DAYS: Final = 6
ORDERS_KEPT: Final = 4_000  # that somebody may still ask to have refunded
HOLD_SECONDS: Final = 2 * 86_400
ESCROW_SECONDS: Final = 12 * 3_600
MISTAKE: Final = 0.01
# How often each act is chosen. Openings are planned by the day, offices and settlement by the clock.
WEIGHTS: Final = {
    "issue": 340, "redeem": 230, "token": 90, "authorize": 55, "capture": 45, "void": 8, "refund": 45, "reverse": 18,
    "exchange": 30, "transfer": 20, "batch": 10, "claim": 30, "escrow": 8, "escrow_code": 16, "asset": 12,
    "anchor": 6, "attest": 20, "guardians": 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Promise:
    """A hold or an escrow that its merchant may use."""

    hold_id: bytes
    shop: Shop
    payer: Person
    value: int
    until: int


@dataclass(frozen=True, slots=True)
class Gift:
    """One entry of a campaign's list, with its proof ready."""

    body: CampaignClaim
    to: Person
    until: int


@dataclass(slots=True)
class Written:
    """A transaction with what its author will do once it succeeded."""

    decoded: Decoded
    then: Callable[[Receipt], None] | None = None


@dataclass(slots=True)
class Known:
    """What the people remember."""

    here: list[Person] = field(default_factory=list)
    orders: deque[tuple[Shop, str, int]] = field(default_factory=lambda: deque(maxlen=ORDERS_KEPT))
    issues: deque[tuple[Shop, str, int]] = field(default_factory=lambda: deque(maxlen=ORDERS_KEPT))
    holds: deque[Promise] = field(default_factory=deque)
    escrows: deque[Promise] = field(default_factory=deque)
    gifts: deque[Gift] = field(default_factory=deque)
    for_sale: deque[tuple[str, int]] = field(default_factory=deque)
    bought: deque[tuple[Person, str]] = field(default_factory=deque)


class Traffic:
    """Writes the transactions of a block from what is known before it."""

    def __init__(self, pen: Pen, view: View, seed: int) -> None:
        self.pen: Final = pen
        self.view: Final = view
        self.known: Final = Known()
        self.shops: Final = shops()
        self.staff: Final = offices()
        self._random: Final = random.Random(seed)  # not a secret: it only has to repeat
        self._kinds: Final = tuple(WEIGHTS)
        self._cumulative: Final = [sum(list(WEIGHTS.values())[: i + 1]) for i in range(len(WEIGHTS))]
        self._arrived: Final[deque[list[Person]]] = deque(maxlen=STAY_DAYS)
        self._tourists = 0
        self._orders = 0
        self.now = 0
        self.later: Final[deque[Callable[[], Written]]] = deque()  # follows from what the last block did

    def arrivals(self, most: int) -> list[Person]:
        """The next `most` tourists; those who came STAY_DAYS ago have left. Call it once a day."""
        coming = [person(f"t{self._tourists + i}") for i in range(most)]
        self._tourists += most
        self._arrived.append(coming)
        self.known.here[:] = [somebody for day in self._arrived for somebody in day]
        return coming

    @property
    def next_tourist(self) -> int:
        """The number of the first who has not come yet; a person's name is "t" and his number."""
        return self._tourists

    def opening(self, somebody: Person) -> Written:
        """Its account, sponsored by any merchant."""
        sponsor = self._random.choice(self.shops).person
        keys = (AccountKey(somebody.key),)
        body = AccountOpen(keys, 1, sponsor.address, sponsor.key, bytes(64))
        return self.by(somebody, body)

    def by(
        self, sender: Person, body: Body, *more: PublicKey, then: Callable[[Receipt], None] | None = None
    ) -> Written:
        """Anything by anybody; `more`: keys that sign beside the sender's."""
        return Written(self.pen.write(self.now, sender.address, (sender.key, *more), body), then)

    def act(self) -> Written:
        """One of WEIGHTS; who has nothing to do it with earns points instead."""
        kind = self._random.choices(self._kinds, cum_weights=self._cumulative)[0]
        made: Written | None = getattr(self, f"_{kind}")()
        return made if made is not None else self._issue()

    # ---- what each act is

    def _order(self) -> str:
        self._orders += 1
        return f"o{self._orders}"

    def _somebody(self) -> Person:
        return self._random.choice(self.known.here)

    def _spendable(self, who: Person) -> int:
        """fen in lots that are neither pending nor expired, roughly: unit values near 1 fen count as 1."""
        holdings: Holdings | None = self.view.get(holdings_key(who.address))
        if holdings is None:
            return 0
        uv = {shop.class_id: shop.uv for shop in self.shops}
        lots = (lot for lot in holdings.lots if lot.bucket > self.now and not lot.from_day)
        return sum(lot.avail * uv.get(lot.class_id, UY_PER_FEN) for lot in lots) // UY_PER_FEN

    def _affordable(self, who: Person) -> int:
        """A price that he can pay; rarely one that he cannot. 0: he has nothing."""
        has = self._spendable(who)
        if self._random.random() < MISTAKE:
            return has + 1_000
        return self._random.randint(1, has) if has else 0

    def _grant(self) -> tuple[Shop, Issue]:
        shop = self._random.choice(self.shops)
        units = self._random.randint(50, 3_000)
        return shop, Issue(shop.class_id, self._somebody().address, units, self._order(), "EARN", units * 5)

    def _issue(self) -> Written:
        if self.known.issues and self._random.random() < MISTAKE:
            shop, order, units = self.known.issues[-1]  # the till sends its last order again, with another price
            return self.by(shop.person, Issue(shop.class_id, self._somebody().address, units, order, "EARN", 1))
        shop, body = self._grant()
        return self.by(shop.person, body, then=lambda _: self.known.issues.append((shop, body.order_id, body.units)))

    def _batch(self) -> Written:
        shop = self._random.choice(self.shops)
        grants: list[Operation] = []
        for _ in range(8):
            units = self._random.randint(50, 3_000)
            grants.append(Issue(shop.class_id, self._somebody().address, units, self._order(), "BONUS", units * 5))
        return self.by(shop.person, BatchOperations(tuple(grants)))

    def _redeem(self) -> Written | None:
        who, shop = self._somebody(), self._random.choice(self.shops)
        value = self._affordable(who)
        if not value:
            return None
        body = Redeem(request_of(shop, self._order(), value, self.now), value)
        return self.by(who, body, then=self._spent(shop, str(body.request.order_id), value))

    def _spent(self, shop: Shop, order: str, value: int) -> Callable[[Receipt], None]:
        return lambda _: self.known.orders.append((shop, order, value))

    def _token(self) -> Written | None:
        who, shop = self._somebody(), self._random.choice(self.shops)
        value = self._affordable(who)
        if not value:
            return None
        self._orders += 1
        body = RedeemByToken(code_of(who, self._orders, value, self.now + 60, None), value, self._order())
        return self.by(shop.person, body, then=self._spent(shop, body.order_id, value))

    def _authorize(self) -> Written | None:
        who, shop = self._somebody(), self._random.choice(self.shops)
        value = self._affordable(who)
        if not value:
            return None
        until = self.now + HOLD_SECONDS
        return self.by(who, Authorize(shop.person.address, value, HOLD_SECONDS),
                       then=self._promised(self.known.holds, shop, who, value, until))  # fmt: skip

    def _escrow(self) -> Written | None:
        who, shop = self._somebody(), self._random.choice(self.shops)
        value = self._affordable(who)
        if not value:
            return None
        until = self.now + ESCROW_SECONDS
        return self.by(who, OfflineEscrow(shop.person.address, value, ESCROW_SECONDS),
                       then=self._promised(self.known.escrows, shop, who, value, until))  # fmt: skip

    def _promised(
        self, book: deque[Promise], shop: Shop, payer: Person, value: int, until: int
    ) -> Callable[[Receipt], None]:
        def then(receipt: Receipt) -> None:
            opened = next(event for event in receipt.events if event.kind == "HoldOpened")
            book.append(Promise(dict(opened.hashes)["hold"], shop, payer, value, until))

        return then

    def _capture(self) -> Written | None:
        if not self.known.holds:
            return None
        held = self.known.holds.popleft()
        value = self._random.randint(1, held.value)
        body = Capture(held.hold_id, value, self._order())
        return self.by(held.shop.person, body, then=self._spent(held.shop, body.order_id, value))

    def _void(self) -> Written | None:
        if not self.known.holds:
            return None
        held = self.known.holds.popleft()
        return self.by(held.shop.person, Void(held.hold_id))

    def _escrow_code(self) -> Written | None:
        while self.known.escrows and self.known.escrows[0].until <= self.now:
            self.known.escrows.popleft()
        if not self.known.escrows:
            return None
        held = self.known.escrows[0]
        value = min(held.value, self._random.randint(1, 500))
        self._orders += 1
        body = RedeemByToken(code_of(held.payer, self._orders, value, held.until, held.shop), value, self._order())
        self.known.escrows.rotate(-1)
        return self.by(held.shop.person, body, then=self._spent(held.shop, body.order_id, value))

    def _refund(self) -> Written | None:
        if not self.known.orders:
            return None
        shop, order, value = self.known.orders[self._random.randrange(len(self.known.orders))]
        return self.by(shop.person, Refund(order, self._order(), self._random.randint(1, value)))

    def _reverse(self) -> Written | None:
        if not self.known.issues:
            return None
        shop, order, units = self.known.issues[self._random.randrange(len(self.known.issues))]
        return self.by(shop.person, ReverseIssue(order, self._random.randint(1, units)))

    def _lot_of(self, who: Person, transferable: bool) -> tuple[Shop, int] | None:
        holdings: Holdings | None = self.view.get(holdings_key(who.address))
        mine = {shop.class_id: shop for shop in self.shops if shop.transferable or not transferable}
        for lot in holdings.lots if holdings is not None else ():
            if lot.avail and lot.class_id in mine and lot.bucket > self.now and not lot.from_day:
                return mine[lot.class_id], lot.avail
        return None

    def _exchange(self) -> Written | None:
        who = self._somebody()
        found = self._lot_of(who, False)
        if found is None:
            return None
        shop, units = found
        other = self._random.choice([s for s in self.shops if s.class_id != shop.class_id])
        return self.by(who, Exchange(shop.class_id, self._random.randint(1, units), other.class_id))

    def _transfer(self) -> Written | None:
        who, to = self._somebody(), self._somebody()
        found = self._lot_of(who, True)
        if found is None or who is to:
            return None
        return self.by(who, Transfer(found[0].class_id, self._random.randint(1, found[1]), to.address))

    def _claim(self) -> Written | None:
        here = {somebody.address for somebody in self.known.here}
        for _ in range(min(50, len(self.known.gifts))):
            gift = self.known.gifts.popleft()
            if gift.until <= self.now:
                continue
            if gift.to.address in here:
                return self.by(gift.to, gift.body)
            self.known.gifts.append(gift)
        return None

    def _asset(self) -> Written | None:
        draw = self._random.random()
        if draw < 0.4 or not self.known.for_sale:
            return self._asset_for_sale()
        if draw < 0.9:
            asset, price = self.known.for_sale.popleft()
            who = max((self._somebody() for _ in range(5)), key=self._spendable)
            return self.by(who, AssetSwap(asset, price), then=lambda _: self.known.bought.append((who, asset)))
        if not self.known.bought:
            return None
        who, asset = self.known.bought.popleft()
        return self.by(who, AssetReturn(asset))

    def _asset_for_sale(self) -> Written:
        shop, asset = self._random.choice(self.shops), self._order()
        price = self._random.randint(10, 200)

        def offer(_: Receipt) -> None:
            self.later.append(lambda: self.by(shop.person, AssetOffer(asset, price), then=on_sale))

        def on_sale(_: Receipt) -> None:
            self.known.for_sale.append((asset, price))

        return self.by(shop.person, AssetRegister(asset, thing(asset), "ticket"), then=offer)

    def _anchor(self) -> Written:
        return self.by(self._random.choice(self.shops).person, Anchor("education", thing(self._order())))

    def _attest(self) -> Written:
        body = KycAttest(self._somebody().address, 1, self.now + 365 * 86_400, thing(self._order()))
        return self.by(self.staff["attester"], body)

    def _guardians(self) -> Written:
        who = self._somebody()
        friends = sorted({self._somebody().address for _ in range(3)} - {who.address})
        return self.by(who, GuardiansSet(tuple(friends), len(friends)))


def thing(name: str) -> bytes:
    """The hash of some document."""
    return tagged_hash(TAG_THING, name.encode())

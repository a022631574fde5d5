"""What is done by the calendar in a simulated year: settlement, attestations, campaigns, votes, a freeze, a default."""

from collections.abc import Iterator
from typing import Final

from benchmarks.year_oversight import Act, Oversight
from benchmarks.year_people import MERCHANTS, RESERVE_FEN, Person, Shop, person
from benchmarks.year_traffic import Gift, Traffic, Written, thing
from points.keys import leg_key, merchant_key
from points.state import FUND, Leg, LegState, MerchantStatus, WindowState
from points.view import View
from primitives.address import encode_address
from primitives.keys import Address
from primitives.kinds import Freeze, LegConfirm, LegDispute, LegPaid, PauseClass, ReserveAttest, Unfreeze
from primitives.kinds_campaigns import (
    BatchIssue,
    CampaignClaim,
    CampaignClose,
    CampaignCreate,
    LeafProof,
    claim_leaf,
)
from primitives.kinds_governance import (
    GovExecute,
    ParameterValue,
    SetParameters,
    SetQuota,
    SetStatus,
)
from primitives.merkle import path, root

ATTEST_DAYS: Final = 60
CAMPAIGN_DAYS: Final = 30
LISTED: Final = 128  # accounts of a campaign's list
DEFAULT_DAYS: Final = range(150, 154)  # a merchant that owes pays nothing then
BACK_DAY: Final = 156  # the committee lets it begin again


class Office:
    """Decides from the calendar and the state; each act is written when it is sent."""

    def __init__(self, traffic: Traffic, view: View, oversight: Oversight) -> None:
        self._traffic: Final = traffic
        self._view: Final = view
        self._oversight: Final = oversight
        self._by_address: Final[dict[bytes, Person]] = {shop.person.address: shop.person for shop in traffic.shops}
        self._day = 0
        self._late: bytes | None = None

    def of_day(self, day: int) -> Iterator[Act]:
        """Everything that is due today."""
        self._day = day
        yield from self.payments()
        for number, shop in enumerate(self._traffic.shops):
            if day % ATTEST_DAYS == number * ATTEST_DAYS // MERCHANTS:
                yield lambda shop=shop: self._attestation(shop)  # type: ignore[misc]
        if day % CAMPAIGN_DAYS == 1:
            yield from self._campaign(day)
        yield from self._votes(day)
        yield from self._supervision(day)

    def payments(self) -> Iterator[Act]:
        """Every leg of a closed window takes its next step: paid by one side, confirmed by the other."""
        legs = self._open_legs()
        if self._day == DEFAULT_DAYS.start:
            owing = (key[9:29] for key, leg in legs if leg.state is LegState.DUE and key[9:29] != FUND)
            self._late = min(owing, default=None)
        for key, leg in legs:
            window, payer, payee = int.from_bytes(key[1:9], "big"), key[9:29], key[29:49]
            late = payer == self._late and self._day in DEFAULT_DAYS
            if leg.state in (LegState.DUE, LegState.DEFAULTED):
                if not late:
                    yield lambda w=window, p=payer, q=payee: self._paid(w, p, q)  # type: ignore[misc]
                    yield lambda w=window, p=payer, q=payee: self._confirmed(w, p, q)  # type: ignore[misc]
            elif leg.state is not LegState.CONFIRMED:
                yield lambda w=window, p=payer, q=payee: self._confirmed(w, p, q)  # type: ignore[misc]

    def _open_legs(self) -> list[tuple[bytes, Leg]]:
        """Of all windows that are not settled."""
        found: list[tuple[bytes, Leg]] = []
        for key, window in self._view.range(b"W", b"X"):
            if window.state in (WindowState.INSTRUCTED, WindowState.DEFAULTED):
                number = int.from_bytes(key[1:], "big")
                found += self._view.range(b"E" + key[1:], b"E" + (number + 1).to_bytes(8, "big"))
        return found

    def _paid(self, window: int, payer: bytes, payee: bytes) -> Written:
        body = LegPaid(window, _leg(payer, payee), thing(f"bank {window}"))
        return self._traffic.by(self._party(payer), body)

    def _confirmed(self, window: int, payer: bytes, payee: bytes) -> Written:
        leg: Leg | None = self._view.get(leg_key(window, payer, payee))
        if leg is not None and leg.state is LegState.PAID and window % 50 == 0:
            return self._traffic.by(self._party(payee), LegDispute(window, _leg(payer, payee), b"not arrived"))
        return self._traffic.by(self._party(payee), LegConfirm(window, _leg(payer, payee)))

    def _party(self, address: bytes) -> Person:
        """FUND's legs are moved by the custodian in its own name (D11)."""
        return self._traffic.staff["custodian"] if address == FUND else self._by_address[address]

    def _attestation(self, shop: Shop) -> Written:
        body = ReserveAttest(shop.person.address, RESERVE_FEN, self._traffic.now, thing(f"statement {self._day}"))
        return self._traffic.by(self._traffic.staff["custodian"], body, shop.person.key)

    def _campaign(self, day: int) -> Iterator[Act]:
        """Two merchants give points to the tourists of the month to come; the last ones close theirs early."""
        month = day // CAMPAIGN_DAYS
        for part in range(2):
            shop = self._traffic.shops[(2 * month + part) % MERCHANTS]
            yield lambda s=shop, p=part: self._creation(s, f"c{month}-{p}", day)  # type: ignore[misc]
            yield lambda s=shop, p=part: self._gift_batch(s, f"c{month}-{p}")  # type: ignore[misc]
        if month and month % 3 == 0:
            old = self._traffic.shops[(2 * month - 2) % MERCHANTS]
            yield lambda: self._traffic.by(old.person, CampaignClose(f"c{month - 1}-0"))

    def _creation(self, shop: Shop, campaign: str, day: int) -> Written:
        """Half of the month's tourists are not listed; who is, claims once."""
        first = self._traffic.next_tourist
        listed = [person(f"t{first + 3 * n}") for n in range(LISTED)]
        leaves = [claim_leaf(campaign, one.address, 300) for one in listed]
        now = self._traffic.now
        until = now + (CAMPAIGN_DAYS - 2) * 86_400
        body = CampaignCreate(campaign, shop.gift_class, 200_000, 600, now, until, root(leaves))
        self._traffic.known.gifts.extend(
            Gift(CampaignClaim(campaign, 300, LeafProof(n, LISTED, path(leaves, n))), one, until)
            for n, one in enumerate(listed)
        )
        return self._traffic.by(shop.person, body)

    def _gift_batch(self, shop: Shop, campaign: str) -> Written:
        lucky = self._traffic.known.here[:40]
        entries = tuple((one.address, 100) for one in lucky)
        return self._traffic.by(shop.person, BatchIssue(campaign, shop.gift_class, entries, f"gift-{campaign}"))

    def _votes(self, day: int) -> Iterator[Act]:
        """A quota each month, the parameters once, and the late merchant's return."""
        staff = self._traffic.staff
        if day % 30 == 10:
            shop = self._traffic.shops[day % MERCHANTS]
            payload = SetQuota(shop.person.address, quota=10**9)
            yield from self._oversight.decision(f"quota-{day}", payload)
            yield lambda: self._traffic.by(staff["member0"], GovExecute(f"quota-{day}"))  # TIMELOCK
        if day == 200:
            yield from self._oversight.decision("fees", SetParameters((ParameterValue("fee_bps", 60),)))
        if day == BACK_DAY:
            late = self._late
            if late is not None and self._view.get(merchant_key(late)).status is MerchantStatus.SUSPENDED:
                yield from self._oversight.decision("return", SetStatus(late, "ACTIVE"))

    def _supervision(self, day: int) -> Iterator[Act]:
        """Once a week an account is frozen for a day; once a quarter a class rests for an hour."""
        regulator, now = self._traffic.staff["regulator"], self._traffic.now
        if day % 7 == 3 and self._traffic.known.here:
            target = self._traffic.known.here[0].address
            yield lambda: self._traffic.by(regulator, Freeze(target, "OUT", b"case", now + 86_400))
            if day % 14 == 3:
                yield lambda: self._traffic.by(regulator, Unfreeze(target))
        if day % 90 == 45:
            paused = self._traffic.shops[1].class_id
            yield lambda: self._traffic.by(regulator, PauseClass(paused, now + 3_600))


def _leg(payer: bytes, payee: bytes) -> str:
    return f"{encode_address(Address(payer))}->{encode_address(Address(payee))}"

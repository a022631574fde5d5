"""What committee, regulator and guardians do in a simulated year: trials, corrections, alerts, a pause, lost phones."""

from collections.abc import Callable, Iterator
from typing import Final

from benchmarks.year_people import MEMBERS, MERCHANTS, Person, Shop, person
from benchmarks.year_traffic import Traffic, Written, thing
from points.keys import order_key
from points.state import IssueOrder
from points.view import View
from primitives.kinds import AccountKey, ClassCreate, Issue, KeyAdd, KeyRevoke, RecoveryStart
from primitives.kinds_errata import Credit, Errata, OrderOriginal
from primitives.kinds_governance import GovPropose, GovVote, Payload
from primitives.kinds_identity import GuardiansSet, RecoveryApprove, RecoveryFinish
from primitives.kinds_risk import AlertAck
from primitives.kinds_sandbox import EmergencyPause, SandboxEnrol, SandboxOpen

Act = Callable[[], Written]
DAY: Final = 86_400
UTC8: Final = 28_800
LAST_SANDBOX: Final = 300  # day: the trials of a year are over and forgotten by the end of the rest
PAUSE_DAY: Final = 100
TRIAL_FEN: Final = 100_000
ADDRESS_BYTES: Final = 20


class Oversight:
    """Decides from the calendar and the state; each act is written when it is sent."""

    def __init__(self, traffic: Traffic, view: View) -> None:
        self._traffic: Final = traffic
        self._view: Final = view
        self._lost: tuple[Person, tuple[Person, Person]] | None = None

    def of_day(self, day: int) -> Iterator[Act]:
        """Everything that is due today."""
        month, in_month = divmod(day, 30)
        shop = self._traffic.shops[month % MERCHANTS]
        if in_month == 5 and day < LAST_SANDBOX:
            yield from self.decision(f"trial-{month}", self._trial(f"s{month}", shop))
        if in_month == 7 and day < LAST_SANDBOX:
            yield from self._trial_begins(f"s{month}", shop)
        if in_month == 15:
            yield from self._correction(month)
        if in_month == 20:
            yield from self._phone_lost(month)
        if in_month == 24:
            yield from self._phone_replaced()
        if day % 7 == 6:
            yield from self._inbox()
            yield from self._till(day)
        if day == PAUSE_DAY:
            yield lambda: self._regulator(EmergencyPause(self._traffic.now + 3_600, b"drill"))

    def decision(self, name: str, payload: Payload) -> Iterator[Act]:
        """A proposal and every member's vote for it."""
        staff = self._traffic.staff
        yield lambda: self._traffic.by(staff[MEMBERS[0]], GovPropose(name, payload, thing(name)))
        for member in MEMBERS:
            yield lambda m=member: self._traffic.by(staff[m], GovVote(name, "YES"))  # type: ignore[misc]

    def _regulator(self, body: EmergencyPause | AlertAck) -> Written:
        return self._traffic.by(self._traffic.staff["regulator"], body)

    def _trial(self, name: str, shop: Shop) -> SandboxOpen:
        now = self._traffic.now
        return SandboxOpen(name, shop.person.address, 50, TRIAL_FEN, now, now + 15 * DAY, TRIAL_FEN, thing(name))

    def _trial_begins(self, name: str, shop: Shop) -> Iterator[Act]:
        """A class, a list, and points for everybody on it."""
        guests = tuple(self._traffic.known.here[:10])
        create = ClassCreate(class_id=name, uv=10_000, validity_days=20, sandbox=name)
        yield lambda: self._traffic.by(shop.person, create)
        yield lambda: self._traffic.by(shop.person, SandboxEnrol(name, tuple(guest.address for guest in guests)))
        for guest in guests:
            body = Issue(name, guest.address, 500, f"{name}-{guest.name}", "BONUS", 500)
            yield lambda b=body: self._traffic.by(shop.person, b)  # type: ignore[misc]

    def _correction(self, month: int) -> Iterator[Act]:
        """The last order that can still be found was short by fifty points."""
        if not self._traffic.known.issues:
            return
        shop, order, _ = self._traffic.known.issues[-1]
        found = self._view.get(order_key(shop.person.address, order))
        if isinstance(found, IssueOrder):
            midnight = (self._traffic.now + UTC8) // DAY * DAY - UTC8
            credit = Credit(found.to, shop.class_id, 50, midnight + 10 * DAY)
            original = OrderOriginal(shop.person.address, order, found.tx)
            payload = Errata(1, original, (credit,), "WRONG_AMOUNT", thing(order))
            yield from self.decision(f"errata-{month}", payload)

    def _phone_lost(self, month: int) -> Iterator[Act]:
        """Somebody who has left the island named two of those who are here."""
        if len(self._traffic.known.here) < 2:
            return
        owner = person(f"t{month}")
        guardians = (self._traffic.known.here[0], self._traffic.known.here[1])
        self._lost = (owner, guardians)
        first, second = guardians
        keys = (AccountKey(person(f"{owner.name}-new-{month}").key),)
        yield lambda: self._traffic.by(owner, GuardiansSet((first.address, second.address), 2))
        yield lambda: self._traffic.by(first, RecoveryStart(owner.address, keys, 1))
        yield lambda: self._traffic.by(second, RecoveryApprove(owner.address))

    def _phone_replaced(self) -> Iterator[Act]:
        if self._lost is not None:
            owner, (first, _) = self._lost
            self._lost = None
            yield lambda: self._traffic.by(first, RecoveryFinish(owner.address))

    def _inbox(self) -> Iterator[Act]:
        """The regulator looks into five alerts a week."""
        waiting = [key for key, alert in self._view.range(b"x", b"y") if not alert.acked][:5]
        for key in waiting:
            rule, _, parties = key[1:].partition(b"\x00")
            subject, other = parties[:ADDRESS_BYTES], parties[ADDRESS_BYTES:] or None
            body = AlertAck(rule.decode(), subject, thing("note"), other)  # type: ignore[arg-type]
            yield lambda b=body: self._regulator(b)  # type: ignore[misc]

    def _till(self, day: int) -> Iterator[Act]:
        """A merchant gives a till its own key, and takes last week's away."""
        shop = self._traffic.shops[0].person
        yield lambda: self._traffic.by(shop, KeyAdd(person(f"till-{day}").key, "pos", 100_000, bytes(64)))
        if day > 7:
            yield lambda: self._traffic.by(shop, KeyRevoke(person(f"till-{day - 7}").key))

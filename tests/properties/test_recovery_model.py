"""Recovery against a reference of its own: votes of guardians and a clock; both say the same after every step.

The keys of an account change only when as many of its present guardians as it asked for have stood behind the same keys
for 72 hours without a break, and no owner objected. Whoever does what: no point moves.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from points.keys import account_key, recoveries_key
from primitives.codes import Code
from primitives.kinds import AccountKey, Freeze, RecoveryStart, Unfreeze
from primitives.kinds_identity import GuardiansSet, KeyLimit, RecoveryApprove, RecoveryCancel, RecoveryFinish
from primitives.recovery import recovery_id
from tests.points.market import DAY, Market, address, key_of

PEOPLE = ("v", "A", "B", "C")
DELAY, WEEK, LAPSE = 72 * 3600, 7 * DAY, 30 * DAY
people = st.sampled_from(PEOPLE)
chairs = st.integers(0, 7)  # mostly one of the guardians, now and then anybody
new_keys = st.sampled_from(("k1", "k2"))
rare = st.integers(0, 9)  # the owner and the regulator act in one case of ten, or nothing would ever ripen
maybe_keys = st.one_of(st.none(), new_keys)


def keys(name: str) -> tuple[AccountKey, ...]:
    return (AccountKey(key_of(name).public_key),)


class Recovering(RuleBasedStateMachine):
    """One account u, four that may guard it, three sets of keys."""

    @initialize(names=st.lists(people, min_size=2, unique=True), share=st.integers(1, 3))
    def begin(self, names: list[str], share: int) -> None:
        self.market = Market()
        self.market.issue("hA", 1000)
        self.holder = "u"
        self.guardians: tuple[str, ...] = ()
        self.needed = 0
        self.next: tuple[tuple[str, ...], int, int] | None = None  # guardians, needed, second
        self.frozen = ""
        self.clear()
        self.name_guardians(names, share, 0)
    # ---- the reference

    def open(self) -> set[str]:
        for name in [name for name, last in self.last_vote.items() if self.market.time >= last + LAPSE]:
            self.votes = {who: chosen for who, chosen in self.votes.items() if chosen != name}
            self.forget(name)
        return set(self.votes.values())

    def forget(self, name: str) -> None:
        self.last_vote.pop(name, None)
        self.enough_since.pop(name, None)

    def supporters(self, name: str) -> int:
        return sum(chosen == name for chosen in self.votes.values())

    def clear(self) -> None:
        self.votes: dict[str, str] = {}  # guardian -> keys
        self.enough_since: dict[str, int] = {}  # keys -> second
        self.last_vote: dict[str, int] = {}

    def vote(self, who: str, name: str) -> Code:
        self.votes[who] = name
        self.last_vote[name] = self.market.time
        if self.supporters(name) >= self.needed:
            self.enough_since.setdefault(name, self.market.time)
        return Code.OK

    def settle(self) -> None:
        """Fewer guardians count after a week, once no recovery is open."""
        if self.next is not None and self.market.time >= self.next[2] and not self.open():
            self.guardians, self.needed, self.next = self.next[0], self.next[1], None

    def outsider(self, who: str) -> Code:
        self.settle()
        if who not in self.guardians:
            return Code.NOT_GUARDIAN if self.guardians else Code.NO_GUARDIANS
        return Code.ACCOUNT_FROZEN if self.frozen == "ALL" else Code.OK

    def named(self, name: str | None) -> list[str]:
        found = self.open()
        return sorted(found) if name is None else [name] if name in found else []

    def id(self, name: str | None) -> bytes | None:
        return None if name is None else recovery_id(address("u"), keys(name), 1)

    def seated(self, chair: int) -> str:
        if chair < 6 and self.guardians:
            return self.guardians[chair % len(self.guardians)]
        return PEOPLE[chair % len(PEOPLE)]

    # ---- what people do

    @rule(chair=chairs, name=new_keys)
    def start_by(self, chair: int, name: str) -> None:
        self.start(self.seated(chair), name)

    def start(self, who: str, name: str) -> None:
        found = self.open()
        expected = self.outsider(who)
        if not expected:
            expected = Code.RECOVERY_OPEN if who in self.votes or name in found else self.vote(who, name)
        assert self.market.do(who, RecoveryStart(address("u"), keys(name), 1)) is expected

    @rule(chair=chairs, name=maybe_keys)
    def approve_by(self, chair: int, name: str | None) -> None:
        self.approve(self.seated(chair), name)

    def approve(self, who: str, name: str | None) -> None:
        found = self.named(name)
        expected = self.outsider(who)
        if not expected and not found:
            expected = Code.RECOVERY_UNKNOWN
        elif not expected and (len(found) > 1 or self.votes.get(who, found[0]) != found[0]):
            expected = Code.RECOVERY_OPEN
        elif not expected:
            expected = Code.ALREADY_APPROVED if who in self.votes else self.vote(who, found[0])
        assert self.market.do(who, RecoveryApprove(address("u"), self.id(name))) is expected

    @rule(chair=chairs, luck=st.integers(0, 3))
    def withdraw(self, chair: int, luck: int) -> None:
        who = self.seated(chair)
        self.open()
        if luck and (luck < 3 or who not in self.votes):
            return
        expected = Code.OK if who in self.votes else Code.RECOVERY_UNKNOWN
        if not expected:
            name = self.votes.pop(who)
            if self.supporters(name) < self.needed:
                self.enough_since.pop(name, None)
            if not self.supporters(name):
                self.forget(name)
        assert self.market.do(who, RecoveryCancel(address("u"))) is expected

    @rule(who=people, name=maybe_keys)
    def finish(self, who: str, name: str | None) -> None:
        found = self.named(name)
        since = min((self.enough_since[key] for key in found if key in self.enough_since), default=None)
        winners = {key for key in found if self.enough_since.get(key) == since}
        if not found:
            expected = Code.RECOVERY_UNKNOWN
        elif self.frozen == "ALL":
            expected = Code.ACCOUNT_FROZEN
        else:
            ready = since is not None and self.market.time >= since + DELAY
            expected = Code.OK if ready else Code.RECOVERY_DELAY
        assert self.market.do(who, RecoveryFinish(address("u"), self.id(name))) is expected
        if not expected:
            self.clear()
            self.next = None
            public = self.market.view.get(account_key(address("u"))).keys[0].key
            (self.holder,) = [key for key in winners if key_of(key).public_key == public]

    # ---- what the owner and the regulator do

    @rule(luck=rare)
    def cancel(self, luck: int) -> None:
        if luck:
            return
        expected = Code.ACCOUNT_FROZEN if self.frozen else Code.OK if self.open() else Code.RECOVERY_UNKNOWN
        assert self.market.do("u", RecoveryCancel(), signers=[self.holder]) is expected
        if not expected:
            self.clear()

    @rule(luck=rare)
    def change_a_limit(self, luck: int) -> None:
        if luck:
            return
        expected = Code.ACCOUNT_FROZEN if self.frozen else Code.OK
        body = KeyLimit(key_of(self.holder).public_key, None)
        assert self.market.do("u", body, signers=[self.holder]) is expected
        if not expected:
            self.clear()

    @rule(names=st.lists(people, unique=True), share=st.integers(1, 4), luck=rare)
    def name_guardians(self, names: list[str], share: int, luck: int) -> None:
        if luck:
            return
        needed = min(share, len(names))
        body = GuardiansSet(tuple(address(name) for name in names), needed)
        expected = Code.ACCOUNT_FROZEN if self.frozen else Code.OK
        assert self.market.do("u", body, signers=[self.holder]) is expected
        self.settle()
        if not expected:
            if set(self.guardians) <= set(names) and (not self.guardians or needed <= self.needed):
                self.guardians, self.needed, self.next = tuple(names), needed, None
            else:
                self.next = tuple(names), needed, self.market.time + WEEK
            self.clear()

    @rule(mode=st.sampled_from(("", "OUT", "ALL")), luck=rare)
    def freeze(self, mode: str, luck: int) -> None:
        if luck:
            return
        if mode:
            self.market.ok("regulator", Freeze(address("u"), mode, b"", 2**40))  # type: ignore[arg-type]
        else:
            self.market.ok("regulator", Unfreeze(address("u")))
        self.frozen = mode

    @rule(seconds=st.sampled_from((1, DAY, DELAY, WEEK)), name=maybe_keys)
    def wait(self, seconds: int, name: str | None) -> None:
        self.market.advance(seconds)
        if self.open():
            self.finish("C", name)

    @rule(name=new_keys)
    def gather(self, name: str) -> None:
        """Guardians who stand behind nothing approve, until they are enough."""
        for who in self.guardians:
            if who in self.votes or self.supporters(name) >= self.needed:
                continue
            if name in self.open():
                self.approve(who, name)
            else:
                self.start(who, name)

    @rule(name=new_keys, early=st.integers(0, 1), lapse=st.booleans())
    def wait_for(self, name: str, early: int, lapse: bool) -> None:
        """To the second in which something ripens or lapses, or the one before; then somebody tries."""
        since = self.last_vote.get(name) if lapse else self.enough_since.get(name)
        if since is None:
            return
        self.market.at(max(self.market.time, since + (LAPSE if lapse else DELAY) - early))
        self.finish("C", None if lapse else name)

    def teardown(self) -> None:
        if not hasattr(self, "market"):
            return
        account = self.market.view.get(account_key(address("u")))
        assert account.keys == keys(self.holder)
        assert sum(lot.avail for lot in self.market.lots()) == 1000
        self.market.advance(LAPSE + 1)
        assert self.market.view.get(recoveries_key(address("u"))) is None


TestRecovery = Recovering.TestCase
TestRecovery.settings = settings(max_examples=150)

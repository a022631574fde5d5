"""A whole town under the rules: every office, merchants with treasuries, a committee, validators; time may jump.

Blocks are applied as a node does it, and each step is judged by town_laws. What was done is kept, so that the end can
be replayed from genesis (INV-14). Everything random comes from one number per step: they tell a failure.
"""

from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple

from msgspec.structs import replace

from points.governance_records import ProposalState
from points.state import FUND, Role, decode_value, encode_value
from points.transition import apply_block, genesis_state
from points.validators import EpochNote, next_seats, register
from points.view import Memory
from primitives.codec import Malformed, decode_canonical, decoder, encode
from primitives.codes import Code
from primitives.genesis import Genesis, GenesisAccount, GenesisClass, GenesisMerchant, Limits, Parameters, chain_id
from primitives.hashing import tagged_hash
from primitives.keys import Address, PublicKey, SigningKey, address_of
from primitives.kinds import AccountKey, BatchOperations, Body, ClassCreate, Refund, kind_of
from primitives.receipt import Event, Receipt
from primitives.transaction import Decoded, Envelope, KeySignature, Transaction
from primitives.validators import Validator
from tests.properties import town_laws
from tests.properties.town_laws import Seen

START = 1_759_913_600
DAY = 86_400
NO_SIGNATURE = bytes(64)
_DECODER = decoder(Transaction)
MERCHANTS = ("A", "B", "C", "D")
TOURISTS = ("u", "v", "w", "t", "n")
WEIGHTS = {"m1": 30, "m2": 25, "m3": 20, "m4": 15, "m5": 10}
OFFICES = {"op": "operator", "op2": "operator", "bank": "custodian", "reg": "regulator", "kyc": "attester",
           "aud": "auditor"}  # fmt: skip


@cache
def key_of(name: str) -> PublicKey:
    """The public key of a name; nothing is ever signed here: admission did."""
    return SigningKey.from_seed(tagged_hash(b"test/town", name.encode())).public_key


@cache
def address(name: str) -> Address:
    """The account whose first key is that of the name."""
    return Address(FUND) if name == "FUND" else address_of(key_of(name))


class Act(NamedTuple):
    """A wish: who, what, and by which keys."""

    sender: bytes
    body: Body
    keys: tuple[bytes, ...]


def _keys(name: str, dice: Random) -> tuple[tuple[AccountKey, ...], int]:
    """Of an account of genesis: A has a treasury of two out of three and a key per desk."""
    if name == "A":
        desks = (("issuer", None), ("pos", dice.choice([None, 40, 5_000])), ("settlement", None))
        owners = tuple(AccountKey(key_of(owner)) for owner in ("A", "A2", "A3"))
        return owners + tuple(AccountKey(key_of(f"A.{role}"), role, limit) for role, limit in desks), 2
    if name == "B":
        return (AccountKey(key_of("B")), AccountKey(key_of("B.issuer"), "issuer", dice.choice([None, 300]))), 1
    limit = 400 if name == "t" and dice.random() < 0.5 else None
    return (AccountKey(key_of(name), "owner", limit),), 1


def _classes(dice: Random) -> list[tuple[str, ClassCreate]]:
    days, pending = dice.choice([2, 5, 30]), dice.choice([0, 2])
    return [
        ("A", ClassCreate("hA", 10_000, 365, transferable=True)),
        ("A", ClassCreate("a3", 3_333, days, "DAY", dice.choice([0, 1]), "GRACE", dice.choice([0, 1, 40]))),
        ("A", ClassCreate("aR", 10_000, 40, kind="RESTRICTED", scope=("HOTEL", "TRANSPORT"))),
        ("B", ClassCreate("hB", 10_000, 20, "MONTH_END", refund_policy="FORFEIT", transferable=True)),
        ("B", ClassCreate("b9", 9_999, 9, "DAY", pending, earn_cap_bps=dice.choice([0, 2_000]), max_per_order=500)),
        ("C", ClassCreate("c1", 1, 3, "DAY", 0, "GRACE", 5, transferable=True, exchange_in_quota=4_000_000)),
        ("D", ClassCreate("hD", 10_000, 1_000, "YEAR_END", exchangeable=dice.random() < 0.7)),
    ]


def _parameters(dice: Random, giant: bool) -> Parameters:
    """Close to every limit now and then; where amounts are near 2**64, nothing else is in their way."""
    pick = dice.choice
    if giant:
        most = 2**64 - 1
        return Parameters(
            reserve_ratio_bps=1, refund_window_days=30, return_window_days=30, static_cap=most, kyc0_lifetime=most,
            kyc1_year=most, kyc2_year=most, waterfall=pick([0, 1, 2]), breakage_share_bps=pick([0, 10_000]),
            errata_cap=10**15, fee_bps=pick([0, 10_000]), exchange_fee_bps=pick([0, 10_000]),
        )  # fmt: skip
    return Parameters(
        fee_bps=pick([0, 50, 50, 333]), exchange_fee_bps=pick([0, 100, 1_000]), reserve_ratio_bps=pick([1_000, 4_000]),
        refund_window_days=pick([1, 5, 30]), return_window_days=pick([0, 3, 30]), attestation_days=pick([2, 30, 90]),
        settle_days=pick([1, 2]), static_cap=pick([50, 50_000]), kyc0_lifetime=pick([60, 100_000]),
        transfer_day=pick([0, 0, 100]), holder_limit=pick([0, 0, 900]), quota=pick([0, 0, 2_000]),
        breakage_share_bps=pick([0, 1_000]), sponsor_day=pick([1, 1_000]), waterfall=pick([0, 1, 2, 2]),
        operator_validators=pick([0, 1]),
    )  # fmt: skip


def genesis_of(dice: Random) -> Genesis:
    """Always the same people; what they may do differs."""
    giant = dice.random() < 0.1
    roles: dict[str, Any] = {**dict.fromkeys(MERCHANTS, "merchant"), **dict.fromkeys(TOURISTS, "tourist"), **OFFICES}
    members = dict.fromkeys(WEIGHTS, "committee") if dice.random() < 0.9 else {}
    accounts = []
    for name, role in (roles | members).items():
        keys, threshold = _keys(name, dice)
        tier = 0 if name == "w" else 2
        accounts.append(GenesisAccount(keys, role, threshold, tier, weight=WEIGHTS.get(name, 0)))
    reserves = {"A": 400_000, "B": dice.choice([500, 20_000]), "C": dice.choice([300, 50_000]), "D": 10**9}
    if giant:
        reserves = dict.fromkeys(MERCHANTS, 2**63)
    categories = {"A": "HOTEL", "B": "DINING_RETAIL", "C": "TRANSPORT", "D": "CULTURE_ENT"}
    return Genesis(
        format=1, name="town", time=START,
        validators=tuple(Validator(f"v{seat}", key_of(f"v{seat}"), b"\x30" + b"v%d" % seat) for seat in range(5)),
        accounts=tuple(accounts),
        merchants=tuple(
            GenesisMerchant(address(name), categories[name], name, name, reserve,  # type: ignore[arg-type]
                            dice.choice([0, 0, 700]), dice.choice([0, 0, 0, 900]))
            for name, reserve in reserves.items()
        ),
        classes=tuple(GenesisClass(address(issuer), create) for issuer, create in _classes(dice)),
        parameters=_parameters(dice, giant), limits=Limits(handover_blocks=dice.choice([0, 3]), blacklist_blocks=20),
    )  # fmt: skip


def _comparable(view: Memory) -> dict[bytes, Any]:
    """The state without heights, and without what is written at the beginning or end of a block."""
    return {
        key: replace(record, height=0, index=0) if hasattr(record, "index") else record
        for key, record in view.records.items()
        if key[0] not in b"sPv" and key[:2] != b"lt"
    }


class Town:
    """A network of the rules alone. `attempt` judges one transaction; `reached` counts (kind, code)."""

    def __init__(self, seed: int) -> None:
        self.genesis = genesis_of(Random(seed))
        self.giant = self.genesis.parameters.errata_cap == 10**15
        self.chain_id = chain_id(self.genesis)
        self.view = Memory()
        self.view.apply(genesis_state(self.genesis))
        self.now, self.height, self.operations = START, 0, 0
        self.log: list[tuple[int, list[Decoded], EpochNote]] = []
        self.past: list[Act] = []  # what was done, for repetitions
        self.lists: dict[str, list[tuple[bytes, int]]] = {}  # of campaigns: their merchants keep them at home
        self.reached: dict[tuple[str, str], int] = {}
        self.done: dict[tuple[Any, ...], Seen] = {}  # by order key (INV-13)
        self.changed: dict[bytes, Any] = {}
        self.events: tuple[Event, ...] = ()  # of time, in the newest block
        self._count = 0

    # ---- what stands in the state

    def rows(self, prefix: bytes) -> list[tuple[bytes, Any]]:
        """Every (key, record) under the prefix."""
        return list(self.view.range(prefix, prefix[:-1] + bytes([prefix[-1] + 1])))

    def accounts(self) -> list[bytes]:
        """All but the fund."""
        return [key[1:] for key, _ in self.rows(b"A") if key[1:] != FUND]

    def holding(self, bits: int) -> list[bytes]:
        """Accounts with one of these roles."""
        return [key[1:] for key, account in self.rows(b"A") if account.roles & bits]

    def keys_for(self, sender: bytes, role: str, dice: Random) -> tuple[bytes, ...]:
        """Enough keys for the role, as the account stands now; a desk's key now and then."""
        account = self.view.get(b"A" + sender)
        if account is None:
            return ()
        if sender == FUND:
            return self.keys_for(dice.choice(self.holding(Role.CUSTODIAN)), "owner", dice)
        desk = [key.key for key in account.keys if key.role == role and role != "owner"]
        if desk and dice.random() < 0.6:
            return (dice.choice(desk),)
        owners = [key.key for key in account.keys if key.role == "owner"]
        return tuple(dice.sample(owners, account.threshold))

    # ---- blocks

    def transaction(self, act: Act) -> Decoded | None:
        """Never twice the same id. None: no signer, or bytes that nobody could decode."""
        self._count += 1
        envelope = Envelope(self.chain_id, act.sender, self._count.to_bytes(16, "big"), self.now + 600, act.body)
        pairs = tuple(KeySignature(key, NO_SIGNATURE) for key in sorted(set(act.keys)))
        if not pairs:
            return None
        try:
            found = decode_canonical(_DECODER, encode(Transaction(envelope, pairs)))
        except (Malformed, OverflowError):
            return None
        return Decoded(b"", found, tagged_hash(b"test/id", envelope.nonce))

    def _block(self, transactions: list[Decoded], note: EpochNote) -> list[Receipt]:
        previous = self.log[-1][0] if self.log else START
        self.height += 1
        self.log.append((self.now, transactions, note))
        done = apply_block(
            self.view, time_s=self.now, previous_s=previous, height=self.height, chain_id=self.chain_id,
            transactions=transactions, seen=lambda _: False, note=note,
        )  # fmt: skip
        self.changed, self.events = done.changes, done.events
        self.view.apply(done.changes)
        for record in done.changes.values():
            assert record is None or encode_value(record), "what no ledger could store"
        assert encode((done.events, [receipt for receipt in done.receipts if receipt is not None]))
        for event in (*done.events, *(e for r in done.receipts if r is not None for e in r.events)):
            if event.kind == "ProposalDecided":
                fields = dict(event.fields)
                self.count(str(fields["action"]), str(fields["state"]))
        return [receipt for receipt in done.receipts if receipt is not None]

    def _note(self, closes: bool = False, place: tuple[int, int] | None = None) -> EpochNote:
        return EpochNote(closes, max(0, self.height), register(self.view).leaders[0], place)

    def count(self, kind: str, code: str) -> None:
        self.reached[kind, code] = self.reached.get((kind, code), 0) + 1

    def move(self, to: int, dice: Random) -> None:
        """An empty block at a later second: what time alone does; an epoch closes if it must."""
        before = dict(self.view.records)
        self.now = max(to, self.now)
        of = register(self.view)
        closes = next_seats(of) is not None and dice.random() < 0.8
        place = (of.view + dice.randint(1, 3), self.height) if dice.random() < 0.05 else None
        self._block([], self._note(closes, place))
        town_laws.judge_time(before, self.view, self.now, self.events)

    def attempt(self, act: Act) -> str:
        """One transaction in a block of its own; the name of its code."""
        transaction = self.transaction(act)
        if transaction is None:
            return ""
        before, head = dict(self.view.records), self.view.get(b"w").window
        receipts = self._block([transaction], self._note())
        self.operations += 1
        receipt = receipts[0]
        code = Code(receipt.code).name
        for kind in self._kinds(act.body):
            self.count(kind, code)
        if code != "OK":
            assert receipt.events == (), f"{code} left events"
            self._nothing_but_time(before, code)
        town_laws.judge_repetition(self, act, receipt)
        if code == "OK":
            town_laws.judge(before, self.view, self.now, act.sender, act.body, receipt, head)
            self.past.append(act)
            self._note_done(act, receipt)
        return code

    def _nothing_but_time(self, before: dict[bytes, Any], code: str) -> None:
        """A reject changed nothing: what the block did, an empty one does too (a trial stops at the next block)."""
        if not self.changed:
            return
        below = Memory()
        below.apply(before)
        empty = apply_block(
            below, time_s=self.now, previous_s=self.log[-2][0] if len(self.log) > 1 else START, height=self.height,
            chain_id=self.chain_id, transactions=(), seen=lambda _: False, note=self.log[-1][2],
        )  # fmt: skip
        assert empty.changes == self.changed, f"{code} changed {list(self.changed)}"

    def _note_done(self, act: Act, receipt: Receipt) -> None:
        name = town_laws.identity(act.sender, act.body)
        if name:
            at = self.now
            if isinstance(act.body, Refund):  # is known for as long as its order
                at = self.view.get(b"O" + act.sender + act.body.order_id.encode()).created
            self.done[name] = Seen(act.sender, act.body, at, (receipt.tx, receipt.height, receipt.index))

    @staticmethod
    def _kinds(body: Body) -> list[str]:
        if isinstance(body, BatchOperations):
            return ["batch"]
        return [kind_of(body)]

    def together(self, acts: Sequence[Act]) -> list[str]:
        """Several transactions in one block. Those that fail might as well not have been there."""
        pairs = [(act, transaction) for act in acts if (transaction := self.transaction(act)) is not None]
        acts, transactions = [act for act, _ in pairs], [transaction for _, transaction in pairs]
        before, at, height = dict(self.view.records), self.now, self.height
        note = self._note()
        below = Memory()
        below.apply(before)
        receipts = self._block(transactions, note)
        failed = {receipt.tx for receipt in receipts if receipt.code != Code.OK}
        again = apply_block(
            below, time_s=at, previous_s=self.log[-2][0] if len(self.log) > 1 else START, height=height + 1,
            chain_id=self.chain_id, transactions=transactions, seen=failed.__contains__, note=note,
        )  # fmt: skip
        assert again.changes == self.changed, "a reject changed what its block did"
        self._as_alone(before, transactions, [receipt.code for receipt in receipts])
        codes = []
        for act, receipt in zip(acts, receipts, strict=True):
            self.operations += 1
            codes.append(Code(receipt.code).name)
            for kind in self._kinds(act.body):
                self.count(kind, codes[-1])
            if receipt.code == Code.OK:
                self.past.append(act)
        town_laws.judge_block(before, self.view, self.now, receipts)
        return codes

    def _as_alone(self, before: dict[bytes, Any], transactions: list[Decoded], codes: list[int]) -> None:
        """Blocks of one transaction each do the same at the same second: nothing that a block remembers is stale."""
        alone, found = Memory(), []
        alone.apply(before)
        previous = self.log[-2][0] if len(self.log) > 1 else START
        for number, transaction in enumerate(transactions):
            done = apply_block(
                alone, time_s=self.now, previous_s=previous, height=self.height + number, chain_id=self.chain_id,
                transactions=[transaction], seen=lambda _: False, note=self.log[-1][2],
            )  # fmt: skip
            alone.apply(done.changes)
            previous = self.now
            found += [receipt.code for receipt in done.receipts if receipt is not None]
        if found == codes:
            mine, theirs = _comparable(self.view), _comparable(alone)
            differing = [key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)]
            assert differing == [], f"in one block {[(mine.get(k), theirs.get(k)) for k in differing[:3]]}"
        else:  # a trial stops at the next block: its points are spent in the one, and not in the other
            assert any(record.over for _, record in alone.range(b"s", b"t")), f"in one block {codes}, alone {found}"

    # ---- the end

    def replay(self) -> None:
        """All blocks again from genesis: the same state, byte for byte (INV-14)."""
        again, previous = Memory(), START
        again.apply(genesis_state(self.genesis))
        for height, (at, transactions, note) in enumerate(self.log, 1):
            done = apply_block(
                again, time_s=at, previous_s=previous, height=height, chain_id=self.chain_id,
                transactions=transactions, seen=lambda _: False, note=note,
            )  # fmt: skip
            again.apply(done.changes)
            previous = at
        assert again.records == self.view.records, "INV-14: the replay ends in another state"
        for key, record in again.records.items():
            stored = encode_value(record)
            assert decode_value(key, stored) == record, f"{key!r} is not what was stored"
            assert encode(decode_value(key, stored)) == stored, f"{key!r} has two spellings"

    def open_proposals(self) -> list[tuple[str, Any]]:
        """(id, record)."""
        return [(key[1:].decode(), of) for key, of in self.rows(b"h") if of.state is ProposalState.OPEN]

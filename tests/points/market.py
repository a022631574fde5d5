"""A small market for the rule tests: merchants A, B, C, D, tourists u and v, one of each office, and a clock.

The fixture of the acceptance scenarios: class hX per merchant X, uv 10,000, 365 days, DAY, GRACE(30); reserves 4,000
yuan, D 400.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from points.invariants import violations
from points.keys import hold_key, holdings_key
from points.queries import account as account_query
from points.queries import exposure as exposure_query
from points.queries import obligations as obligations_query
from points.queries import window as window_query
from points.state import FUND, Hold, Lot
from points.transition import BlockOutcome, apply_block, genesis_state
from points.validators import EpochNote
from points.view import Memory
from primitives.address import encode_address
from primitives.codec import encode
from primitives.codes import Code
from primitives.genesis import FORMAT, Genesis, GenesisAccount, GenesisClass, GenesisMerchant, Parameters, chain_id
from primitives.hashing import tagged_hash
from primitives.keys import Address, Signature, SigningKey, address_of, verify
from primitives.kinds import (
    AccountKey,
    AccountOpen,
    Authorize,
    Body,
    ClassCreate,
    Issue,
    KeyAdd,
    LegConfirm,
    LegPaid,
    PayCode,
    PaymentRequest,
    Redeem,
)
from primitives.receipt import Receipt
from primitives.transaction import (
    Decoded,
    Envelope,
    KeySignature,
    Transaction,
    key_proof_digest,
    pay_code_digest,
    request_digest,
    sponsor_digest,
    transaction_id,
)

START = 1_759_913_600
DAY = 86_400
RESERVES = {"A": 400_000, "B": 400_000, "C": 400_000, "D": 40_000}
CATEGORIES = {"A": "HOTEL", "B": "DINING_RETAIL", "C": "TRANSPORT", "D": "CULTURE_ENT"}
OFFICES = ("operator", "regulator", "custodian", "attester")


_HELD: dict[bytes, SigningKey] = {}  # every key that a test has named, by its public key


def key_of(name: str) -> SigningKey:
    """The key of a name; "A.pos" is another key than "A"."""
    key = SigningKey.from_seed(tagged_hash(b"test", name.encode()))
    _HELD[key.public_key] = key
    return key


KEYS = {name: key_of(name) for name in (*RESERVES, "u", "v", "w", *OFFICES)}
ADDRESS: dict[str, Address] = {name: address_of(key.public_key) for name, key in KEYS.items()} | {"FUND": Address(FUND)}
NAMES = {address: name for name, address in ADDRESS.items()}
PUBLIC = {name: key.public_key for name, key in KEYS.items()}


def class_of(class_id: str, **fields: Any) -> ClassCreate:
    """A class of the fixture with some fields changed."""
    return ClassCreate(class_id, **({"uv": 10_000, "validity_days": 365} | fields))


def genesis_of(
    classes: Iterable[tuple[str, ClassCreate]] = (), merchants: dict[str, dict[str, int]] | None = None,
    extra_keys: dict[str, tuple[AccountKey, ...]] | None = None, tiers: dict[str, int] | None = None, **parameters: int,
) -> Genesis:  # fmt: skip
    """The fixture's genesis. Further classes replace those of the same id; `merchants` gives fields per merchant."""
    table = {f"h{name}": (name, class_of(f"h{name}")) for name in RESERVES}
    table |= {create.class_id: (issuer, create) for issuer, create in classes}
    tiers = {"u": 2, "v": 2} | (tiers or {})
    accounts = [
        GenesisAccount(
            (AccountKey(PUBLIC[name]), *(extra_keys or {}).get(name, ())), role, tier=tiers.get(name, 0)
        )
        for name, role in [
            *((name, "merchant") for name in RESERVES), ("u", "tourist"), ("v", "tourist"),
            *((office, office) for office in OFFICES),
        ]
    ]  # fmt: skip
    return Genesis(
        FORMAT, "test", START, (), tuple(accounts),  # type: ignore[arg-type]
        tuple(
            GenesisMerchant(
                ADDRESS[name], CATEGORIES[name], name, name,  # type: ignore[arg-type]
                **({"reserve": reserve} | (merchants or {}).get(name, {})),
            )
            for name, reserve in RESERVES.items()
        ),
        tuple(GenesisClass(ADDRESS[issuer], create) for issuer, create in table.values()),
        Parameters(**parameters),
    )  # fmt: skip


class Market:
    """A chain of blocks over one state. Each `do` is a block at the present time; `at` moves time by an empty block."""

    def __init__(self, genesis: Genesis | None = None) -> None:
        self.genesis = genesis or genesis_of()
        self.chain_id = chain_id(self.genesis)
        self.view = Memory()
        self.view.apply(genesis_state(self.genesis))
        self.time = START
        self.height = 0
        self.seen: set[bytes] = set()
        self.last: BlockOutcome | None = None
        self.receipt: Receipt | None = None
        self._nonce = 0

    def transaction(
        self, sender: str, body: Body, signers: Sequence[str] | None = None, chain: bytes | None = None,
        valid_until: int | None = None,
    ) -> Decoded:  # fmt: skip
        """Signed by the sender or the named keys; envelope signatures are zeros: the rules look at keys only."""
        self._nonce += 1
        if isinstance(body, KeyAdd) and body.proof is None and body.key in _HELD:
            body = replace(body, proof=self.proof(sender, _HELD[body.key], body.role))
        names = signers if signers is not None else ["custodian" if sender == "FUND" else sender]
        envelope = Envelope(
            chain or self.chain_id, address(sender), self._nonce.to_bytes(16, "big"),
            self.time + 600 if valid_until is None else valid_until, body,
        )  # fmt: skip
        pairs = tuple(KeySignature(key_of(name).public_key, bytes(64)) for name in names)
        transaction = Transaction(envelope, pairs)
        return Decoded(encode(transaction), transaction, transaction_id(envelope))

    def block(
        self, transactions: Sequence[Decoded], time: int | None = None, note: EpochNote | None = None
    ) -> list[Receipt | None]:
        """Commit one block and check that what is stored is what was decided."""
        previous, self.time = self.time, self.time if time is None else time
        self.height += 1
        self.last = apply_block(
            self.view, time_s=self.time, previous_s=previous, height=self.height, chain_id=self.chain_id,
            transactions=transactions, seen=self.seen.__contains__, verify=verify, note=note,
        )  # fmt: skip
        for record in self.last.changes.values():
            if record is not None:
                encode(record)  # every stored number fits the encoding
        self.view.apply(self.last.changes)
        self.seen.update(decoded.id for decoded in transactions)
        assert violations(self.view, self.time) == []
        return self.last.receipts

    def do(self, sender: str, body: Body, signers: Sequence[str] | None = None) -> Code:
        """A block of one transaction; its code. The receipt is in `receipt`."""
        before = dict(self.view.records)
        (self.receipt,) = self.block([self.transaction(sender, body, signers)])
        assert self.receipt is not None
        code = Code(self.receipt.code)
        if code is not Code.OK:
            assert self.view.records == before, "a reject or a repetition changed the state"
        return code

    def ok(self, sender: str, body: Body, signers: Sequence[str] | None = None) -> Receipt:
        """As do, and it must succeed."""
        code = self.do(sender, body, signers)
        assert self.receipt is not None
        assert code is Code.OK, f"{code.name} {self.receipt.detail}"
        return self.receipt

    def many(self, *steps: tuple[str, Body]) -> list[str]:
        """One block of several transactions; their codes by name."""
        receipts = self.block([self.transaction(sender, body) for sender, body in steps])
        return [Code(receipt.code).name for receipt in receipts if receipt is not None]

    def issue(self, class_id: str, units: int, order_id: str = "", to: str = "u", cash_value: int = 0) -> Code:
        """The issuer of class hX grants units; the order id defaults to a new one."""
        self._nonce += 1
        body = Issue(class_id, address(to), units, order_id or f"auto-{self._nonce}", "EARN", cash_value)
        return self.do(class_id[1:2], body)

    def avail(self, class_id: str, of: str = "u") -> int:
        """Units in unexpired lots, pending included."""
        return sum(lot.avail for lot in self.lots(of) if lot.class_id == class_id and lot.bucket > self.time)

    def lots(self, of: str = "u") -> tuple[Lot, ...]:
        """The stored lots."""
        holdings = self.view.get(holdings_key(address(of)))
        return holdings.lots if holdings is not None else ()

    def spendable(self, of: str = "u") -> int:
        """fen."""
        return int(account_query(self.view, self.time, address(of))["spendable"])

    def owed(self, window: int | None = None) -> dict[str, int]:
        """Obligations by names, "A->B": uY."""
        return named(obligations_query(self.view, self.time, window))

    def window(self, window: int | None = None) -> dict[str, Any]:
        """The window query with names."""
        plain = window_query(self.view, self.time, window)
        return {key: named(value) if isinstance(value, dict) else value for key, value in plain.items()}

    def exposure(self, merchant: str) -> dict[str, Any]:
        """The exposure query."""
        plain: dict[str, Any] = exposure_query(self.view, self.time, address(merchant))
        return plain

    def authorize(self, merchant: str, value: int, ttl: int = 3600) -> bytes:
        """u sets points aside; the id of the hold."""
        receipt = self.ok("u", Authorize(ADDRESS[merchant], value, ttl))
        return next(event.hashes[0][1] for event in receipt.events if event.kind == "HoldOpened")

    def hold(self, hold_id: bytes) -> Hold:
        """The stored hold."""
        found: Hold = self.view.get(hold_key(hold_id))
        return found

    def settle(self) -> None:
        """Pay and confirm every leg of the last closed window."""
        number = self.window()["window"]
        for name in self.window()["instructions"]:
            payer, payee = name.split("->")
            self.ok(payer, LegPaid(number, leg(payer, payee), bytes(32)))
            self.ok(payee, LegConfirm(number, leg(payer, payee)))

    def at(self, time: int) -> None:
        """An empty block at this time."""
        self.block([], time)

    def advance(self, seconds: int) -> None:
        """An empty block so much later."""
        self.at(self.time + seconds)

    def request(
        self, merchant: str, value: int, order_id: str | None, signer: str | None = None, static: bool = False,
        expires_at: int | None = None,
    ) -> PaymentRequest:  # fmt: skip
        """A payment request, signed by its merchant."""
        key = key_of(signer or merchant)
        expires = self.time + 300 if expires_at is None else expires_at
        bare = PaymentRequest(
            ADDRESS[merchant], order_id, value, expires, key.public_key, bytes(64), static=static
        )
        return _with_sig(bare, key.sign(request_digest(self.chain_id, bare)))

    def redeem(self, merchant: str, value: int, order_id: str, max_value: int | None = None) -> Redeem:
        """Pay a merchant's request."""
        return Redeem(self.request(merchant, value, order_id), value if max_value is None else max_value)

    def pay_code(
        self, account: str, seq: int, max_value: int, merchant: str | None = None, expires_at: int | None = None,
        signer: str | None = None,
    ) -> PayCode:  # fmt: skip
        """A tourist's one-time code."""
        key = key_of(signer or account)
        bare = PayCode(
            ADDRESS[account], key.public_key, seq, max_value, self.time + 60 if expires_at is None else expires_at,
            bytes(64), None if merchant is None else ADDRESS[merchant],
        )  # fmt: skip
        return _with_sig(bare, key.sign(pay_code_digest(self.chain_id, bare)))

    def proof(self, account: str, key: SigningKey, role: str) -> Signature:
        """What a new key signs before it joins an account."""
        return key.sign(key_proof_digest(self.chain_id, address(account), key.public_key, role))

    def opening(self, names: Sequence[str], sponsor: str, threshold: int = 1) -> AccountOpen:
        """An account with one key per name, sponsored."""
        keys = tuple(AccountKey(key_of(name).public_key) for name in names)
        key = key_of(sponsor)
        digest = sponsor_digest(self.chain_id, address(sponsor), keys, threshold)
        return AccountOpen(keys, threshold, address(sponsor), key.public_key, key.sign(digest))


def address(name: str) -> Address:
    """The address of a name, also of one outside the fixture."""
    return ADDRESS[name] if name in ADDRESS else address_of(key_of(name).public_key)


def named(plain: dict[str, Any]) -> dict[str, Any]:
    """The same map with names for addresses, also in "X->Y"."""
    names = {encode_address(address): name for address, name in NAMES.items()}
    return {"->".join(names.get(part, part) for part in key.split("->")): value for key, value in plain.items()}


def leg(payer: str, payee: str) -> str:
    """The name of a settlement leg."""
    return f"{encode_address(address(payer))}->{encode_address(address(payee))}"


def _with_sig(record: Any, signature: Signature) -> Any:


    return replace(record, sig=signature)

"""The points rules on a memory state, driven by names: no signatures, no blocks' bytes, one transaction per block."""

from collections.abc import Mapping, Sequence
from typing import Any

from points.keys import books_key, counters_key, holdings_key, obligation_key, window_key
from points.state import FUND, Books, Counters, Holdings
from points.transition import apply_block, genesis_state
from points.view import Memory
from primitives.address import decode_address, encode_address
from primitives.codes import Code
from primitives.genesis import Genesis, GenesisAccount, GenesisClass, GenesisMerchant, Parameters, chain_id
from primitives.hashing import tagged_hash
from primitives.keys import Address, PublicKey, address_of
from primitives.kinds import AccountKey, Body, ClassCreate, PayCode, PaymentRequest, Redeem, RedeemByToken
from primitives.receipt import Receipt
from primitives.transaction import Decoded, Envelope, KeySignature, Transaction

NO_SIGNATURE = bytes(64)
DEFAULTS = Parameters()


def key_of(name: str) -> PublicKey:
    """Not a point of any curve: nothing here is signed."""
    return PublicKey(tagged_hash(b"test/key", name.encode()))


class World:
    """A network of the rules alone. `run` gives the receipts of one block."""

    def __init__(
        self, start: int, merchants: Mapping[str, int], tourists: Sequence[str],
        classes: Mapping[str, tuple[str, dict[str, Any]]], parameters: Parameters = DEFAULTS,
        members: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """`merchants`: reserve in fen; `classes`: (issuer, further fields of ClassCreate); `members`: one vote each."""
        roles: dict[str, Any] = {**dict.fromkeys(merchants, "merchant"), **dict.fromkeys(tourists, "tourist")}
        roles |= {"op": "operator", "bank": "custodian", "reg": "regulator", "kyc": "attester"}
        roles |= dict.fromkeys(members, "committee")
        self.address = {name: address_of(key_of(name)) for name in roles} | {"FUND": Address(FUND)}
        self.name = {address: name for name, address in self.address.items()}
        self.merchants, self.tourists, self.classes = list(merchants), list(tourists), list(classes)
        self.genesis = Genesis(
            format=1, name="properties", time=start, validators=(),
            accounts=tuple(
                GenesisAccount((AccountKey(key_of(n)),), role, tier=2, weight=int(role == "committee"))
                for n, role in roles.items()
            ),
            merchants=tuple(
                GenesisMerchant(self.address[n], "HOTEL", n, n, reserve) for n, reserve in merchants.items()
            ),
            classes=tuple(
                GenesisClass(self.address[issuer], ClassCreate(class_id=c, **fields))
                for c, (issuer, fields) in classes.items()
            ),
            parameters=parameters,
        )  # fmt: skip
        self.chain_id = chain_id(self.genesis)
        self.memory = Memory()
        self.memory.apply(genesis_state(self.genesis))
        self.now = self.previous = start
        self.height = 0
        self.log: list[tuple[int, list[Decoded]]] = []
        self._count = 0

    def transaction(self, sender: str, body: Body, signers: Sequence[str] = ()) -> Decoded:
        """Never twice the same id."""
        self._count += 1
        envelope = Envelope(self.chain_id, self.address[sender], self._count.to_bytes(16, "big"), self.now + 600, body)
        pairs = sorted((KeySignature(key_of(n), NO_SIGNATURE) for n in signers or (sender,)), key=lambda p: p.key)
        return Decoded(b"", Transaction(envelope, tuple(pairs)), tagged_hash(b"test/id", envelope.nonce))

    def run(self, *transactions: Decoded, at: int | None = None) -> list[Receipt]:
        """One block with these, at `at` or at the present second; what it wrote is part of the state."""
        self.previous, self.now = self.now, self.now if at is None else at
        self.height += 1
        self.log.append((self.now, list(transactions)))
        done = apply_block(
            self.memory, time_s=self.now, previous_s=self.previous, height=self.height, chain_id=self.chain_id,
            transactions=transactions, seen=lambda _: False,
        )  # fmt: skip
        self.changed = done.changes
        self.memory.apply(done.changes)
        return [receipt for receipt in done.receipts if receipt is not None]

    def do(self, sender: str, body: Body, signers: Sequence[str] = ()) -> Receipt:
        """One transaction in a block of its own."""
        return self.run(self.transaction(sender, body, signers))[0]

    def code(self, sender: str, body: Body, signers: Sequence[str] = ()) -> str:
        """The name of its code."""
        return Code(self.do(sender, body, signers).code).name

    def request(self, payee: str, order_id: str | None, value: int, static: bool = False) -> PaymentRequest:
        """A merchant's payment request as of now."""
        return PaymentRequest(
            self.address[payee], order_id, value, self.now + 300, key_of(payee), NO_SIGNATURE, static=static
        )

    def redeem(self, payer: str, payee: str, order_id: str, value: int) -> str:
        """The code of a redemption by request."""
        return self.code(payer, Redeem(self.request(payee, order_id, value), value))

    def charge(self, payer: str, payee: str, order_id: str, value: int, seq: int) -> str:
        """The code of a redemption by pay code."""
        code = PayCode(self.address[payer], key_of(payer), seq, max(value, 1), self.now + 60, NO_SIGNATURE)
        return self.code(payee, RedeemByToken(code, value, order_id))

    def offline_code(self, payer: str, payee: str, seq: int, value: int, ttl: int) -> RedeemByToken:
        """A charge of `value` by a code for this merchant that lives longer than an online one may."""
        address, where = self.address[payer], self.address[payee]
        code = PayCode(address, key_of(payer), seq, value, self.now + ttl, NO_SIGNATURE, where)
        return RedeemByToken(code, value, f"c{seq}")

    # ---- readings

    def units(self, name: str, class_id: str) -> tuple[int, int, int]:
        """(spendable, pending, held) units, from the stored lots."""
        holdings: Holdings | None = self.memory.get(holdings_key(self.address[name]))
        today = (self.now + 28_800) // 86_400
        lots = [lot for lot in (holdings.lots if holdings else ()) if lot.class_id == class_id]
        live = [lot for lot in lots if lot.bucket > self.now]
        pending = sum(lot.avail for lot in live if lot.from_day > today)
        return sum(lot.avail for lot in live) - pending, pending, sum(lot.held for lot in lots)

    def lots(self, name: str) -> dict[tuple[int, str, int], int]:
        """(expiry, class, ext) -> available units that are not expired."""
        holdings: Holdings | None = self.memory.get(holdings_key(self.address[name]))
        found: dict[tuple[int, str, int], int] = {}
        for lot in holdings.lots if holdings else ():
            if lot.bucket > self.now and lot.avail:
                key = (lot.bucket, lot.class_id, lot.ext)
                found[key] = found.get(key, 0) + lot.avail
        return found

    def gross(self, window: int) -> dict[tuple[str, str], int]:
        """Obligations of a window in uY by (debtor, creditor) names; zeros left out."""
        prefix = obligation_key(window, b"", b"")
        rows = self.memory.range(prefix, prefix[:-1] + bytes([prefix[-1] + 1]))
        at = len(prefix)
        pairs = {(self.name[k[at : at + 20]], self.name[k[at + 20 :]]): row.value for k, row in rows}
        return {pair: value for pair, value in pairs.items() if value}

    def counters(self, class_id: str) -> tuple[int, int, int, int, int, int]:
        """issued, exch_in, restored, redeemed, expired, burned."""
        c: Counters = self.memory.get(counters_key(class_id)) or Counters()
        return c.issued, c.exch_in, c.restored, c.redeemed, c.expired, c.burned

    def books(self, merchant: str) -> tuple[int, int]:
        """(outstanding, payable) in uY."""
        books: Books = self.memory.get(books_key(self.address[merchant])) or Books()
        return books.outstanding, books.payable

    def window(self, window: int) -> Any:
        """The stored window, or None."""
        return self.memory.get(window_key(window))

    def leg(self, debtor: str, creditor: str) -> str:
        """The name of a settlement leg."""
        return f"{encode_address(self.address[debtor])}->{encode_address(self.address[creditor])}"

    def name_text(self, text: str) -> str:
        """The name of a bech32m address."""
        return self.name[decode_address(text)]

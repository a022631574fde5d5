"""A market whose genesis has validators, and the transactions that change them."""

from typing import Any

from msgspec.structs import replace

from points.validators import EpochNote, Register, register
from primitives.genesis import Limits
from primitives.kinds_validators import ValidatorAdd, ValidatorRekey, ValidatorRemove, ValidatorReplace
from primitives.receipt import Event
from primitives.validators import Validator, vote_key_digest
from tests.points.market import Market, genesis_of, key_of

ADDRESS = "node.example:7000"


def certificate(name: str) -> bytes:
    """Looks like DER to the rules, another one for every name."""
    return b"\x30" + name.encode()


def member(name: str, key: str = "") -> Validator:
    """A validator with the voting key of its name, or of another name."""
    return Validator(name, key_of(key or name).public_key, certificate(name))


class Committee(Market):
    """Validators v0, v1, ... sit on the seats 0, 1, ...; `close` is the close block that C8 asks for."""

    def __init__(self, size: int = 4, **limits: int) -> None:
        members = tuple(member(f"v{seat}") for seat in range(size))
        super().__init__(replace(genesis_of(), validators=members, limits=Limits(**limits)))

    @property
    def register(self) -> Register:
        """The record in the state now."""
        return register(self.view)

    def names(self) -> list[str | None]:
        """Who sits where."""
        return [None if seat is None else seat.name for seat in self.register.seats]

    def add(self, name: str, **fields: Any) -> ValidatorAdd:
        """A newcomer with good fields, some of them changed; its signature covers the name and key given."""
        who = member(name)
        body = ValidatorAdd(name, who.vote_key, who.transport_certificate, ADDRESS, self.possession(name))
        return replace(body, **fields)

    def swap(self, old: str, name: str, **fields: Any) -> ValidatorReplace:
        """`name` for `old`."""
        who = member(name)
        body = ValidatorReplace(old, name, who.vote_key, who.transport_certificate, ADDRESS, self.possession(name))
        return replace(body, **fields)

    def rekey(self, name: str, key: str, old: str = "", **fields: Any) -> ValidatorRekey:
        """The voting key of `name` becomes that of the name `key`; its present one is that of `old`."""
        before = key_of(old or name)
        digest = vote_key_digest(self.chain_id, name, key_of(key).public_key)
        body = ValidatorRekey(
            name, before.public_key, key_of(key).public_key, before.sign(digest), key_of(key).sign(digest)
        )
        return replace(body, **fields)

    def possession(self, name: str, key: str = "") -> bytes:
        """What the owner of a voting key signs for a name."""
        signer = key_of(key or name)
        return signer.sign(vote_key_digest(self.chain_id, name, signer.public_key))

    def remove(self, name: str) -> ValidatorRemove:
        """The transaction's body."""
        return ValidatorRemove(name)

    def close(self, proposer: int = 0, exec_height: int | None = None) -> tuple[Event, ...]:
        """The close block, on top of the state at exec_height (by default the newest); its events."""
        self.block([], note=EpochNote(True, self.height if exec_height is None else exec_height, proposer))
        assert self.last is not None
        return self.last.events

    def view_at(self, view: int, base_height: int, closes: bool = False) -> tuple[Event, ...]:
        """A block that records the NEWVIEW of a view; its events."""
        self.block([], note=EpochNote(closes, self.height, 0, (view, base_height)))
        assert self.last is not None
        return self.last.events

"""A read ticket: an account says, for an hour at most, "who shows this may read what I may read" (2.12).

It moves nothing: its digest has a tag of its own, so it is no transaction, request or pay code, and none of these is a
ticket. It names no node, so that one ticket serves for every node of the chain.
"""

from typing import Final

from primitives.codec import U64, Bytes20, Bytes32, Bytes64, Malformed, Record, decode_canonical, decoder, encode
from primitives.hashing import TAG_READ_TICKET, Digest, tagged_hash
from primitives.keys import Address, PublicKey, Signature, SigningKey, verify

TICKET_SECONDS_MAX: Final = 3600
TICKET_CHARS_MAX: Final = 400  # one has 316 to 332


class ReadTicket(Record):
    """Valid while block time is below `expires_at` (unix seconds) and `key` is a key of `account`."""

    chain_id: Bytes32
    account: Bytes20
    expires_at: U64
    key: Bytes32
    sig: Bytes64


_TICKET: Final = decoder(ReadTicket)


def ticket_digest(chain_id: bytes, account: bytes, expires_at: int, key: bytes) -> Digest:
    """What the key signs: all fields but the signature."""
    return tagged_hash(TAG_READ_TICKET, encode((chain_id, account, expires_at, key)))


def sign_ticket(chain_id: bytes, account: Address, expires_at: int, key: SigningKey) -> ReadTicket:
    """A ticket of the account by one of its keys."""
    digest = ticket_digest(chain_id, account, expires_at, key.public_key)
    return ReadTicket(chain_id, account, expires_at, key.public_key, key.sign(digest))


def signature_holds(ticket: ReadTicket) -> bool:
    """Whether its key signed it; about 75 us. That the key is the account's is another question."""
    digest = ticket_digest(ticket.chain_id, ticket.account, ticket.expires_at, ticket.key)
    return verify(PublicKey(ticket.key), digest, Signature(ticket.sig))


def ticket_text(ticket: ReadTicket) -> str:
    """Lower-case hex of the canonical bytes: what stands behind "Bearer"."""
    return encode(ticket).hex()


def read_ticket(text: str) -> ReadTicket:
    """The ticket of its one text. Raises: Malformed, without quoting a text that may open somebody's account."""
    if len(text) > TICKET_CHARS_MAX:
        raise Malformed(f"a ticket is at most {TICKET_CHARS_MAX} characters")
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raise Malformed("a ticket is lower-case hex") from None
    ticket = decode_canonical(_TICKET, raw)
    if ticket_text(ticket) != text:  # upper case, blanks: one ticket, one text
        raise Malformed("a ticket is lower-case hex without blanks")
    return ticket

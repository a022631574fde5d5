"""Whether a transaction is worth a place in the mempool, by the state as it is now.

Cheap and advisory: what passes may still be rejected in its block, what fails here would surely fail there or waste its
place. Signatures are verified elsewhere, in bulk.
"""

from collections.abc import Callable

from points.authority import custodian_of, signing_keys
from points.keys import account_key
from points.state import FUND, Account
from points.turn import Turn
from points.view import Overlay, View
from primitives.codes import Code
from primitives.hashing import Digest
from primitives.kinds import AccountOpen, ReserveAttest
from primitives.transaction import VALIDITY_SECONDS_MAX, Decoded


def check_admission(
    view: View, decoded: Decoded, time_s: int, chain_id: bytes, seen: Callable[[Digest], bool]
) -> tuple[Code, str]:
    """OK, or WRONG_CHAIN, EXPIRED_TX, TTL_TOO_LONG, DUPLICATE_TX, ACCOUNT_UNKNOWN, BAD_SIGNATURE, with a sentence.

    time_s: block time of the last block. seen: whether an id was executed.
    """
    transaction = decoded.transaction
    envelope = transaction.envelope
    if envelope.chain_id != chain_id:
        return Code.WRONG_CHAIN, f"chain {envelope.chain_id.hex()[:16]}, this is {chain_id.hex()[:16]}"
    if envelope.valid_until < time_s:
        return Code.EXPIRED_TX, f"valid until {envelope.valid_until}, block time {time_s}"
    if envelope.valid_until > time_s + VALIDITY_SECONDS_MAX:
        return Code.TTL_TOO_LONG, f"valid until {envelope.valid_until}, limit {time_s + VALIDITY_SECONDS_MAX}"
    if seen(decoded.id):
        return Code.DUPLICATE_TX, "the transaction was executed already"
    if isinstance(envelope.body, AccountOpen):
        return Code.OK, ""
    account: Account | None = view.get(account_key(envelope.sender))
    if account is None:
        return Code.ACCOUNT_UNKNOWN, "the sender has no account"
    if envelope.sender == FUND:
        signers = custodian_of(Turn(Overlay(view), time_s, 0, chain_id, None), transaction.signatures)[2]
    else:
        signers = signing_keys(account, transaction.signatures)
    foreign = len(signers) != len(transaction.signatures)
    if not signers or (foreign and not isinstance(envelope.body, ReserveAttest)):
        return Code.BAD_SIGNATURE, "a signature by a key that the sender does not have"
    return Code.OK, ""

"""What a node asks before it pools a transaction: the cheap half of the rules, on the newest state it has.

Only what would be refused in the very next block too is refused here: a sender or a key that does not exist. All the
rest is decided at execution, with a receipt; the pool must not be stricter than the rules (C6).
"""

from points.authority import signing_keys
from points.keys import account_key
from points.state import FUND
from points.view import View
from primitives.codes import Code
from primitives.kinds import AccountOpen, ReserveAttest
from primitives.transaction import Decoded


def check_admission(view: View, decoded: Decoded, now_s: int) -> tuple[Code, str]:
    """(OK, ""), or the code and the sentence with which the next block would reject it.

    `now_s`: the least block time that it can meet. Lifetime, duplicates and bounds of the pool are the pool's checks;
    signatures are verified after this.
    """
    envelope = decoded.transaction.envelope
    if isinstance(envelope.body, AccountOpen) or envelope.sender == FUND:
        return Code.OK, ""  # the account is opened by it; the fund is signed for by custodians
    account = view.get(account_key(envelope.sender))
    if account is None:
        return Code.ACCOUNT_UNKNOWN, f"no account {envelope.sender.hex()} yet: open it first"
    signers = signing_keys(account, decoded.transaction.signatures)
    if len(signers) != len(decoded.transaction.signatures) and not isinstance(envelope.body, ReserveAttest):
        return Code.BAD_SIGNATURE, "a signature by a key that the sender does not have"
    return Code.OK, ""

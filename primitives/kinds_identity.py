"""Bodies that change who may sign for an account: limits of keys, guardians, recovery. Rules: points/.

`recovery` names one of the recoveries of an account by what it would do (recovery.py); recovery_start itself stands in
kinds.py, because it names the keys of an account.
"""

from typing import Annotated, Final

import msgspec

from primitives.codec import U64, Amount, Bytes20, Bytes32, Record

GUARDIANS_MAX: Final = 8


class KeyLimit(Record, tag="key_limit"):
    """A new daily limit in fen of a key of the sender; None = no limit."""

    key: Bytes32
    daily_limit: Amount | None = None


class GuardiansSet(Record, tag="guardians_set"):
    """Who may recover the sender's account, `threshold` of them together; no guardians and 0: nobody."""

    guardians: Annotated[tuple[Bytes20, ...], msgspec.Meta(max_length=GUARDIANS_MAX)]
    threshold: U64


class RecoveryApprove(Record, tag="recovery_approve"):
    """None: the only recovery of the account. A careful guardian names the one whose keys it has compared."""

    account: Bytes20
    recovery: Bytes32 | None = None


class RecoveryCancel(Record, tag="recovery_cancel"):
    """None: the owner ends every recovery of the sender. With an account: the sender takes its own approval back."""

    account: Bytes20 | None = None


class RecoveryFinish(Record, tag="recovery_finish"):
    """None: the recovery whose delay was over first."""

    account: Bytes20
    recovery: Bytes32 | None = None

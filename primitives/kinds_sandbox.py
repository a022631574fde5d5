"""Bodies of regulatory sandboxes and of the emergency pause: what the committee opens and ratifies, what others send.

A sandbox is a trial of a merchant with classes of its own, for named accounts and merchants, within hard caps (INV-16).
Value and loss reserve are whole fen, times unix seconds.
"""

from typing import Annotated, Final

import msgspec

from primitives.codec import U64, Amount, Bytes20, Bytes32, Identifier, Record, Text

SANDBOX_LIST_MAX: Final = 64  # merchants of a sandbox, and accounts in one decision or transaction

Addresses = Annotated[tuple[Bytes20, ...], msgspec.Meta(max_length=SANDBOX_LIST_MAX)]


class SandboxOpen(Record, tag="sandbox_open"):
    """A decision: `merchant` may try something out while starts <= block time < ends.

    `merchants`: where points of the sandbox pay, beside the merchant itself. `accounts`: the first that take part; the
    merchant enrols others up to `max_accounts`. `max_value` bounds what it grants in all, less what expires or is
    reversed: so neither payments nor refunds can bring more of it into the world. `loss_reserve` is the part of the
    merchant's reserve that stands for this sandbox alone. `exit_hash`: of the plan how the trial ends.
    """

    sandbox: Identifier
    merchant: Bytes20
    max_accounts: U64
    max_value: Amount
    starts: U64
    ends: U64
    loss_reserve: Amount
    exit_hash: Bytes32
    merchants: Addresses = ()
    accounts: Addresses = ()


class SandboxClose(Record, tag="sandbox_close"):
    """A decision: the trial stops now. `merchant` whose trial it is: that member stands aside."""

    sandbox: Identifier
    merchant: Bytes20


class SandboxEnrol(Record, tag="sandbox_enrol"):
    """The sandbox's merchant adds accounts to its list; who stands there already is no fault."""

    sandbox: Identifier
    accounts: Addresses


class EmergencyPause(Record, tag="emergency_pause"):
    """No value moves before `until`. The regulator alone: 72 hours."""

    until: U64
    reason: Text


class EmergencyResume(Record, tag="emergency_resume"):
    """The pause that is running ends now."""


class RatifyPause(Record, tag="ratify_pause"):
    """A decision: the pause that is running ends at `until`, later or earlier than the regulator said."""

    until: U64

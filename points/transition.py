"""From a block to changes and receipts: the one entry to the rules.

Everything here is total: any decodable transaction gets a receipt, and an exception is a bug. A reject changes nothing
(D1). Order of checks for every kind: WRONG_CHAIN, EXPIRED_TX, TTL_TOO_LONG, ACCOUNT_UNKNOWN (sender), BAD_SIGNATURE
(a key that is not the sender's), KIND_DISABLED or BAD_BATCH, then for kinds without an order key ACCOUNT_FROZEN and the
role (NOT_AUTHORISED, NOT_ATTESTER, NOT_REGULATOR), for kinds with one the role, the repetition (D2), ACCOUNT_FROZEN;
then the kind's own list, which stands at the top of its file, NETWORK_PAUSED in a pause (pauses.py), and OVERFLOW.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from points import (
    account_recovery,
    accounts,
    alerts,
    anchors,
    applications,
    assets,
    campaigns,
    challenges,
    escrows,
    exchange,
    founding,
    freezes,
    governance,
    guardians,
    holds,
    issuing,
    merchants,
    pauses,
    paycodes,
    redemption,
    refunds,
    sandboxes,
    settlement,
    transfers,
    validator_changes,
)
from points.authority import custodian_of, may, signing_keys
from points.expiry import begin, collect_garbage
from points.keys import account_key
from points.state import FUND, Account, AccountKind, Role
from points.told import keep_events
from points.turn import Turn, Verify
from points.validator_changes import by_operator
from points.validators import EpochNote, end_block
from points.view import Changes, Overlay, View
from primitives import kinds, kinds_campaigns, kinds_validators
from primitives.codec import Record
from primitives.codes import OK, Code
from primitives.genesis import Genesis
from primitives.hashing import Digest
from primitives.kinds import AccountOpen, BatchOperations, Body, KeyRole, ReserveAttest
from primitives.kinds_assets import (
    Anchor,
    AssetLock,
    AssetOffer,
    AssetRegister,
    AssetReturn,
    AssetSwap,
    AssetUnlock,
    OfflineEscrow,
)
from primitives.kinds_challenges import ChallengeApply, ChallengeScore
from primitives.kinds_governance import GovExecute, GovPropose, GovVote
from primitives.kinds_identity import GuardiansSet, KeyLimit, RecoveryApprove, RecoveryCancel, RecoveryFinish
from primitives.kinds_risk import AlertAck
from primitives.kinds_sandbox import EmergencyPause, EmergencyResume, SandboxEnrol
from primitives.receipt import Event, First, Receipt
from primitives.transaction import VALIDITY_SECONDS_MAX, Decoded, Envelope, KeySignature

TOURIST: Final = (AccountKind.TOURIST,)
MERCHANT: Final = (AccountKind.MERCHANT,)
ANYBODY: Final = tuple(AccountKind)


class Rule(Record):
    """How a kind is applied, and who may send it: one of `senders`, or an account with one of the bits in `bits`."""

    apply: Callable[[Turn, Any], Code]
    senders: tuple[AccountKind, ...] = ()
    bits: int = 0
    role: KeyRole = "owner"
    refusal: Code = Code.NOT_AUTHORISED
    keyed: bool = False  # has an order key: a repetition is answered before the sender's status is looked at (D2)
    batch: bool = False  # may stand in a batch (D15)


RULES: Final[dict[type, Rule]] = {
    kinds.Issue: Rule(issuing.apply_issue, MERCHANT, role="issuer", keyed=True, batch=True),
    kinds.ReverseIssue: Rule(issuing.apply_reverse_issue, MERCHANT, role="issuer", batch=True),
    kinds.Redeem: Rule(redemption.apply_redeem, TOURIST, keyed=True, batch=True),
    kinds.RedeemByToken: Rule(paycodes.apply_redeem_by_token, MERCHANT, role="pos", keyed=True, batch=True),
    kinds.Authorize: Rule(holds.apply_authorize, TOURIST),
    kinds.Capture: Rule(holds.apply_capture, MERCHANT, role="pos", keyed=True, batch=True),
    kinds.Void: Rule(holds.apply_void, TOURIST + MERCHANT, role="pos", batch=True),
    kinds.Refund: Rule(refunds.apply_refund, MERCHANT, role="pos", keyed=True, batch=True),
    kinds.Exchange: Rule(exchange.apply_exchange, TOURIST, batch=True),
    kinds.Transfer: Rule(transfers.apply_transfer, TOURIST, batch=True),
    kinds.KeyAdd: Rule(accounts.apply_key_add, ANYBODY),
    kinds.KeyRevoke: Rule(accounts.apply_key_revoke, ANYBODY),
    KeyLimit: Rule(accounts.apply_key_limit, ANYBODY),
    GuardiansSet: Rule(guardians.apply_guardians_set, TOURIST + MERCHANT),
    kinds.RecoveryStart: Rule(account_recovery.apply_recovery_start, ANYBODY),
    RecoveryApprove: Rule(account_recovery.apply_recovery_approve, ANYBODY),
    RecoveryCancel: Rule(account_recovery.apply_recovery_cancel, ANYBODY),
    RecoveryFinish: Rule(account_recovery.apply_recovery_finish, ANYBODY),
    kinds.KycAttest: Rule(accounts.apply_kyc_attest, bits=Role.ATTESTER, refusal=Code.NOT_ATTESTER),
    kinds.KycRevoke: Rule(accounts.apply_kyc_revoke, bits=Role.ATTESTER, refusal=Code.NOT_ATTESTER),
    kinds.ClassCreate: Rule(merchants.apply_class_create, MERCHANT),
    kinds.ClassRetire: Rule(merchants.apply_class_retire, MERCHANT),
    Anchor: Rule(anchors.apply_anchor, (AccountKind.MERCHANT, AccountKind.SYSTEM)),
    AssetRegister: Rule(assets.apply_asset_register, MERCHANT, role="issuer"),
    AssetOffer: Rule(assets.apply_asset_offer, MERCHANT, role="issuer"),
    AssetSwap: Rule(assets.apply_asset_swap, TOURIST, keyed=True),
    AssetReturn: Rule(assets.apply_asset_return, TOURIST),
    AssetLock: Rule(assets.apply_asset_lock, bits=Role.REGULATOR, refusal=Code.NOT_REGULATOR),
    AssetUnlock: Rule(assets.apply_asset_unlock, bits=Role.REGULATOR, refusal=Code.NOT_REGULATOR),
    OfflineEscrow: Rule(escrows.apply_offline_escrow, TOURIST),
    kinds.WindowClose: Rule(settlement.apply_window_close, bits=Role.OPERATOR),
    kinds.LegPaid: Rule(settlement.apply_leg, MERCHANT, Role.CUSTODIAN, "settlement"),
    kinds.LegConfirm: Rule(settlement.apply_leg, MERCHANT, Role.CUSTODIAN, "settlement"),
    kinds.LegDispute: Rule(settlement.apply_leg, MERCHANT, Role.CUSTODIAN, "settlement"),
    kinds.Freeze: Rule(freezes.apply_freeze, bits=Role.REGULATOR, refusal=Code.NOT_REGULATOR),
    kinds.Unfreeze: Rule(freezes.apply_unfreeze, bits=Role.REGULATOR, refusal=Code.NOT_REGULATOR),
    kinds.PauseClass: Rule(freezes.apply_pause_class, bits=Role.REGULATOR, refusal=Code.NOT_REGULATOR),
    AlertAck: Rule(alerts.apply_alert_ack, bits=Role.REGULATOR, refusal=Code.NOT_REGULATOR),
    EmergencyPause: Rule(pauses.apply_emergency_pause, bits=Role.REGULATOR, refusal=Code.NOT_REGULATOR),
    EmergencyResume: Rule(pauses.apply_emergency_resume, bits=Role.REGULATOR, refusal=Code.NOT_REGULATOR),
    SandboxEnrol: Rule(sandboxes.apply_sandbox_enrol, MERCHANT),
    kinds_campaigns.BatchIssue: Rule(campaigns.apply_batch_issue, MERCHANT, role="issuer", keyed=True),
    kinds_campaigns.CampaignCreate: Rule(campaigns.apply_campaign_create, MERCHANT),
    kinds_campaigns.CampaignClaim: Rule(campaigns.apply_campaign_claim, TOURIST),
    kinds_campaigns.CampaignClose: Rule(campaigns.apply_campaign_close, MERCHANT),
    kinds_validators.ValidatorAdd: Rule(by_operator(validator_changes.apply_validator_add), bits=Role.OPERATOR),
    kinds_validators.ValidatorRemove: Rule(by_operator(validator_changes.apply_validator_remove), bits=Role.OPERATOR),
    kinds_validators.ValidatorReplace: Rule(by_operator(validator_changes.apply_validator_replace), bits=Role.OPERATOR),
    kinds_validators.ValidatorRekey: Rule(validator_changes.apply_validator_rekey, ANYBODY),
    kinds.MerchantApply: Rule(applications.apply_merchant_apply, TOURIST + MERCHANT),
    GovPropose: Rule(governance.apply_propose, bits=Role.COMMITTEE, refusal=Code.NOT_MEMBER),
    GovVote: Rule(governance.apply_vote, bits=Role.COMMITTEE, refusal=Code.NOT_MEMBER),
    ChallengeApply: Rule(challenges.apply_challenge_apply, MERCHANT),
    ChallengeScore: Rule(challenges.apply_challenge_score, bits=Role.COMMITTEE, refusal=Code.NOT_MEMBER),
    GovExecute: Rule(governance.apply_execute, bits=Role.COMMITTEE, refusal=Code.NOT_MEMBER),
}
_LEG_KINDS: Final = (kinds.LegPaid, kinds.LegConfirm, kinds.LegDispute)


@dataclass(frozen=True, slots=True)
class Context:
    """Where and when a transaction is applied. Heights and indexes only reach receipts and the `first` of an order.

    `verify` checks signatures inside bodies; None where admission has verified every signature already.
    """

    time_s: int
    height: int
    index: int
    chain_id: bytes
    verify: Verify | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one transaction; `changes` is empty unless the code is OK."""

    code: Code
    detail: str
    operation: int | None
    first: First | None
    events: tuple[Event, ...]
    changes: Changes


@dataclass(frozen=True, slots=True)
class BlockOutcome:
    """A block's effect: a receipt per mention (None: executed before, C6), all changes, and the events of time."""

    receipts: list[Receipt | None]
    changes: Changes
    events: tuple[Event, ...]


def genesis_state(genesis: Genesis) -> Changes:
    """The state at height 0. Raises: Malformed with the path of a class that the rules would refuse."""
    return founding.found(genesis)


def begin_block(view: View, time_s: int, previous_s: int) -> tuple[Changes, tuple[Event, ...]]:
    """What time alone changes between two blocks (D10)."""
    turn = Turn(Overlay(view), time_s, 0, b"", None)
    begin(turn, previous_s)
    return turn.draft.changes, tuple(turn.events)


def apply_transaction(view: View, decoded: Decoded, context: Context) -> Outcome:
    """One transaction over a state on which begin_block has run for this time. The view is not changed."""
    turn = Turn(Overlay(view), context.time_s, context.height, context.chain_id, context.verify)
    code, operation = _apply(turn, decoded, context.index)
    return Outcome(code, turn.detail, operation, turn.first, tuple(turn.events), turn.draft.changes)


def apply_block(
    view: View, *, time_s: int, previous_s: int, height: int, chain_id: bytes, transactions: Sequence[Decoded],
    seen: Callable[[Digest], bool], verify: Verify | None = None, note: EpochNote | None = None,
) -> BlockOutcome:  # fmt: skip
    """begin_block, then every mention in order, then what the block does to its epoch (C8, C11).

    A mention whose id was executed before (`seen`, or earlier in this block) is skipped; an expired or failing one gets
    its receipt (C6). previous_s: time of the parent block. note: of every block of a chain; None: it changes no epoch.
    """
    draft = Overlay(view)
    turn = Turn(draft, time_s, height, chain_id, verify)
    begin(turn, previous_s)
    events = tuple(turn.events)
    receipts: list[Receipt | None] = []
    executed: set[Digest] = set()
    for index, decoded in enumerate(transactions):
        if decoded.id in executed or seen(decoded.id):
            receipts.append(None)
            continue
        executed.add(decoded.id)
        code, operation = _apply(turn, decoded, index)
        receipts.append(
            Receipt(decoded.id, height, index, code, turn.detail, operation, turn.first, tuple(turn.events))
        )
    if note is not None:
        events += end_block(draft, height, note)
    keep_events(turn, events)
    collect_garbage(turn, dict(draft.changes), view)
    return BlockOutcome(receipts, draft.changes, events)


def _apply(turn: Turn, decoded: Decoded, index: int) -> tuple[Code, int | None]:
    """Run one transaction in the draft; anything but OK leaves neither a write nor an event."""
    transaction = decoded.transaction
    envelope = transaction.envelope
    turn.begin(decoded.id, index, envelope.sender)
    mark = turn.draft.mark()
    window = turn.window
    operation: int | None = None
    code = _check_envelope(turn, envelope)
    if not code:
        if isinstance(envelope.body, BatchOperations):
            code, operation = _apply_batch(turn, envelope.body, transaction.signatures)
        else:
            code = _apply_single(turn, envelope.body, transaction.signatures)
    if code:
        turn.draft.rollback(mark)
        turn.enter_window(window)
        turn.events = []
    else:
        issuing.settle(turn)
    return code, operation


def _check_envelope(turn: Turn, envelope: Envelope) -> Code:
    if envelope.chain_id != turn.chain_id:
        return Code.WRONG_CHAIN
    if envelope.valid_until < turn.time:
        return turn.refuse(Code.EXPIRED_TX, f"valid until {envelope.valid_until}, block time {turn.time}")
    if envelope.valid_until > turn.time + VALIDITY_SECONDS_MAX:
        return turn.refuse(Code.TTL_TOO_LONG, f"valid until {envelope.valid_until}, block time {turn.time}")
    return OK


def _apply_single(turn: Turn, body: Body, signatures: Sequence[KeySignature]) -> Code:
    if isinstance(body, AccountOpen):
        code = accounts.apply_account_open(turn, body, signatures)
    elif isinstance(body, ReserveAttest):
        code = _identify(turn, signatures, cosigned=True)
        if not code:
            code = Code.ACCOUNT_FROZEN if turn.frozen() else merchants.apply_reserve_attest(turn, body, signatures)
    else:
        code = _identify(turn, signatures, cosigned=False) or _run(turn, body)
    return Code.OVERFLOW if turn.overflow and not code else code


def _apply_batch(
    turn: Turn, body: BatchOperations, signatures: Sequence[KeySignature]
) -> tuple[Code, int | None]:
    """All operations or none; a repetition inside counts as done and changes nothing (D15)."""
    code = _identify(turn, signatures, cosigned=False)
    if code:
        return code, None
    if not 1 <= len(body.operations) <= kinds.OPERATIONS_MAX:
        detail = f"{len(body.operations)} operations, expected 1 to {kinds.OPERATIONS_MAX}"
        return turn.refuse(Code.BAD_BATCH, detail), None
    for number, operation in enumerate(body.operations):
        rule = RULES.get(type(operation))
        if rule is None or not rule.batch:
            return turn.refuse(Code.BAD_BATCH, f"{kinds.kind_of(operation)} may not stand in a batch"), number
    permitted: Rule | None = None  # no operation changes what its sender may do
    for number, operation in enumerate(body.operations):
        turn.operation = number
        rule = RULES[type(operation)]
        if rule is not permitted:
            issuing.settle(turn)
        code = OK if rule is permitted else _permit(turn, rule, operation)
        if not code:
            permitted = rule
            code = _carry_out(turn, rule, operation)
        if code and code is not Code.OK_DUPLICATE:
            return code, number
        if turn.overflow:
            return Code.OVERFLOW, number
    turn.first = None
    return OK, None


def _identify(turn: Turn, signatures: Sequence[KeySignature], cosigned: bool) -> Code:
    """Load the sender and match the signing keys with it; `cosigned` kinds check the other signatures themselves."""
    account: Account | None = turn.get(account_key(turn.sender))
    if account is None:
        return Code.ACCOUNT_UNKNOWN
    if turn.sender == FUND:
        _, account, signers = custodian_of(turn, signatures)
    else:
        signers = signing_keys(account, signatures)
    turn.account, turn.signers = account, signers
    if len(signers) != len(signatures) and not (cosigned and signers):
        return turn.refuse(Code.BAD_SIGNATURE, "a signature by a key that the sender does not have")
    return OK


def _run(turn: Turn, body: Body) -> Code:
    """The checks that all kinds share, then the kind's rule."""
    rule = RULES.get(type(body))
    if rule is None:
        return Code.KIND_DISABLED
    return _permit(turn, rule, body) or _carry_out(turn, rule, body)


def _permit(turn: Turn, rule: Rule, body: Body) -> Code:
    """Whether the sender may do what this rule rules; everything but the type of the body is about the sender."""
    account = turn.account
    if not rule.keyed and turn.frozen():
        return Code.ACCOUNT_FROZEN
    if account.kind not in rule.senders and not account.roles & rule.bits:
        return rule.refusal
    if not may(account, turn.signers, rule.role):
        return turn.refuse(rule.refusal, f"needs a key of role {rule.role}, or {account.threshold} owner keys")
    if turn.sender == FUND and not isinstance(body, _LEG_KINDS):
        return rule.refusal
    return OK


def _carry_out(turn: Turn, rule: Rule, body: Body) -> Code:
    code = rule.apply(turn, body)
    if turn.paused_until and not code and pauses.stops(turn, type(body)):
        return turn.refuse(Code.NETWORK_PAUSED, f"until {turn.paused_until}, now {turn.time}")
    return code

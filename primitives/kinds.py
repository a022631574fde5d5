"""The body of every kind of transaction. Field names are the public JSON names; meaning and rules live in points/.

Amounts: `units` count units of a class, `value` and `cash_value` whole fen. Addresses are 20 bytes, keys and hashes 32.
Every element is always present in the bytes; a default only fills what the JSON form leaves out.
"""

from typing import Annotated, Literal

import msgspec

from primitives.codec import U64, Amount, Bytes20, Bytes32, Bytes64, Identifier, Record, Text
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
from primitives.kinds_campaigns import BatchIssue, CampaignClaim, CampaignClose, CampaignCreate
from primitives.kinds_challenges import ChallengeApply, ChallengeScore
from primitives.kinds_governance import GovExecute, GovPropose, GovVote
from primitives.kinds_identity import (
    GUARDIANS_MAX,
    GuardiansSet,
    KeyLimit,
    RecoveryApprove,
    RecoveryCancel,
    RecoveryFinish,
)
from primitives.kinds_risk import AlertAck
from primitives.kinds_sandbox import EmergencyPause, EmergencyResume, SandboxEnrol
from primitives.kinds_validators import ValidatorAdd, ValidatorRekey, ValidatorRemove, ValidatorReplace

KeyRole = Literal["owner", "issuer", "pos", "settlement"]
Category = Literal["TRANSPORT", "HOTEL", "DINING_RETAIL", "CULTURE_ENT"]
Bucket = Literal["DAY", "MONTH_END", "YEAR_END"]
RefundPolicy = Literal["FORFEIT", "GRACE"]
ClassKind = Literal["COMMON", "BRAND", "RESTRICTED"]
IssueReason = Literal["EARN", "BONUS", "SERVICE_RECOVERY", "CAMPAIGN"]  # no purchase: points are granted, never sold
FreezeMode = Literal["OUT", "ALL"]
LegName = Annotated[str, msgspec.Meta(min_length=1, max_length=96, pattern=r"^[\x21-\x7e]+\Z")]  # "<from>-><to>"

KEYS_MAX = 8
OPERATIONS_MAX = 256


class AccountKey(Record):
    """A key of an account. `daily_limit` in fen of value moved by this key per day (UTC+8), None = no limit."""

    key: Bytes32
    role: KeyRole = "owner"
    daily_limit: Amount | None = None


class PaymentRequest(Record):
    """What a merchant asks for (MPM). Static requests carry neither order nor value (D18). `key` signed it."""

    merchant: Bytes20
    order_id: Identifier | None
    value: Amount
    expires_at: U64
    key: Bytes32
    sig: Bytes64
    terminal: Identifier | None = None
    static: bool = False


class PayCode(Record):
    """What a tourist shows (CPM): single use by (account, key, seq), at most 60 s ahead, up to max_value fen."""

    account: Bytes20
    key: Bytes32
    seq: U64
    max_value: Amount
    expires_at: U64
    sig: Bytes64
    merchant: Bytes20 | None = None


class AccountOpen(Record, tag="account_open"):
    keys: Annotated[tuple[AccountKey, ...], msgspec.Meta(min_length=1, max_length=64)]
    threshold: U64
    sponsor: Bytes20
    sponsor_key: Bytes32
    sponsor_sig: Bytes64
    guardians: Annotated[tuple[Bytes20, ...], msgspec.Meta(max_length=GUARDIANS_MAX)] = ()


class KeyAdd(Record, tag="key_add"):
    """`proof`: signature of the new key over transaction.key_proof_digest; who cannot give it hears KEY_PROOF."""

    key: Bytes32
    role: KeyRole
    daily_limit: Amount | None = None
    proof: Bytes64 | None = None


class KeyRevoke(Record, tag="key_revoke"):
    key: Bytes32


class RecoveryStart(Record, tag="recovery_start"):
    """The keys that the account shall have instead of its own. Sent by a guardian, or by an office (kinds_identity)."""

    account: Bytes20
    keys: Annotated[tuple[AccountKey, ...], msgspec.Meta(min_length=1, max_length=64)]
    threshold: U64


class KycAttest(Record, tag="kyc_attest"):
    account: Bytes20
    tier: U64
    expires: U64
    commitment: Bytes32


class KycRevoke(Record, tag="kyc_revoke"):
    account: Bytes20


class ClassCreate(Record, tag="class_create"):
    class_id: Identifier = msgspec.field(name="class")
    uv: Amount  # uY per unit, 1..10000
    validity_days: U64
    bucket: Bucket = "DAY"
    pending_days: U64 = 0
    refund_policy: RefundPolicy = "GRACE"
    grace_days: U64 = 30
    kind: ClassKind | None = None  # None: COMMON if uv = 10000, else BRAND (D5)
    scope: Annotated[tuple[Category, ...], msgspec.Meta(max_length=4)] = ()  # empty: all categories
    transferable: bool = False
    exchangeable: bool = True
    exchange_in_quota: Amount | None = None  # units per window
    max_per_order: Amount | None = None  # units
    earn_cap_bps: U64 = 0
    display_decimals: U64 = 0
    sandbox: Identifier | None = None  # the trial of its issuer that it is for


class ClassRetire(Record, tag="class_retire"):
    class_id: Identifier = msgspec.field(name="class")


class MerchantApply(Record, tag="merchant_apply"):
    """The sender wants to be a merchant; `docs_hash` of the documents that the committee examines (2.12: off chain)."""

    category: Category
    name_zh: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    name_en: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    docs_hash: Bytes32


class ReserveAttest(Record, tag="reserve_attest"):
    merchant: Bytes20
    amount: Amount  # fen
    as_of: U64
    statement_hash: Bytes32


class Issue(Record, tag="issue"):
    class_id: Identifier = msgspec.field(name="class")
    to: Bytes20
    units: Amount
    order_id: Identifier
    reason: IssueReason
    cash_value: Amount
    memo: Text = b""


class ReverseIssue(Record, tag="reverse_issue"):
    order_id: Identifier
    units: Amount
    reason: Text = b""


class Redeem(Record, tag="redeem"):
    request: PaymentRequest
    max_value: Amount
    memo: Text = b""


class RedeemByToken(Record, tag="redeem_by_token"):
    pay_code: PayCode
    value: Amount
    order_id: Identifier


class Authorize(Record, tag="authorize"):
    merchant: Bytes20
    value: Amount
    ttl: U64  # seconds, 60 .. 30 days
    memo: Text = b""


class Capture(Record, tag="capture"):
    hold_id: Bytes32
    value: Amount
    order_id: Identifier


class Void(Record, tag="void"):
    hold_id: Bytes32


class Refund(Record, tag="refund"):
    order_id: Identifier
    refund_id: Identifier
    value: Amount


class Exchange(Record, tag="exchange"):
    class_id: Identifier = msgspec.field(name="class")
    units: Amount
    to_class: Identifier
    min_out: Amount = 0


class Transfer(Record, tag="transfer"):
    class_id: Identifier = msgspec.field(name="class")
    units: Amount
    to: Bytes20
    memo: Text = b""


class WindowClose(Record, tag="window_close"):
    pass


class LegPaid(Record, tag="leg_paid"):
    window: U64
    leg: LegName
    bank_ref_hash: Bytes32


class LegConfirm(Record, tag="leg_confirm"):
    window: U64
    leg: LegName


class LegDispute(Record, tag="leg_dispute"):
    window: U64
    leg: LegName
    reason: Text = b""


class Freeze(Record, tag="freeze"):
    target: Bytes20
    mode: FreezeMode
    reason: Text
    until: U64


class Unfreeze(Record, tag="unfreeze"):
    target: Bytes20


class PauseClass(Record, tag="pause_class"):
    class_id: Identifier = msgspec.field(name="class")
    until: U64


Operation = (
    Issue | ReverseIssue | Redeem | RedeemByToken | Capture | Void | Refund | Transfer | Exchange | Authorize
    | AccountOpen | KeyAdd | KeyRevoke | KeyLimit | GuardiansSet | RecoveryStart | RecoveryApprove | RecoveryCancel
    | RecoveryFinish | KycAttest | KycRevoke | ClassCreate | ClassRetire | ReserveAttest
    | WindowClose | LegPaid | LegConfirm | LegDispute | Freeze | Unfreeze | PauseClass
    | BatchIssue | CampaignCreate | CampaignClaim | CampaignClose
    | ValidatorAdd | ValidatorRemove | ValidatorReplace | ValidatorRekey
    | MerchantApply | GovPropose | GovVote | GovExecute | AlertAck
    | SandboxEnrol | EmergencyPause | EmergencyResume
    | ChallengeApply | ChallengeScore
    | Anchor | AssetRegister | AssetOffer | AssetSwap | AssetReturn | AssetLock | AssetUnlock | OfflineEscrow
)  # every kind decodes; which of them a batch may hold is a rule (D15: BAD_BATCH)


class BatchOperations(Record, tag="batch"):
    """One signature over many operations, all or nothing (D15). A batch inside a batch does not decode."""

    operations: Annotated[tuple[Operation, ...], msgspec.Meta(max_length=1024)]


Body = Operation | BatchOperations


def kind_of(body: Body) -> str:
    """The public name of a body's kind, such as "redeem_by_token"."""
    tag = body.__struct_config__.tag
    assert isinstance(tag, str), "every kind has a text tag"
    return tag

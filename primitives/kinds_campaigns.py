"""The bodies of campaigns: points granted from a budget that a merchant commits to beforehand (INV-15).

A campaign's list is the Merkle tree over `claim_leaf` of its entries. Its root is all that stands on the chain: the
merchant keeps the list, and hands every listed account its proof. budget, per_account and units count units of the
campaign's class (D16); times are unix seconds.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from primitives import merkle
from primitives.codec import U64, Amount, Bytes20, Bytes32, Identifier, Record, encode
from primitives.hashing import TAG_GRANTS, Digest, tagged_hash

ENTRIES_MAX: Final = 256  # of a batch_issue
PATH_DIGESTS_MAX: Final = 32  # of a list of 2**32 entries

Entry = tuple[Bytes20, Amount]  # [to, units]


class LeafProof(Record):
    """That a leaf is number `index` (from 0) of the `count` leaves of a campaign's list; `path` from the bottom up."""

    index: U64
    count: U64
    path: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=PATH_DIGESTS_MAX)] = ()


class BatchIssue(Record, tag="batch_issue"):
    """The issuer grants units of its campaign to each of the entries, to all of them or to none.

    `order_id`: of the issuer's orders; the same batch sent again under it is answered, not granted again (D2).
    """

    campaign: Identifier
    class_id: Identifier = msgspec.field(name="class")
    entries: Annotated[tuple[Entry, ...], msgspec.Meta(max_length=4 * ENTRIES_MAX)]
    order_id: Identifier


class CampaignCreate(Record, tag="campaign_create"):
    """Grants are made while starts <= block time < ends. Without `root` nobody can claim: only batch_issue grants."""

    campaign: Identifier
    class_id: Identifier = msgspec.field(name="class")
    budget: Amount  # units in all
    per_account: Amount  # units of one account, claimed and from batches together
    starts: U64
    ends: U64
    root: Bytes32 | None = None


class CampaignClaim(Record, tag="campaign_claim"):
    """The sender takes the units that the campaign's list names for it, once."""

    campaign: Identifier
    units: Amount
    proof: LeafProof


class CampaignClose(Record, tag="campaign_close"):
    """Nothing more is granted; what was granted stays good."""

    campaign: Identifier


def batch_digest(body: BatchIssue) -> Digest:
    """What a batch grants to whom, whatever its order id."""
    return tagged_hash(TAG_GRANTS, encode((body.campaign, body.class_id, body.entries)))


def claim_leaf(campaign: str, account: bytes, units: int) -> bytes:
    """The leaf of an entry: it fits this campaign, this account and these units only."""
    return encode((campaign, account, units))


def list_root(campaign: str, entries: Sequence[Entry]) -> Digest:
    """The root of a campaign's list, entries in the given order."""
    return merkle.root([claim_leaf(campaign, account, units) for account, units in entries])


def prove_entry(campaign: str, entries: Sequence[Entry], index: int) -> LeafProof:
    """The proof of entry number `index`; IndexError outside the list."""
    leaves = [claim_leaf(campaign, account, units) for account, units in entries]
    return LeafProof(index, len(leaves), merkle.path(leaves, index))


def is_listed(root: bytes, campaign: str, account: bytes, units: int, proof: LeafProof) -> bool:
    """Whether the list with this root names these units for the account, where the proof says."""
    leaf = claim_leaf(campaign, account, units)
    return merkle.verify_path(leaf, proof.index, proof.count, proof.path, root)

"""What is fixed for one epoch: the chain, the members, the order of leaders, the block it starts from (S10, S11, C11).

A later epoch is another EpochContext with the close block as its start, and another Replica.
"""

import struct
from dataclasses import dataclass
from typing import Final

from consensus.messages import NewView, Proposal, Summary, Vote
from primitives.certificate import Phase, vote_bytes
from primitives.codec import encode
from primitives.hashing import TAG_NEW_VIEW, TAG_VIEW_CHANGE, Digest, tagged_hash
from primitives.keys import PublicKey
from primitives.validators import Epoch, Height, NodeId, ValidatorSet

_SUMMARY: Final = struct.Struct(">32s32sQQqQ32sQ32s")  # fixed width: one encoding (section 2)


@dataclass(frozen=True, slots=True)
class EpochContext:
    """start_height and start_digest: genesis or the close block, which counts as certified (C9)."""

    chain_id: Digest
    epoch: Epoch
    members: ValidatorSet
    start_height: Height
    start_digest: Digest
    leaders: tuple[NodeId, ...] = ()  # the members in the order in which they lead; empty: by seat (L6, C11)

    def leader(self, view: int) -> NodeId:
        """The one that may propose and send NEWVIEW in `view` (L6, C11)."""
        order = self.leaders or self.members.nodes
        return order[view % len(order)]

    def is_member(self, node: int) -> bool:
        """Whether the number names a validator of this epoch."""
        return node in self.members

    def key_of(self, node: int) -> PublicKey:
        """The voting key of a member; IndexError for any other number."""
        return self.members.key_of(node)

    def proposal_bytes(self, proposal: Proposal, digest: Digest) -> bytes:
        """What the leader signed: its own PREPARE for the block, whose hash the caller computed (S0)."""
        header = proposal.block.header
        return vote_bytes(
            self.chain_id, self.epoch, self.members.hash, Phase.PREPARE, proposal.view, header.height, digest
        )

    def signed_vote_bytes(self, vote: Vote) -> bytes:
        """What the signer of a vote signed (S1, pitfall 3)."""
        return vote_bytes(self.chain_id, vote.epoch, self.members.hash, vote.phase, vote.view, vote.height, vote.digest)

    def summary_bytes(self, summary: Summary) -> bytes:
        """What the signer of a VIEWCHANGE signed (S6)."""
        return TAG_VIEW_CHANGE + _SUMMARY.pack(
            self.chain_id, self.members.hash, summary.epoch, summary.view, summary.high_view, summary.high_height,
            summary.high_digest, summary.tip_height, summary.tip_digest,
        )  # fmt: skip

    def new_view_bytes(self, new_view: NewView) -> bytes:
        """What the leader of a NEWVIEW signed (S7)."""
        content = encode((new_view.epoch, new_view.view, new_view.summaries, new_view.certificate))
        return TAG_NEW_VIEW + tagged_hash(TAG_NEW_VIEW, self.chain_id, self.members.hash, content)

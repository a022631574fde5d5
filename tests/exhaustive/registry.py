"""The network of one search: keys, blocks and messages by name. Each name has one message, used everywhere.

Block names: (proposer, parent name, mark). Message keys: ("P", view, block digest), ("C", phase, view, height, digest),
("V", view, signer, certificate key), ("N", view, certificate key).
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from msgspec.structs import replace

from consensus.epochs import EpochContext
from consensus.messages import CertificateMessage, Message, NewView, Proposal, Summary, ViewChange, Vote
from consensus.verification import check_message
from consensus.view_change import base_of
from primitives.block import Block, Header, batches_root, header_digest, new_view_hash
from primitives.certificate import Certificate, Phase, build_certificate
from primitives.hashing import TAG_GENESIS, ZERO_DIGEST, Digest, tagged_hash
from primitives.keys import PublicKey, Signature
from primitives.validators import Epoch, Height, NodeId, Validator, ValidatorSet

Key = tuple[Any, ...]


class Pens:
    """Signatures as hashes that anybody could compute; here only the owner of a key asks for them."""

    def public_key(self, node: int) -> PublicKey:
        """The voting key of a node."""
        return PublicKey(tagged_hash(b"exhaustive/key", bytes([node])))

    def signer(self, node: int) -> Callable[[bytes], Signature]:
        """Signs for a node."""
        key = self.public_key(node)
        return lambda message: _signed(key, message)

    def verify(self, key: PublicKey, message: bytes, signature: Signature) -> bool:
        """Whether the holder of the key signed."""
        return _signed(key, message) == signature


def _signed(key: bytes, message: bytes) -> Signature:
    return Signature(tagged_hash(b"exhaustive/signature", key, message) * 2)


class Registry:
    """`traitor` signs anything; the others have cores elsewhere."""

    def __init__(self, size: int, traitor: int) -> None:
        self.size, self.traitor = size, traitor
        self.honest = [node for node in range(size) if node != traitor]
        self.scheme = Pens()
        members = ValidatorSet(tuple(Validator(f"node{i}", self.scheme.public_key(i), b"") for i in range(size)))
        self.genesis = Block(_header(members, ZERO_DIGEST, 0, 0, (), 0), (), None)
        chain_id = tagged_hash(TAG_GENESIS, b"exhaustive")
        self.context = EpochContext(chain_id, Epoch(0), members, Height(0), header_digest(self.genesis.header))
        self.blocks: dict[Digest, Block] = {Digest(header_digest(self.genesis.header)): self.genesis}
        self.messages: dict[Key, Message] = {}
        self._accepted: dict[Hashable, bool] = {}
        self._children: dict[Hashable, Block] = {}
        self._certificates: dict[Key, Certificate] = {}

    def keep(self, block: Block) -> Digest:
        """Know a block by its digest."""
        digest = header_digest(block.header)
        self.blocks[digest] = block
        return digest

    def child(self, parent: bytes, proposer: int, mark: int, record: bytes | None) -> Block:
        """A legal block on a known one; `record`: the NEWVIEW that the first block above a base carries (C11)."""
        name = (parent, proposer, mark, record)
        block = self._children.get(name)
        if block is None:
            above = self.blocks[Digest(parent)].header
            body = (tagged_hash(b"exhaustive/body", bytes([proposer, mark])),)
            header = _header(self.context.members, parent, above.height + 1, proposer, body, above.time_ms + 1)
            if record is not None:
                header = replace(header, new_view_hash=new_view_hash(record))
            block = self._children[name] = Block(header, body, None, record)
            self.keep(block)
        return block

    def certificate(self, key: Key) -> Certificate:
        """The certificate of ("C", phase, view, height, digest); whether it can exist is the caller's business."""
        known = self._certificates.get(key)
        if known is None:
            _, phase, view, height, digest = key
            quorum = self.context.members.quorum
            votes = {node: self.vote(node, phase, view, height, digest) for node in range(self.size)}
            known = build_certificate(Phase(phase), 0, view, height, digest, votes, quorum)
            self._certificates[key] = known
            self.messages[key] = CertificateMessage(known)
        return known

    def vote(self, node: int, phase: int, view: int, height: int, digest: bytes) -> Signature:
        """The signature of any member under a vote."""
        draft = Vote(Phase(phase), 0, view, height, digest, node, bytes(64))
        return self.scheme.signer(node)(self.context.signed_vote_bytes(draft))

    def proposal(self, view: int, block: Block) -> Key:
        """The traitor's proposal."""
        key = ("P", view, header_digest(block.header))
        if key not in self.messages:
            draft = Proposal(view, block, bytes(64))
            signature = self.scheme.signer(self.traitor)(self.context.proposal_bytes(draft, key[2]))
            self.messages[key] = replace(draft, signature=signature)
        return key

    def view_change(self, view: int, certificate: Key | None) -> Key:
        """The traitor's VIEWCHANGE with any certificate."""
        key = ("V", view, self.traitor, certificate and certificate[1:])
        if key not in self.messages:
            proof = None if certificate is None else self.certificate(certificate)
            base = base_of(proof, self.context)
            draft = Summary(0, view, *base.rank, base.digest, *(base.rank.height, base.digest), self.traitor, bytes(64))
            signature = self.scheme.signer(self.traitor)(self.context.summary_bytes(draft))
            self.messages[key] = ViewChange(replace(draft, signature=signature), proof)
        return key

    def new_view(self, view: int, chosen: Iterable[Key], certificate: Key | None) -> Key | None:
        """The traitor's NEWVIEW of these VIEWCHANGEs with this certificate; None if a correct receiver refuses it.

        All that are accepted with one base are one message: nothing else in them is read.
        """
        changes = [self.messages[key] for key in chosen]
        proof = None if certificate is None else self.certificate(certificate)
        summaries = tuple(change.summary for change in changes if isinstance(change, ViewChange))
        key = ("N", view, certificate and certificate[1:])
        question = (key, summaries)
        if question not in self._accepted:
            draft = NewView(0, view, summaries, proof, bytes(64))
            signature = self.scheme.signer(self.traitor)(self.context.new_view_bytes(draft))
            message = replace(draft, signature=signature)
            self._accepted[question] = self.acceptable(message)
            if self._accepted[question]:
                self.messages.setdefault(key, message)
        return key if self._accepted[question] else None

    def acceptable(self, message: Message) -> bool:
        """Whether the check in front of every core lets the message through."""
        return check_message(message, NodeId(self.traitor), self.context, self.scheme.verify) is None


def _header(
    members: ValidatorSet, parent: bytes, height: int, proposer: int, body: tuple[Digest, ...], time_ms: int
) -> Header:
    return Header(
        epoch=0, height=height, parent=parent, batches_root=batches_root(body), tx_root=ZERO_DIGEST, exec_height=0,
        state_root=ZERO_DIGEST, receipts_root=ZERO_DIGEST, cert_height=0, cert_hash=ZERO_DIGEST,
        valset_hash=members.hash, next_valset_hash=None, time_ms=time_ms, proposer=proposer,
    )  # fmt: skip

"""A hand-made chain of headers over epochs, signed by real keys: what a light client is shown in tests."""

from msgspec.structs import replace

from primitives import merkle
from primitives.block import Header, batches_root, header_digest, tx_root
from primitives.certificate import Certificate, Phase, build_certificate, vote_bytes
from primitives.genesis import FORMAT, Genesis, chain_id, genesis_header
from primitives.handover import Handover
from primitives.hashing import ZERO_DIGEST
from primitives.keys import SigningKey
from primitives.light_client import Certified
from primitives.state_proof import EMPTY_STATE_ROOT
from primitives.validators import Seats, Validator, ValidatorSet, valset_hash

START = 1_759_913_600
KEYS = [SigningKey.from_seed(bytes([i + 1]) * 32) for i in range(8)]
MEMBERS = [Validator(f"v{i}", key.public_key, b"der%d" % i) for i, key in enumerate(KEYS)]
GENESIS = Genesis(FORMAT, "epochs", START, tuple(MEMBERS[:4]), ())
CHAIN_ID = chain_id(GENESIS)
KEY_OF = {bytes(member.vote_key): key for member, key in zip(MEMBERS, KEYS, strict=True)}


def sign(header: Header, members: ValidatorSet, view: int = 0, phase: Phase = Phase.COMMIT) -> Certificate:
    """By the lowest quorum of the members."""
    digest = header_digest(header)
    vote = vote_bytes(CHAIN_ID, header.epoch, members.hash, phase, view, header.height, digest)
    votes = {node: KEY_OF[members.key_of(node)].sign(vote) for node in members.nodes[: members.quorum]}
    return build_certificate(phase, header.epoch, view, header.height, digest, votes, members.quorum)


class EpochChain:
    """Empty blocks; `close` ends the epoch. `headers[h]` and `certificates[h]`; genesis has no certificate."""

    def __init__(self) -> None:
        self.sets = [ValidatorSet(GENESIS.validators)]
        self.headers = [genesis_header(GENESIS, EMPTY_STATE_ROOT)]
        self.certificates: list[Certificate | None] = [None]
        self.handovers: list[Handover] = []

    @property
    def members(self) -> ValidatorSet:
        return self.sets[-1]

    def add(self, count: int = 1, **changes: object) -> Header:
        """The last of `count` blocks; `changes` of header fields apply to each."""
        for _ in range(count):
            parent = self.headers[-1]
            header = Header(
                len(self.sets) - 1, parent.height + 1, header_digest(parent), batches_root(()), tx_root(()),
                parent.height, EMPTY_STATE_ROOT, merkle.EMPTY_ROOT, 0, ZERO_DIGEST, self.members.hash, None,
                parent.time_ms + 1000, 0,
            )  # fmt: skip
            header = replace(header, **changes)
            self.headers.append(header)
            self.certificates.append(sign(header, self.members))
        return self.headers[-1]

    def close(self, seats: Seats) -> Handover:
        """A close block, and the new members from the next block on."""
        header = self.add(next_valset_hash=valset_hash(seats))
        certificate = self.certificates[-1]
        assert certificate is not None
        handover = Handover(header, certificate, seats)
        self.handovers.append(handover)
        self.sets.append(ValidatorSet(seats))
        return handover

    def shown(self, height: int, certified: int | None = None) -> Certified:
        """The header with its descendants up to `certified`, by default itself."""
        top = height if certified is None else certified
        return Certified(tuple(self.headers[height : top + 1]), self.certificates[top])


def changing(epochs: int = 3, blocks: int = 3) -> EpochChain:
    """Members 0 to 3; each close replaces the oldest seat by the next key. A few blocks in every epoch."""
    chain = EpochChain()
    seats: list[Validator | None] = list(MEMBERS[:4])
    for number in range(epochs):
        chain.add(blocks)
        seats[number % 4] = MEMBERS[4 + number % 4]
        chain.close(tuple(seats))
    chain.add(blocks)
    return chain

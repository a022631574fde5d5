"""Checkers over the members of a stage, and correct things to tell them; a test plants what is not."""

from msgspec.structs import replace

from consensus.events import Decided
from consensus.journal_records import Committed, EnteredView, LeftView, Prepared
from consensus.messages import Vote
from primitives.block import Block, batches_root, header_digest
from primitives.certificate import Certificate, Phase
from primitives.hashing import Digest
from primitives.validators import Height
from simulation.checkers import Checkers
from simulation.stored import Stored, genesis_stored
from simulation.villain import Villain
from tests.simulation.stage import Stage

ME, OTHER, TRAITOR = 1, 2, 3


class World:
    """Fresh checkers over the members of a stage, and correct things to tell them."""

    def __init__(self) -> None:
        self.stage = Stage(4, (0, ME, OTHER))
        self.checkers = self.new(10_000)
        self.first = self.block(1, header_digest(self.stage.genesis.header), 1)

    def new(self, memory_max: int) -> Checkers:
        stage = self.stage
        fresh = Checkers(
            stage.context, stage.scheme.verify, frozenset((0, ME, OTHER)), genesis_stored(stage.genesis), memory_max
        )
        for node in (0, ME, OTHER):
            fresh.started(node, [], 0)
        return fresh

    def pen(self, node: int) -> Villain:
        return self.stage.villain(node)

    def block(self, height: int, parent: bytes, mark: int) -> Block:
        body = (Digest(mark.to_bytes(32, "big")),)
        header = replace(
            self.stage.genesis.header, height=height, parent=parent, batches_root=batches_root(body),
            time_ms=self.stage.genesis.header.time_ms + height, proposer=0,
        )  # fmt: skip
        return Block(header, body, None)

    def vote(self, phase: Phase, view: int, block: Block, node: int = ME) -> Vote:
        return self.pen(node).vote(phase, view, block.header.height, header_digest(block.header))

    def prepared(self, view: int, block: Block) -> Prepared:
        return Prepared(self.vote(Phase.PREPARE, view, block), block)

    def committed(self, view: int, block: Block) -> Committed:
        return Committed(self.vote(Phase.COMMIT, view, block), self.lock(view, block))

    def lock(self, view: int, block: Block) -> Certificate:
        return self.stage.certificate(Phase.PREPARE, view, block)

    def left(self, view: int, certificate: Certificate | None = None) -> LeftView:
        return LeftView(self.pen(ME).view_change(view, certificate))

    def entered(self, view: int, certificate: Certificate | None = None, leader: int = ME) -> EnteredView:
        changes = [self.pen(node).view_change(view, certificate) for node in range(3)]
        return EnteredView(self.pen(leader).new_view(view, changes, certificate))

    def decides(self, node: int, block: Block, certificate: Certificate | None = None) -> None:
        proof = certificate or self.stage.certificate(Phase.COMMIT, 0, block)
        self.checkers.decided(node, Decided(Height(block.header.height), block, proof))

    def executes(self, node: int, block: Block, root: bytes = bytes(32), receipts: tuple[Digest, ...] = ()) -> None:
        stored = Stored(block, header_digest(block.header), Digest(root), receipts)
        self.checkers.executed(node, stored)


def chain(w: World) -> Block:
    return w.block(2, header_digest(w.first.header), 2)


def rival(w: World) -> Block:
    return w.block(1, header_digest(w.stage.genesis.header), 9)

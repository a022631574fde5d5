"""What a simulated node keeps through power cuts: the real journal, anchor and ledger over disks in memory."""

import random
from typing import Final

from chainnode.journal_entries import read_entries
from chainnode.rooms import Ledger
from consensus.journal_records import JournalRecord
from ledger.anchor import HeadAnchor
from ledger.chain import Chain
from ledger.failures import JournalDamaged
from ledger.journal import Journal
from ledger.memory_disk import MemoryDisk
from ledger.state_tree import StateTree
from primitives.block import header_digest
from simulation.world import World

JOURNAL: Final = "journal"


class Disks:
    """One machine's. A write of the ledger is atomic and synced, as LevelDB's is; the anchor, the journal and the
    segments are files that a crash may tear."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.abstains_in: int | None = None  # what `resync` notes: it has no memory of its votes up to this epoch
        self.wipe()
        self.forgetful = False  # whether promises that were durable are gone

    def wipe(self) -> None:
        """A new machine with the old key: everything is gone (pitfall 44)."""
        self.files = MemoryDisk()
        self.store = self._world.store.snapshot()
        HeadAnchor.create(self.files, self._world.chain_id, header_digest(self._world.block.header)).close()
        Journal.create(self.files, JOURNAL, self._world.chain_id).close()
        self.forgetful = True

    def image(self) -> "Disks":
        """A backup of everything that is durable now."""
        copy = Disks(self._world)
        copy.files, copy.store, copy.abstains_in = self.files.image(), self.store.snapshot(), self.abstains_in
        return copy

    def go_back(self, image: "Disks") -> None:
        """Restore a backup: the disk knows nothing of what came after it."""
        self.files, self.store, self.abstains_in = image.files, image.store, image.abstains_in
        self.forgetful = True

    def open(self) -> tuple[Ledger, list[JournalRecord]]:
        """What a start finds, checked as the product checks it. Raises: FatalError."""
        chain_id = self._world.chain_id
        anchor = HeadAnchor.open(self.files, chain_id)
        journal, entries = Journal.open(self.files, JOURNAL, chain_id)
        chain = Chain.open(self.store, self.files, anchor, chain_id)
        ledger = Ledger(chain, StateTree(self.store, chain.head.state_root), journal, entries, self.abstains_in)
        return ledger, read_entries(entries).records

    def resync(self, epoch: int) -> None:
        """What an operator does about a damaged journal: begin a new one, sign nothing up to this epoch (S9)."""
        self.files.repair()
        self.files.remove(JOURNAL)
        Journal.create(self.files, JOURNAL, self._world.chain_id).close()
        self.abstains_in, self.forgetful = epoch, True

    def rot(self, draw: random.Random) -> bool:
        """Change a synced byte of the journal where it must be noticed; False if there is none (see ledger/journal).

        Damage inside the last synced group cannot be told from a torn tail, so it is not made here.
        """
        size = self.files.size(JOURNAL)
        for _ in range(8):
            offset, mask = draw.randrange(size), 1 << draw.randrange(8)
            self.files.flip(JOURNAL, offset, mask)
            if self._damaged():
                return True
            self.files.flip(JOURNAL, offset, mask)
        return False

    def _damaged(self) -> bool:
        """Whether the journal is refused. Only a copy is opened: opening cuts what looks like a torn tail."""
        try:
            Journal.open(self.files.image(), JOURNAL, self._world.chain_id)
        except JournalDamaged:
            return True
        return False

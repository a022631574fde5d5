"""Batches and transactions on their way into a simulated node: the product's checks, without its queues and turns."""

from collections.abc import Callable, Sequence

from chainnode.batches import Declined
from chainnode.rooms import Rooms
from points.admission import check_admission
from primitives.block import decode_batch, tx_root
from primitives.certificate import Verify
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.hashing import Digest
from primitives.transaction import Decoded, decode_transaction, signature_checks
from primitives.validators import NodeId


class KnownTransactions:
    """Decodes and verifies once per run what every node sees. Raises Malformed like decode_transaction."""

    def __init__(self, verify: Verify) -> None:
        self._verify = verify
        self._decoded: dict[bytes, Decoded] = {}
        self._genuine: dict[bytes, bool] = {}

    def decode(self, raw: bytes) -> Decoded:
        """The transaction of these bytes."""
        found = self._decoded.get(raw)
        if found is None:
            found = self._decoded[raw] = decode_transaction(raw)
        return found

    def root(self, batches: Sequence[bytes | None]) -> Digest | None:
        """The tx_root of these raw batches; None if one is missing."""
        found = [decode_batch(raw).transactions for raw in batches if raw is not None]
        if len(found) < len(batches):
            return None
        return tx_root([self.decode(one).id for transactions in found for one in transactions])

    def genuine(self, decoded: Decoded) -> bool:
        """Whether all its signatures verify."""
        found = self._genuine.get(decoded.raw)
        if found is None:
            found = all(self._verify(*check) for check in signature_checks(decoded))
            self._genuine[decoded.raw] = found
        return found


class Intake:
    """See chainnode.inbound.Intake; what BatchIntake does in turns is done at once."""

    def __init__(self, rooms: Rooms, known: KnownTransactions, now_ms: Callable[[], int]) -> None:
        self._rooms, self._known, self._now_ms = rooms, known, now_ms

    def receive(self, sender: NodeId, raw: bytes) -> object:
        """A batch from the link of `sender`. Raises: Malformed if the sender lies."""
        store = self._rooms.store
        found = store.offer(sender, raw)
        if isinstance(found, Declined):
            return found
        reason = found.fault
        decoded: list[Decoded] = []
        if not reason:
            try:
                decoded = [self._known.decode(one) for one in found.batch.transactions]
            except Malformed as error:
                reason = str(error)
        if not reason and not all(one.transaction.envelope.chain_id == self._rooms.identity for one in decoded):
            reason = "a transaction of another chain"
        if not reason and not all(self._known.genuine(one) for one in decoded):
            reason = "a signature does not verify"
        if reason:
            store.refuse(found, reason)
            self._rooms.batch_bad(found, reason)
        else:
            self._rooms.batch_held(store.keep(found, tuple(decoded), self._now_ms()))
        return None


def admit(rooms: Rooms, known: KnownTransactions, decoded: Decoded, wall_s: int, now_ms: int) -> Code:
    """A client's transaction at the door of a node: the checks of chainnode/admissions, then a place in the pool."""
    if not rooms.takes_transactions:
        return Code.NOT_VALIDATOR
    if decoded.id in rooms.executor.seen or rooms.chain.place(decoded.id) is not None:
        return Code.DUPLICATE_TX
    now_s = max(wall_s, rooms.executor.time_s)
    code = rooms.mempool.check(decoded, now_s)
    if code is Code.OK:
        code, _ = check_admission(rooms.executor.cache, decoded, now_s)
    if code is Code.OK and not known.genuine(decoded):
        code = Code.BAD_SIGNATURE
    if code is Code.OK:
        code = rooms.mempool.admit(decoded, now_s, now_ms, rooms.store.mentions(decoded.id))
    return code

"""Audit of a stopped node's ledger: everything that it stores, computed again from the genesis."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from sortedcontainers import SortedDict

from chainnode.config import load_config
from chainnode.executor import note_of
from chainnode.failures import LedgerFailure
from chainnode.genesis_file import read_genesis
from chainnode.seen_ids import SeenIds
from ledger.audit import Audit, Audited, Difference, Executed, Progress, Replay
from ledger.chain import Chain
from ledger.data_directory import open_data_directory
from ledger.failures import FatalError, LedgerDamaged
from points.state import encode_value
from points.transition import apply_block, genesis_state
from points.view import Changes
from primitives.block import Header, decode_batch
from primitives.certificate import Certificate, Phase, verify_certificate
from primitives.codec import Malformed, decode_canonical, decoder, encode
from primitives.genesis import Genesis, chain_id, validator_set
from primitives.handover import check_handover, decode_handover
from primitives.hashing import Digest
from primitives.keys import verify
from primitives.transaction import decode_transaction, signature_checks
from primitives.validators import ValidatorSet

_CERTIFICATE: Final = decoder(Certificate)


class SortedState:
    """A points View over records in memory; range reads cost their own length only."""

    def __init__(self) -> None:
        self._records: Final[SortedDict] = SortedDict()

    def get(self, key: bytes) -> Any:
        """See View."""
        return self._records.get(key)

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, Any]]:
        """See View."""
        for key in self._records.irange(start, stop, (True, False)):
            yield key, self._records[key]

    def apply(self, changes: Changes) -> None:
        """Make the changes part of the state."""
        for key, record in changes.items():
            if record is None:
                self._records.pop(key, None)
            else:
                self._records[key] = record


class LedgerReplay:
    """Executes stored blocks again, signatures included, over a state of its own."""

    def __init__(self, genesis: Genesis, chain: Chain) -> None:
        self._chain_id: Final = chain_id(genesis)
        self._chain: Final = chain
        self._state: Final = SortedState()
        self._seen: Final = SeenIds()
        self._time_s = genesis.time
        records = genesis_state(genesis)
        self._state.apply(records)
        self.genesis_bytes: Final = {k: encode_value(record) for k, record in records.items() if record is not None}

    def execute(self, height: int, header: Header, batches: Sequence[bytes]) -> Executed:
        """See ledger.audit.Execute. Raises: Malformed for a batch or signature that no honest node accepts."""
        mentions = [decode_transaction(raw) for batch in batches for raw in decode_batch(batch).transactions]
        for decoded in mentions:
            if not all(verify(*check) for check in signature_checks(decoded)):
                raise Malformed(f"transaction {decoded.id.hex()}: a signature does not verify")
        time_s, block = header.time_ms // 1000, self._chain.block(height)
        assert block is not None, "the audit asks for stored blocks"
        self._seen.advance(time_s)
        done = apply_block(
            self._state, time_s=time_s, previous_s=self._time_s, height=height, chain_id=self._chain_id,
            transactions=mentions, seen=self._seen.__contains__, note=note_of(block),
        )  # fmt: skip
        self._state.apply(done.changes)
        self._seen.add(time_s, [decoded.id for decoded in mentions])
        self._time_s = time_s
        changes = {key: None if record is None else encode_value(record) for key, record in done.changes.items()}
        receipts = [None if receipt is None else encode(receipt) for receipt in done.receipts]
        return Executed([decoded.id for decoded in mentions], receipts, changes)


def members_by_epoch(chain: Chain, genesis: Genesis) -> list[ValidatorSet]:
    """The set of each epoch so far, every handover checked. Raises: LedgerDamaged for one that does not hold."""
    found = [validator_set(genesis)]
    for epoch, raw in enumerate(chain.handovers()):
        try:
            found.append(check_handover(decode_handover(raw), chain_id(genesis), epoch, found[-1], verify))
        except Malformed as error:
            raise LedgerDamaged(f"the handover of epoch {epoch}: {error}") from error
    return found


def audit_chain(chain: Chain, genesis: Genesis, progress: Callable[[int, int], None]) -> Audited | Difference:
    """Every link, root, certificate and receipt of the chain, and by replay every state root.

    A pruned chain has no beginning to replay from: it is checked from its floor on, its state against the state tree.
    Raises: LedgerDamaged for the handovers.
    """
    members, identity = members_by_epoch(chain, genesis), chain_id(genesis)

    def certificate_valid(height: int, block_hash: Digest, raw: bytes) -> bool:
        try:
            certificate = decode_canonical(_CERTIFICATE, raw)
        except Malformed:
            return False
        fits = certificate.phase is Phase.COMMIT and certificate.digest == block_hash and certificate.height == height
        known = certificate.epoch < len(members)
        return fits and known and verify_certificate(certificate, identity, members[certificate.epoch], verify)

    replay = LedgerReplay(genesis, chain)
    again = Replay(replay.genesis_bytes, replay.execute) if chain.floor == 0 else None
    height = 0
    try:
        for step in Audit(chain, certificate_valid, again).run():
            if not isinstance(step, Progress):
                return step
            height = step.height
            progress(step.height, step.stop)
    except Malformed as error:
        return Difference(height + 1, "batch", "transactions that an honest node accepts", str(error))
    raise AssertionError("an audit ends with a verdict")


def audit_config(config_path: Path, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """{"ok", "height", ...} of the ledger of a configuration; it must not be in use.

    Raises: NodeFailure for the configuration or a ledger that does not even open.
    """
    config = load_config(config_path)
    genesis = read_genesis(config.genesis)
    try:
        data = open_data_directory(Path(config.data), genesis, config.ledger_mapped_mib)
        try:
            for _ in data.store.range(b"", None):  # every block of every table, also what only dead entries fill
                pass
            found = audit_chain(data.chain, genesis, progress)
        finally:
            data.close()
    except FatalError as error:
        raise LedgerFailure(str(error), error.exit_code) from error
    if isinstance(found, Difference):
        return {"ok": False, "height": found.height, "what": found.what, "expected": found.expected,
                "found": found.found}  # fmt: skip
    root = "" if found.state_root is None else found.state_root.hex()
    return {"ok": True, "start": found.start, "height": found.stop, "transactions": found.transactions,
            "certified": found.certified, "state_root": root, "chain_id": chain_id(genesis).hex()}  # fmt: skip

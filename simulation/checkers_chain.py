"""One chain for all: agreement, order, parent links, certificates, roots, every transaction once and for good."""

from collections.abc import Iterable, Mapping

from consensus.epochs import EpochContext
from consensus.events import Decided
from primitives.block import Block, batches_root, header_digest
from primitives.certificate import Certificate, Phase, Verify, certificate_hash, verify_certificate
from primitives.hashing import Digest


class ChainRules:
    """What the honest nodes decide and execute, each told once per node. `contexts` holds all epochs so far."""

    def __init__(
        self, contexts: Mapping[int, EpochContext], verify: Verify, genesis: Digest, state_root: Digest
    ) -> None:
        self._contexts, self._verify = contexts, verify
        self.agreed: dict[int, Digest] = {0: genesis}  # height -> the one decided block
        self.last: dict[int, int] = {}  # node -> height decided last
        self.executed: dict[int, int] = {}  # node -> height executed last
        self._roots: dict[int, Digest] = {0: state_root}
        self._certified: dict[int, Digest] = {}  # what certificates claim about heights that nobody decided yet
        self._valid: set[Digest] = set()  # certificates that were found valid
        self._transactions: dict[int, tuple[Digest, ...]] = {}  # height -> what it executed
        self._named: dict[bytes, int] = {}  # batch -> the height that names it
        self.home: dict[Digest, int] = {}  # transaction -> its height; who executed it has acknowledged it

    def started(self, node: int, height: int) -> None:
        """Heights are decided anew from the ledger's height on."""
        self.last[node] = self.executed[node] = height

    def decided(self, node: int, decided: Decided) -> None:
        """Agreement, order, exactly once, parent links, the proposer, certificates (S5)."""
        height, block = decided.height, decided.block
        header, digest = block.header, header_digest(block.header)
        assert height == self.last[node] + 1, f"S5: node {node} decides {height} after {self.last[node]}"
        self.last[node] = height
        assert header.height == height, f"node {node} decides a block of {header.height} at {height}"
        assert batches_root(block.batch_digests) == header.batches_root, f"C2: foreign body at {height}"
        agreed = self.agreed.setdefault(height, digest)
        assert agreed == digest, (
            f"FORK at height {height}: node {node} decides {digest.hex()[:8]}, others {agreed.hex()[:8]}"
        )
        assert header.parent == self.agreed[height - 1], f"broken parent link at height {height}"
        context = self._contexts[header.epoch]
        assert header.valset_hash == context.members.hash, f"S11: block {height} names another validator set"
        assert context.is_member(header.proposer), f"C13: block {height} is of {header.proposer}, no validator"
        self._check_certificate(node, height, digest, decided.certificate, header.epoch)

    def executed_block(self, node: int, block: Block, state_root: Digest, transactions: tuple[Digest, ...]) -> None:
        """In order, once, with the same roots and transactions everywhere; headers name true roots (C3, C6)."""
        header = block.header
        height = header.height
        assert height == self.executed[node] + 1, f"node {node} executes {height} after {self.executed[node]}"
        self.executed[node] = height
        root = self._roots.setdefault(height, state_root)
        assert root == state_root, f"INV: node {node} has another state root after height {height}"
        assert header.exec_height < height, f"C3: block {height} names the roots of {header.exec_height}"
        assert self._roots[header.exec_height] == header.state_root, f"C3: block {height} was decided with a wrong root"
        for batch in block.batch_digests:
            first = self._named.setdefault(batch, height)
            assert first == height, f"C5: batch {batch.hex()[:8]} is named at {first} and again at {height}"
        known = self._transactions.setdefault(height, transactions)
        assert known == transactions, f"INV: node {node} executed other transactions at height {height}"
        for transaction in transactions:
            home = self.home.setdefault(transaction, height)
            assert home == height, f"C6: transaction {transaction.hex()[:8]} is executed at {home} and at {height}"

    def finished(self, nodes: Iterable[int]) -> None:
        """At the end of a run: what any honest node acknowledged stands in the chain of every honest node."""
        top = max(self.home.values(), default=0)
        for node in nodes:
            assert self.executed[node] >= top, (
                f"ACK: height {top} was acknowledged, node {node} stands at {self.executed[node]}"
            )

    def _check_certificate(self, node: int, height: int, digest: Digest, certificate: Certificate, epoch: int) -> None:
        context, identity = self._contexts[epoch], certificate_hash(certificate)
        if identity not in self._valid:
            valid = verify_certificate(certificate, context.chain_id, context.members, self._verify)
            assert valid and certificate.epoch == epoch, f"C16: node {node} decides {height} by a bad certificate"
            assert certificate.phase is Phase.COMMIT, f"S5: node {node} decides {height} by a PREPARE certificate"
            self._valid.add(identity)
            claimed = self._certified.setdefault(certificate.height, Digest(certificate.digest))
            assert claimed == certificate.digest, f"FORK: two certified blocks at height {certificate.height}"
        assert certificate.height >= height, (
            f"S5: node {node} decides {height} by a certificate for {certificate.height}"
        )
        known = self._certified.get(height)
        assert known is None or known == digest, f"FORK: the block decided at {height} is not the certified one"

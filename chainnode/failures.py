"""A broken environment: one log line, an exit code, a restart recovers. Never for what a peer or user sends."""


class NodeFailure(Exception):
    """Stops the node. `exit_code` is the process's (2 configuration, 74 ledger damaged, 75 disk full)."""

    exit_code = 70


class BadConfiguration(NodeFailure):
    """A file, key or setting of the operator is missing or contradicts another; nothing was written."""

    exit_code = 2


class VerifiersDisagree(NodeFailure):
    """Two ways to verify a signature give different verdicts: nodes that have one or the other would split."""

    exit_code = 2


class PortTaken(NodeFailure):
    """A listener's address is in use; the sentence names it."""

    exit_code = 2


class Diverged(NodeFailure):
    """This node's execution differs from what a quorum certified: it halts loudly rather than serve (pitfall 78)."""

    exit_code = 74


class InvariantBroken(NodeFailure):
    """The points rules broke their own invariants on a network that checks them: it stops before the next block."""

    exit_code = 74


class Forked(NodeFailure):
    """A quorum signed another chain than the one that is final here: more than f validators lie. The node stops and
    does not start again until people have decided (T24)."""

    exit_code = 74


class LedgerFailure(NodeFailure):
    """A fatal error of the ledger, with its sentence and exit code, for callers above this layer."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code

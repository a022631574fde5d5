"""A state that a certified header names, with the snapshot to prove any key of it (C3, C4).

The ledger keeps the tree of the newest block only, and a header names a state that is some blocks old. So the snapshot
of the newest state is kept open until a certified header names that state: at once on an idle chain, whose last block
changed nothing; a few blocks later on a busy one. A header may pass over the one that was kept, so newer ones are kept
beside it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from chainnode.backend import NodeBackend
from chainnode.problem import Refused
from chainnode.proofs import certify, epoch_of, handovers_from
from chainnode.record_view import StateMoment, open_state
from ledger.chain import Chain
from primitives.codes import Code
from primitives.light_client import Certified
from primitives.state_evidence import EVIDENCE_FORMAT, StateEvidence, StateRecord

STATES_HELD_MAX: Final = 16  # snapshots per request; headers pass over a state only where execution is in a hurry
HANDOVERS_LISTED: Final = 256  # in one answer; a reader who is further behind asks for pages of them first
KEYS_PER_TURN: Final = 64  # proven until the loop gets its turn


@dataclass(frozen=True, slots=True)
class ProvenState:
    """`certified.headers[0]` names the root of `state`. `time_s`: the second as of which it is told: the header's,
    or the node's clock where that runs on by itself (points expire while no block is made)."""

    state: StateMoment
    certified: Certified
    time_s: int


@asynccontextmanager
async def open_proven_state(backend: NodeBackend, timeout_ms: int) -> AsyncIterator[ProvenState]:
    """A state not older than the newest block of this moment.

    Raises: Refused NOT_READY if no certified header names one within the time.
    """
    with ExitStack() as held:
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                state, certified = await _wait(backend, held)
        except TimeoutError:
            what = f"no certified header names a state of the last {timeout_ms} ms"
            raise Refused(Code.NOT_READY, what, "query") from None
        header_ms = certified.headers[0].time_ms
        time_ms = header_ms if backend.genesis.test_clock else max(header_ms, backend.now_ms())
        yield ProvenState(state, certified, time_ms // 1000)


async def _wait(backend: NodeBackend, held: ExitStack) -> tuple[StateMoment, Certified]:
    chain = backend.chain
    states: dict[bytes, StateMoment] = {}
    newest, candidates, looked = -1, list[tuple[int, StateMoment]](), None
    while True:
        height = backend.commits.height
        if height > newest and len(states) < STATES_HELD_MAX:
            state = held.enter_context(open_state(chain))
            states.setdefault(state.head.state_root, state)
            newest = state.head.height
            looked = newest - 1 if looked is None else looked
        assert looked is not None, "the first turn opened a state"
        top = max(chain.head.height, newest)
        for above in range(looked + 1, top + 1):
            header = chain.header(above)
            if header is not None and header.state_root in states:
                candidates.append((above, states[header.state_root]))
        looked = top
        found = _first_certified(chain, candidates)
        if found is not None:
            return found
        await backend.commits.height_above(height)


def _first_certified(
    chain: Chain, candidates: Sequence[tuple[int, StateMoment]]
) -> tuple[StateMoment, Certified] | None:
    for height, state in candidates:
        certified = certify(chain, height)
        if certified is not None:
            return state, certified
    return None


async def build_evidence(chain: Chain, proven: ProvenState, keys: Sequence[bytes], epoch: int) -> StateEvidence:
    """Values and tree nodes of these keys, the certified header, and the handovers from `epoch` on, at most
    HANDOVERS_LISTED of them."""
    tree = proven.state.raw.tree()
    numbers: dict[bytes, int] = {}
    records = []
    for position, key in enumerate(keys):
        path = tuple(numbers.setdefault(node, len(numbers)) for node in tree.prove(key).nodes)
        records.append(StateRecord(key, proven.state.raw.get(key), path))
        if position % KEYS_PER_TURN == KEYS_PER_TURN - 1:
            await asyncio.sleep(0)
    return evidence_of(chain, proven.certified, epoch, tuple(numbers), tuple(records))


def evidence_of(
    chain: Chain, certified: Certified, epoch: int, nodes: tuple[bytes, ...] = (), records: tuple[StateRecord, ...] = ()
) -> StateEvidence:
    """What proves the certified header to a reader who knows the members of `epoch`, and the records under it."""
    last = min(epoch_of(certified), epoch + HANDOVERS_LISTED)
    return StateEvidence(EVIDENCE_FORMAT, handovers_from(chain, epoch, last), certified, nodes, records)

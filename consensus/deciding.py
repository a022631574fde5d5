"""Certificates: what adopting one does, and the one function through which every decision goes (S4, S5, C10)."""

from consensus.events import CatchUp, Decided, Effects, Synced
from consensus.journal_records import SawCertificate
from consensus.messages import BlockReply
from consensus.one_chain import note_decided
from consensus.proposal_rules import body_fault, closes
from consensus.state import VIEWS_BEHIND, State
from primitives.block import Block, header_digest
from primitives.certificate import Certificate, Phase
from primitives.hashing import Digest
from primitives.validators import Height, NodeId


def adopt(state: State, certificate: Certificate, effects: Effects) -> None:
    """Take in a valid certificate: highest rank, view, vote tip, decision. Harmless when it is old or known."""
    if certificate.epoch != state.context.epoch or certificate.height <= state.context.start_height:
        return
    state.probation.sight_certificate(certificate)
    if state.closed:
        return
    state.raise_high(certificate)
    effects.evidence += state.watch.certificate(certificate, state.slots)
    if certificate.view > state.view:
        effects.persist.append(SawCertificate(certificate))
        state.enter(certificate.view, active=False, new_view=None)  # C10: its NEWVIEW comes by STATUS
        state.timer.changed_view(by_timeout=False)
        state.status_due = True
    if certificate.phase is Phase.COMMIT:
        _commit(state, certificate, effects)
    elif certificate.view >= state.view and state.decided < certificate.height <= state.decided + 2 * state.window:
        slot = state.slots.open(certificate.view, certificate.height)
        if slot.prepared is None:
            slot.prepared = certificate
            state.progressed = state.clock.now


def _commit(state: State, certificate: Certificate, effects: Effects) -> None:
    if certificate.height <= state.decided:
        known = state.tree.ancestor(state.decided_digest, certificate.height)
        if known is not None and known != certificate.digest:
            effects.forks.append(certificate)
        return
    if decide(state, certificate, effects):
        return
    if state.pending_commit is None or certificate.height > state.pending_commit.height:
        state.pending_commit = certificate


def decide(state: State, certificate: Certificate, effects: Effects) -> bool:
    """Decide the certified block and all its undecided ancestors, in height order, each once (S5).

    False while a block of the chain is missing; then it is fetched and the certificate waits.
    """
    path = state.tree.path(certificate.digest, certificate.height, state.decided)
    if path.missing is not None:
        seek(state, certificate, path.missing, effects)
        return False
    if path.blocks[0].header.parent != state.decided_digest:
        # More than f validators are faulty, or this ledger is not of this chain: never overwrite what was final.
        effects.forks.append(certificate)
        return True
    if any(closes(block, state.context.epoch) for block in path.blocks[:-1]):
        effects.violations.append((state.me, f"C8: the certificate for {certificate.height} is above a close block"))
        return True
    for block in path.blocks:
        effects.decide.append(Decided(Height(block.header.height), block, certificate))
    note_decided(state, path.blocks, effects)
    effects.evidence += state.watch.decided(path.blocks, state.slots, state.tree)
    _settle(state, path.blocks, certificate)
    return True


def _settle(state: State, blocks: tuple[Block, ...], certificate: Certificate) -> None:
    now, window = state.clock.now, state.window
    rounds = [now - seen for height, seen in state.first_seen.items() if height <= certificate.height]
    state.first_seen = {h: seen for h, seen in state.first_seen.items() if h > certificate.height}
    state.closed = closes(blocks[-1], state.context.epoch)
    state.handover_due = state.handover_due or _reaches_handover(state, certificate)
    state.decided = Height(certificate.height)
    state.decided_digest = Digest(certificate.digest)
    state.decided_certificate = certificate
    state.tree.settle(blocks, state.decided - 2 * window)
    state.slots.prune(state.view - VIEWS_BEHIND, state.decided)
    state.wants = {d: w for d, w in state.wants.items() if w.height > state.decided}
    state.verdicts = {d: v for d, v in state.verdicts.items() if d in state.tree}
    if state.tip.height <= state.decided:  # never back; at the same height the decided block counts as prepared (C10)
        state.move_tip(state.decided, state.decided_digest)
    state.base_vote_due = state.base_vote_due and state.base.rank.height > state.decided
    if state.pending_commit is not None and state.pending_commit.height <= state.decided:
        state.pending_commit = None
    state.timer.decided(now, len(blocks), rounds)
    state.ask_build = state.pending_batches > 0
    state.progressed = now


def _reaches_handover(state: State, certificate: Certificate) -> bool:
    """Whether the view that is active here decides the next multiple of R above its base (C11). A view that began at
    this height or above was the hand-over itself, however late its decisions come here."""
    step = state.config.handover_blocks
    if step == 0 or not state.active or certificate.view != state.view:
        return False
    boundary = certificate.height // step * step
    return boundary > max(state.decided, state.base.rank.height)


def seek(state: State, certificate: Certificate, missing: tuple[Height, Digest], effects: Effects) -> None:
    """Get the missing part of a certified chain: single blocks by hash, a longer piece by catch-up (L8).

    A single one too that everybody was asked for in vain: a close block falls out of the cores of those who are far in
    a later epoch, while its certificate stays the highest that this epoch will ever have (C8, pitfall 32).
    """
    height, digest = missing
    want = state.wants.get(digest)
    in_vain = want is not None and want.tries >= len(state.context.members.nodes)
    if certificate.phase is Phase.COMMIT and (certificate.height > state.decided + state.window or in_vain):
        last = state.caught_up_at
        if last is None or state.clock.now - last >= state.config.timing.catch_up_ms:
            state.caught_up_at = state.clock.now
            effects.fetch.append(CatchUp(state.decided, certificate))
    elif height <= state.decided + 2 * state.window or digest == certificate.digest:
        # The block under a far PREPARE certificate embeds the COMMIT certificate that catch-up needs.
        state.want(height, digest, effects)


def seek_high(state: State, effects: Effects) -> None:
    """A PREPARE certificate beyond the window: its block leads to the COMMIT certificate that catch-up needs (L8)."""
    if state.behind and state.pending_commit is None and state.high is not None:
        state.want(state.high.height, state.high.digest, effects)


def retry_pending(state: State, effects: Effects) -> None:
    """Decide what waited for its chain."""
    if state.pending_commit is not None and decide(state, state.pending_commit, effects):
        state.pending_commit = None


def on_block_reply(state: State, sender: NodeId, reply: BlockReply, effects: Effects) -> None:
    """Blocks fetched by hash. Only a wanted block and its ancestors get in, so hashes vouch for all of them.

    A certified block was checked by honest voters, hence its embedded certificate is valid without another check.
    Nothing behind the chain that was asked for is looked at: no hash vouches for it.
    """
    expected: Digest | None = None
    vouched: list[Block] = []
    for block in reply.blocks:
        digest = header_digest(block.header)
        if expected is None and digest not in state.wants:
            return  # late, or never asked
        if expected is not None and digest != expected:
            effects.violations.append((sender, "S8: a reply whose blocks are not one chain"))
            return
        fault = body_fault(block)
        if fault is not None:
            effects.violations.append((sender, fault))
            return
        if block.header.height <= state.decided:
            break
        state.wants.pop(digest, None)
        state.tree.add(block)
        vouched.append(block)
        expected = Digest(block.header.parent)
    for block in vouched:
        if block.certificate is not None:
            adopt(state, block.certificate, effects)


def on_synced(state: State, event: Synced, effects: Effects) -> None:
    """A certified piece of chain from catch-up; pieces that overlap what is decided are cut (S5, pitfalls 31, 61)."""
    fresh = [block for block in event.blocks if block.header.height > state.decided]
    certificate = event.certificate
    if not fresh or certificate.phase is not Phase.COMMIT or certificate.epoch != state.context.epoch:
        return  # a piece of another epoch is for the replica of that epoch
    parent, height = state.decided_digest, state.decided
    for block in fresh:
        if block.header.parent != parent or block.header.height != height + 1 or body_fault(block) is not None:
            effects.violations.append((state.me, f"S5: catch-up gave no chain from height {state.decided} on"))
            return
        parent, height = header_digest(block.header), Height(height + 1)
    if parent != certificate.digest or height != certificate.height:
        effects.violations.append((state.me, f"S5: catch-up gave a certificate that is not of its block {height}"))
        return
    for block in fresh:
        state.tree.add(block)
    adopt(state, certificate, effects)

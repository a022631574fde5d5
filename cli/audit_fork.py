"""Two nodes that hold different certified blocks at one height: who made both final, proven from what they serve."""

from pathlib import Path
from typing import Any, Final

from chainnode.accountability import (
    ForkVerdict,
    Remembered,
    decode_block,
    encode_file,
    judge_fork,
    read_journal,
)
from cli.client import NoAnswer, NotSent, unreachable
from cli.language import t
from cli.network import Network
from cli.output import answer, pairs, say
from cli.outsider import Outsider, Unproven
from cli.verdicts import Refusal, Verdict, usage
from primitives.block import Block, Header, header_digest
from primitives.certificate import Certificate, Phase, verify_certificate
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.handover import Handover
from primitives.json_form import from_plain
from primitives.keys import verify

ABOVE: Final = 64  # blocks of either chain that are looked at: certificates near the fork convict, far ones add nothing
Plain = Any


def fork_answer(network: Network, outsider: Outsider, target: Path | None, journals: tuple[Path, ...]) -> int:
    """The verdict on the two nodes of `network`. Exit 0: at least f + 1 are named; 1: a node lies; 3: not enough is
    known."""
    one, other = network.nodes[:2]
    known = _read(journals, outsider.trusted.chain_id)
    try:
        handovers = _shared_handovers(outsider, one, other)
        height = _first_difference(outsider, one, other)
        if height is None:
            raise usage(t("the two nodes have the same blocks", "两个节点的区块一致"))
        verdict = _judge(outsider, one, other, height, known)
    except Malformed as error:
        raise Refusal(Verdict.REJECTED, Code.LYING_NODE, str(error)) from error
    except Unproven as error:
        raise Refusal(Verdict.UNKNOWN, Code.NOT_READY, str(error)) from error
    except (NotSent, NoAnswer) as error:
        raise unreachable(network.nodes, error) from error
    if target is not None:
        target.write_bytes(encode_file(outsider.trusted.chain_id, handovers, verdict.offences))
        say(t(f"written to {target}", f"已写入 {target}"))
    return _tell(verdict, height)


def _tell(verdict: ForkVerdict, height: int) -> int:
    plain = {
        "height": height, "epoch": verdict.epoch, "certified": list(verdict.heights), "needed": verdict.needed,
        "accused": verdict.accused, "missing": verdict.missing,
        "evidence": [offence.plain() for offence in verdict.offences],
    }  # fmt: skip
    rows: list[tuple[str, object]] = [
        (t("chains part at height", "分叉高度"), height), (t("epoch", "纪元"), verdict.epoch),
        (t("at least guilty", "至少有罪"), verdict.needed),
        (t("accused", "被指控者"), ", ".join(verdict.accused) or "-"),
    ]  # fmt: skip
    rows += [(f"{o.accused} {o.kind}", f"{o.signed[0]}  |  {o.signed[1]}") for o in verdict.offences]
    if verdict.missing is not None:
        rows.append((t("still needed", "仍需"), verdict.missing))
    answer(plain, pairs(rows))
    return int(Verdict.DONE if len(verdict.accused) >= verdict.needed else Verdict.UNKNOWN)


def _shared_handovers(outsider: Outsider, one: str, other: str) -> list[Handover]:
    """Those on which the two agree: the sets of all epochs up to the fork."""
    lists = []
    for node in (one, other):
        body = outsider.object_at(node, "/v1/handovers?from=0")
        lists.append([from_plain(Handover, item) for item in body.get("handovers", ())])
    shared = []
    for left, right in zip(*lists, strict=False):
        if header_digest(left.header) != header_digest(right.header):
            break
        shared.append(left)
        outsider.trusted.advance(left)
    return shared


def _first_difference(outsider: Outsider, one: str, other: str) -> int | None:
    """The lowest height at which the nodes have different blocks: below it all are equal, since hashes chain."""
    top = min(int(outsider.object_at(node, "/v1/status").get("height", 0)) for node in (one, other))
    if _digest(outsider, one, top) == _digest(outsider, other, top):
        return None
    low, high = 0, top  # Invariant: equal at low, different at high
    while high - low > 1:
        middle = (low + high) // 2
        if _digest(outsider, one, middle) == _digest(outsider, other, middle):
            low = middle
        else:
            high = middle
    return high


def _digest(outsider: Outsider, node: str, height: int) -> bytes:
    listed = outsider.object_at(node, f"/v1/headers?from={height}&limit=1").get("headers", ())
    if not listed:
        raise Unproven(t(f"{node} has no header {height}", f"{node} 没有高度 {height} 的区块头"))
    header = from_plain(Header, listed[0].get("header"))
    if header.height != height:
        raise Malformed(f"{node} gives header {header.height} for height {height}")
    return header_digest(header)


def _read(journals: tuple[Path, ...], chain_id: bytes) -> Remembered:
    known = Remembered()
    for path in journals:
        try:
            known += read_journal(path.read_bytes(), chain_id)
        except (OSError, Malformed) as error:
            raise usage(f"{path}: {error}") from error
    return known


def _judge(outsider: Outsider, one: str, other: str, height: int, journals: Remembered) -> ForkVerdict:
    chains = [_blocks(outsider, node, height) for node in (one, other)]
    epoch = chains[0][0].header.epoch
    certificates = [_certificate(outsider, node, height, epoch) for node in (one, other)]
    for chain, certificate in zip(chains, certificates, strict=True):
        covered = {header_digest(block.header) for block in chain}
        if certificate.digest not in covered:
            raise Malformed(t(f"the certificate of height {certificate.height} is not of the chain that the node shows",
                              f"高度 {certificate.height} 的证书不属于该节点给出的链"))  # fmt: skip
    return judge_fork(
        certificates[0], certificates[1], [*chains[0], *chains[1]], journals, outsider.trusted.chain_id,
        outsider.trusted.members_of(epoch),
    )  # fmt: skip


def _blocks(outsider: Outsider, node: str, first: int) -> list[Block]:
    """The chain of one node from `first` on, linked by hashes."""
    blocks: list[Block] = []
    while len(blocks) < ABOVE:
        got = outsider.ask(node, f"/v1/blocks/{first + len(blocks)}/bytes")
        if got.status == 404 and blocks:
            break
        if got.status != 200:
            raise Malformed(f"HTTP {got.status} for block {first + len(blocks)} of {node}")
        block = decode_block(got.raw)
        if blocks and block.header.parent != header_digest(blocks[-1].header):
            raise Malformed(f"{node}: block {block.header.height} is not the child of the block below it")
        blocks.append(block)
    return blocks


def _certificate(outsider: Outsider, node: str, height: int, epoch: int) -> Certificate:
    """A COMMIT certificate of the epoch at or above the height."""
    found = from_plain(Certificate, outsider.object_at(node, f"/v1/blocks/{height}/certificate").get("certificate"))
    members = outsider.trusted.members_of(epoch)
    valid = found.phase is Phase.COMMIT and found.epoch == epoch and found.height >= height
    if not valid or not verify_certificate(found, outsider.trusted.chain_id, members, verify):
        raise Malformed(t(f"{node} has no valid certificate for block {height}",
                          f"{node} 没有区块 {height} 的有效证书"))  # fmt: skip
    return found

"""`hnchain audit verify`: the headers of a range, every change of the validators, and what each node says of itself."""

from pathlib import Path
from typing import Any, Final

import click

from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, pairs, say, with_output
from cli.outsider import Lie, Outsider, Reading, Unproven
from cli.proven_reads import read_newest
from cli.trust_options import open_outsider
from cli.verdicts import Verdict, usage
from primitives.block import Header, header_digest
from primitives.certificate import Certificate
from primitives.codec import Malformed
from primitives.json_form import from_plain
from primitives.light_client import HEADERS_MAX, Certified

PAGE: Final = 256
Plain = Any


@click.command(help=t("Check the chain of headers, its certificates and every change of the validators as an outsider, "
                      "and what every node says about itself. A full replay of a stopped node: hnchain node verify.",
                      "以第三方身份核验区块头链、证书与历次验证者变更，并核对各节点自述；"
                      "完整重放请用 hnchain node verify。"),
               epilog=example("hnchain audit verify --genesis genesis.json --from 0 --to 100"))  # fmt: skip
@click.option("--genesis", "genesis_path", type=click.Path(path_type=Path), metavar="FILE",
              help=t("Default: the network's, found by its chain id.", "默认按链编号获取。"))  # fmt: skip
@click.option("--from", "start", type=click.IntRange(min=0), default=0, show_default=True,
              help=t("Height.", "起始高度。"))  # fmt: skip
@click.option("--to", "stop", type=click.IntRange(min=0),
              help=t("Height; default: the newest that is proven.", "结束高度，默认最新已证明高度。"))  # fmt: skip
@with_network
@with_output
def verify(genesis_path: Path | None, start: int, stop: int | None, network: Network) -> int:
    outsider = open_outsider(network, genesis_path)
    newest = outsider.gather(lambda node: _read_node(outsider, node), enough=len(network.nodes))[0].header
    last = newest.height if stop is None else min(stop, newest.height)
    if start > last:
        raise usage(t(f"--from {start} is above {last}", f"--from {start} 高于 {last}"))
    top = outsider.gather(lambda node: read_chain(outsider, node, start, last), enough=1)[0].value
    found = {
        "start": start, "stop": last, "hash": header_digest(top).hex(), "certified": newest.height,
        "epoch": outsider.trusted.epoch, "validators": [m.name for m in outsider.trusted.members.members()],
        "chain_id": outsider.trusted.chain_id.hex(), "witnesses": _witnesses(outsider, top), **outsider.plain(),
    }  # fmt: skip
    marks = {True: "✓", False: "✗", None: t("no answer, or not there yet", "无应答或尚未到达")}
    answer(found, pairs([
        (t("heights", "高度"), f"{start}..{last}"),
        (t("certified up to", "证书覆盖至"), newest.height),
        (t("epoch", "纪元"), f"{found['epoch']} ({', '.join(found['validators'])})"),
        (t("block hash", "区块哈希"), found["hash"]), (t("chain id", "链编号"), found["chain_id"]),
        *((node, marks[agrees]) for node, agrees in found["witnesses"].items()),
    ]))  # fmt: skip
    return int(Verdict.REJECTED if any(one.kind == "lying" for one in outsider.distrusted) else Verdict.DONE)


def _read_node(outsider: Outsider, node: str) -> Reading[None]:
    """The newest header that the node proves; what it says about itself must fit it."""
    status = _body(outsider, node, "/v1/status")
    outsider.take_handovers(node)
    reading = read_newest(outsider, node)
    members = _body(outsider, node, "/v1/validators")
    if members.get("epoch") != reading.header.epoch:
        outsider.take_handovers(node)  # a change of the validators just now
    chain = outsider.trusted.chain_id.hex()
    if status.get("chain_id") != chain:
        raise Lie(f"chain {str(status.get('chain_id'))[:16]}", f"chain {chain[:16]}")
    height = status.get("height")
    if not isinstance(height, int) or height > reading.header.height + HEADERS_MAX:
        raise Lie(f"height {str(height)[:20]}", f"height {reading.header.height}")
    _check_members(outsider, reading.header, members)
    return reading


def _check_members(outsider: Outsider, header: Header, told: Plain) -> None:
    """The list of validators against the proven set of the same epoch."""
    epoch = told.get("epoch")
    if not isinstance(epoch, int) or not header.epoch <= epoch <= outsider.trusted.epoch:
        raise Lie(f"epoch {str(epoch)[:20]}", f"epoch {outsider.trusted.epoch}")
    members = outsider.trusted.members_of(epoch)
    proven = [(members.at(node).name, members.at(node).vote_key.hex()) for node in members.nodes]
    items = told.get("members")
    said = [(m.get("name"), m.get("vote_key")) for m in items if isinstance(m, dict)] if isinstance(items, list) else []
    if said != proven:
        raise Lie(f"validators {[name for name, _ in said]}"[:200], f"validators {[name for name, _ in proven]}")
    if (told.get("hash"), told.get("quorum")) != (members.hash.hex(), members.quorum):
        raise Lie(f"quorum {str(told.get('quorum'))[:20]}", f"quorum {members.quorum} of {members.size}")


def read_chain(outsider: Outsider, node: str, start: int, stop: int) -> Reading[Header]:
    """The header at `stop`, certified, with all headers from `start` linked up to it. Raises: Malformed, Unproven."""
    parent: Header | None = None
    for first in range(start, stop + 1, PAGE):
        wanted = min(PAGE, stop + 1 - first)
        listed = _headers(outsider, node, first, wanted)
        if len(listed) < wanted:
            raise Unproven(f"it has no header {first + len(listed)}")
        for number, header in enumerate(listed):
            _check_link(outsider, header, parent, first + number)
            parent = header
        say(f"{first + wanted - 1}/{stop}")
    assert parent is not None, "start <= stop"
    return Reading(node, outsider.trusted.certified_header(_cover(outsider, node, parent)), parent)


def _cover(outsider: Outsider, node: str, top: Header) -> Certified:
    """The header with its descendants up to one that is certified; genesis needs none."""
    if top.height == 0:
        return Certified((top,), None)
    held = _body(outsider, node, f"/v1/blocks/{top.height}/certificate")
    certificate = from_plain(Certificate, held.get("certificate"))
    above = certificate.height - top.height
    if not 0 <= above < HEADERS_MAX:
        raise Malformed(f"a certificate of height {certificate.height} for block {top.height}")
    more = _headers(outsider, node, top.height + 1, above) if above else []
    return Certified((top, *more), certificate)


def _check_link(outsider: Outsider, header: Header, parent: Header | None, height: int) -> None:
    if header.height != height:
        raise Malformed(f"header {height}: its height is {header.height}")
    if parent is not None and header.parent != header_digest(parent):
        raise Malformed(f"header {height} is not the child of header {height - 1}")
    if header.valset_hash != outsider.trusted.members_of(header.epoch).hash:
        raise Malformed(f"header {height} names another validator set than that of epoch {header.epoch}")


def _headers(outsider: Outsider, node: str, start: int, limit: int) -> list[Header]:
    items = _body(outsider, node, f"/v1/headers?from={start}&limit={limit}").get("headers")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Malformed("no list of headers")
    return [from_plain(Header, item.get("header")) for item in items]


def _witnesses(outsider: Outsider, top: Header) -> dict[str, bool | None]:
    """Whether each node has this block at its height; None: no answer, or it is not there yet."""
    found: dict[str, bool | None] = {}
    for node in outsider.nodes:
        readings = outsider.hear(node, lambda node: Reading(node, top, _headers(outsider, node, top.height, 1)))
        if readings is None or not readings.value:
            found[node] = None
            continue
        other = readings.value[0]
        found[node] = other == top
        if other != top:
            said = f"block {header_digest(other).hex()[:16]} at height {top.height}"
            outsider.distrust(node, "lying", said, f"block {header_digest(top).hex()[:16]}")
    return found


def _body(outsider: Outsider, node: str, target: str) -> dict[str, Plain]:
    answer = outsider.ask(node, target)
    if answer.status == 404:
        raise Unproven(f"HTTP 404 to {target}")
    if answer.status != 200 or not isinstance(answer.body, dict):
        raise Malformed(f"HTTP {answer.status} to {target}, {len(answer.raw)} bytes")
    return answer.body

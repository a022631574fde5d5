"""`hnchain audit evidence`: who signed what it must not, from nodes or a file, checked with the genesis alone."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click

from chainnode.accountability import Offence, check_raw, decode_file, encode_file, epoch_of_evidence
from cli.audit_fork import fork_answer
from cli.language import example, t
from cli.network import find_network, read_genesis
from cli.output import answer, say, table, with_output
from cli.outsider import Lie, Outsider, Reading, Unproven
from cli.proven_reads import read_newest
from cli.trust_options import open_outsider
from cli.verdicts import Verdict, usage
from primitives.codec import Malformed
from primitives.handover import Handover
from primitives.json_form import from_plain
from primitives.light_client import TrustedEpochs

PAGES_MAX: Final = 1_000  # of 100: a node that lists without end is not read to the end
Plain = Any


@click.command(help=t("Offences of validators that nodes or a FILE can prove: double votes, hidden commits, broken "
                      "chains. Everything is checked here; what does not hold only shows that "
                      "its node lies. Exit 0 when all was checked, found or not.",
                      "节点或文件 FILE 可证明的验证者违规：重复投票、隐瞒提交、断链等。全部在本机核验，"
                      "无效的证据只说明节点说谎。核验完成即退出码 0，无论有无发现。"),
               epilog=example("hnchain audit evidence --export evidence.hne\n"
                              "hnchain audit evidence evidence.hne --genesis genesis.json --fail-on-evidence\n"
                              "hnchain audit evidence --fork http://127.0.0.1:8101 http://127.0.0.1:8102"))  # fmt: skip
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option("--node", "nodes", multiple=True, metavar="URL",
              help=t("A node's address; repeat for more.", "节点地址，可重复。"))  # fmt: skip
@click.option("--devnet", "directory", type=click.Path(path_type=Path), metavar="DIR",
              help=t("Folder of a local network.", "本地网络目录。"))  # fmt: skip
@click.option("--genesis", "genesis_path", type=click.Path(path_type=Path), metavar="FILE",
              help=t("Default: the network's, found by its chain id.", "默认按链编号获取。"))  # fmt: skip
@click.option("--export", "target", type=click.Path(path_type=Path), metavar="FILE",
              help=t("Write what holds to a file that needs the genesis only.",
                     "将成立的证据写入文件，凭创世文件即可核验。"))  # fmt: skip
@click.option("--fail-on-evidence", is_flag=True,
              help=t("Exit 1 if an offence is proven.", "有违规成立时退出码为 1。"))  # fmt: skip
@click.option("--fork", "fork", nargs=2, metavar="URL URL",
              help=t("Two nodes that disagree on a block: name those who made both chains final.",
                     "对同一高度给出不同区块的两个节点：指出使两条链都成为最终的验证者。"))  # fmt: skip
@click.option("--journal", "journals", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help=t("With --fork: a node's journal, where blocks alone do not suffice; repeat for more.",
                     "与 --fork 合用：仅凭区块不足以定责时，提供节点的日志文件，可重复。"))  # fmt: skip
@with_output
def evidence(
    files: tuple[Path, ...], nodes: tuple[str, ...], directory: Path | None, genesis_path: Path | None,
    target: Path | None, fail_on_evidence: bool, fork: tuple[str, str] | None, journals: tuple[Path, ...],
) -> int:  # fmt: skip
    if fork is not None:
        network = find_network(fork, None)
        return fork_answer(network, open_outsider(network, genesis_path), target, journals)
    if files:
        if genesis_path is None:
            raise usage(t("a file is checked against the genesis", "核验文件需要创世文件"), "--genesis FILE")
        trusted = TrustedEpochs(read_genesis(genesis_path))
        handovers, found = _of_files(files, trusted)
        held = {bytes(offence.identity): [str(path) for path in files] for offence in found}
        lying = False
    else:
        outsider = open_outsider(find_network(nodes, directory), genesis_path)
        trusted = outsider.trusted
        handovers, found, held = _of_nodes(outsider)
        lying = any(one.kind == "lying" for one in outsider.distrusted)
    if target is not None:
        target.write_bytes(encode_file(trusted.chain_id, handovers, found))
        say(t(f"{len(found)} proofs written to {target}", f"已将 {len(found)} 份证明写入 {target}"))
    plain = {"chain_id": trusted.chain_id.hex(),
             "evidence": [{**o.plain(), "held_by": held[o.identity]} for o in found]}  # fmt: skip
    answer(plain, offences_text(found))
    if lying or (fail_on_evidence and found):
        return int(Verdict.REJECTED)
    return int(Verdict.DONE)


def offences_text(found: Iterable[Offence]) -> str:
    """One line per offence and two for what was signed."""
    kinds = {
        "double_vote": t("two votes in one place", "同一位置重复投票"),
        "hidden_commit": t("denied its commit when it left the view", "切换视图时隐瞒提交"),
        "late_vote": t("voted after it had left the view", "离开视图后仍投票"),
        "double_view_change": t("left a view twice, differently", "以不同内容两次离开视图"),
        "double_new_view": t("opened a view twice, differently", "以不同内容两次开启视图"),
        "broken_chain": t("voted on two chains in one view", "同一视图内对两条链投票"),
    }
    rows = [(o.accused, str(o.epoch), kinds.get(o.kind, o.kind), o.identity.hex()[:16]) for o in found]
    if not rows:
        return t("✓ no offence is proven", "✓ 没有已证明的违规")
    headers = (t("accused", "被指控者"), t("epoch", "纪元"), t("offence", "违规"), t("id", "编号"))
    details = [f"{o.identity.hex()[:16]}  {side}" for o in found for side in o.signed]
    return "\n".join([table(headers, rows), "", t("signed:", "签署内容："), *details])


def _of_files(paths: tuple[Path, ...], trusted: TrustedEpochs) -> tuple[list[Handover], list[Offence]]:
    """Raises: Refusal (exit 2) for a file that does not hold; nobody else is blamed for it."""
    handovers: list[Handover] = []
    found: dict[bytes, Offence] = {}
    for path in paths:
        try:
            content = decode_file(path.read_bytes())
            if content.chain_id != trusted.chain_id:
                raise Malformed(f"evidence of chain {content.chain_id.hex()[:16]}")
            for handover in content.handovers:
                trusted.advance(handover)
            if len(content.handovers) > len(handovers):
                handovers = list(content.handovers)
            for raw in content.items:
                offence = check_raw(raw, trusted.chain_id, trusted.members_of)
                found[offence.identity] = offence
        except (OSError, Malformed) as error:
            raise usage(f"{path}: {error}") from error
    return handovers, _in_order(found)


def _in_order(found: dict[bytes, Offence]) -> list[Offence]:
    return sorted(found.values(), key=lambda offence: (offence.epoch, offence.seat, offence.kind, offence.identity))


def _of_nodes(outsider: Outsider) -> tuple[list[Handover], list[Offence], dict[bytes, list[str]]]:
    """All that any node can prove, and which nodes hold it."""
    found: dict[bytes, Offence] = {}
    held: dict[bytes, list[str]] = {}
    handovers: list[Handover] = []

    def read(node: str) -> Reading[None]:
        outsider.take_handovers(node)
        reading = read_newest(outsider, node)
        known = read_handovers(outsider, node)
        if len(known) > len(handovers):
            handovers[:] = known
        for identity in _listed(outsider, node):
            if identity not in found:
                offence = _proof(outsider, node, identity)
                found[identity] = offence
            held.setdefault(identity, []).append(node)
        return Reading(node, reading.header, None)

    outsider.gather(read, enough=len(outsider.nodes))
    return handovers, _in_order(found), held


def read_handovers(outsider: Outsider, node: str) -> list[Handover]:
    """As the node lists them; `take_handovers` has checked them."""
    found: list[Handover] = []
    while page := outsider.object_at(node, f"/v1/handovers?from={len(found)}").get("handovers"):
        found += [from_plain(Handover, item) for item in page]
    return found


def _listed(outsider: Outsider, node: str) -> list[bytes]:
    identities: list[bytes] = []
    cursor = ""
    for _ in range(PAGES_MAX):
        page = outsider.object_at(node, f"/v1/evidence?limit=100&cursor={cursor}")
        for item in page.get("items", ()):
            identities.append(_digest(item.get("id")))
        if not page.get("next"):
            return identities
        cursor = _digest(page["next"]).hex()
    raise Malformed(f"a list of more than {PAGES_MAX} pages")


def _digest(text: object) -> bytes:
    try:
        raw = bytes.fromhex(str(text))
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise Malformed(f"an id {str(text)[:70]!r}")
    return raw


def _proof(outsider: Outsider, node: str, identity: bytes) -> Offence:
    got = outsider.ask(node, f"/v1/evidence/{identity.hex()}?format=msgpack")
    if got.status != 200:
        raise Malformed(f"HTTP {got.status} for evidence that it lists")
    epoch = epoch_of_evidence(got.raw)
    if epoch > outsider.trusted.epoch:
        raise Unproven(t(f"evidence of epoch {epoch}, proven are epochs up to {outsider.trusted.epoch}",
                         f"证据属于纪元 {epoch}，仅证明到纪元 {outsider.trusted.epoch}"))  # fmt: skip
    offence = check_raw(got.raw, outsider.trusted.chain_id, outsider.trusted.members_of)
    if offence.identity != identity:
        raise Lie(t(f"evidence {identity.hex()[:16]}", f"证据 {identity.hex()[:16]}"), offence.identity.hex()[:16])
    return offence

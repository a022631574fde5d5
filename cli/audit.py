"""`hnchain audit`: supply, exposure, invariants, and the chain itself, checked from outside with the genesis alone."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from cli.client import Answer, Client, NoAnswer, NotSent, exchange, problem_refusal, unreachable
from cli.language import example, t
from cli.network import Network, read_genesis, with_network
from cli.output import answer, pairs, points, say, table, with_output, yuan
from cli.passphrase import read_secret_file
from cli.verdicts import Refusal, Verdict, usage
from primitives.block import Header, header_digest
from primitives.certificate import Certificate, Phase, verify_certificate
from primitives.codes import Code
from primitives.genesis import Genesis, chain_id, validator_set
from primitives.json_form import from_plain
from primitives.keys import verify as verify_signature

PAGE = 256
FATES = ("issued", "exch_in", "restored", "redeemed", "expired", "burned")


@click.group(help=t("Supply, exposure, invariants, the chain itself.", "总量、敞口、不变量与链上核验。"),
             epilog=example("hnchain audit supply"))  # fmt: skip
def audit() -> None:
    pass


@audit.command(help=t("Units of every class by what became of them; they must add up (INV-1).",
                      "各类别积分的去向及守恒核对（INV-1）。"),
               epilog=example("hnchain audit supply -o json"))  # fmt: skip
@with_network
@with_output
def supply(network: Network) -> int:
    plain = network.client().get("/v1/supply")
    rows = [(class_id, *(points(c[fate]) for fate in (*FATES, "outstanding"))) for class_id, c in sorted(plain.items())]
    headers = (t("class", "类别"), t("issued", "发放"), t("exchanged in", "换入"), t("restored", "退回"),
               t("redeemed", "核销"), t("expired", "过期"), t("burned", "冲正"), t("outstanding", "流通"))  # fmt: skip
    answer(plain, table(headers, rows))
    return int(Verdict.DONE if all(int(c["outstanding"]) >= 0 for c in plain.values()) else Verdict.REJECTED)


@audit.command(help=t("Cap, outstanding, debts and room of every merchant.", "各商户的上限、流通、应付与余量。"),
               epilog=example("hnchain audit exposure"))  # fmt: skip
@with_network
@with_output
def exposure(network: Network) -> None:
    client = network.client()
    plain = []
    for merchant in client.get("/v1/merchants")["items"]:
        found = client.get(f"/v1/merchants/{merchant['id']}/exposure")
        plain.append({**found, "name_zh": merchant["name_zh"], "name_en": merchant["name_en"]})
    rows = [(t(item["name_en"], item["name_zh"]), item["status"],
             *(yuan(item[key]) for key in ("cap", "outstanding", "payable", "room"))) for item in plain]  # fmt: skip
    headers = (t("merchant", "商户"), t("status", "状态"), t("cap", "上限"), t("outstanding", "流通"),
               t("payable", "应付"), t("room", "余量"))  # fmt: skip
    answer(plain, table(headers, rows))


@audit.command(help=t("Let nodes recompute the invariants from their whole state (through the admin listener).",
                      "由节点从完整状态重算全部不变量（经管理端口）。"),
               epilog=example("hnchain audit invariants"))  # fmt: skip
@click.option("--admin", "admin_url", metavar="URL", help=t("A node's admin listener.", "节点管理端口地址。"))
@click.option("--token-file", type=click.Path(path_type=Path), metavar="FILE", help=t("Its token.", "令牌文件。"))
@with_network
@with_output
def invariants(admin_url: str | None, token_file: Path | None, network: Network) -> int:
    listeners = _admin_listeners(network, admin_url, token_file)
    found = {name: _invariants_of(url, token) for name, (url, token) in listeners.items()}
    broken = any(result["violations"] for result in found.values())
    lines = []
    for name, result in found.items():
        mark = "✗" if result["violations"] else "✓"
        lines.append(f"{mark} {name}  {t('height', '高度')} {result['height']}  {result['state_root'][:16]}")
        lines += [f"    {sentence}" for sentence in result["violations"]]
    answer(found, "\n".join(lines))
    return int(Verdict.REJECTED if broken else Verdict.DONE)


def _admin_listeners(network: Network, url: str | None, token_file: Path | None) -> dict[str, tuple[str, str]]:
    """name -> (URL, token): the one given, else those of the devnet's running nodes."""
    if url is not None and token_file is not None:
        return {url: (url, read_secret_file(token_file).decode("ascii", "replace").strip())}
    if network.directory is None:
        raise usage(t("whose state?", "请指明节点"), "--admin URL --token-file FILE | --devnet DIR")
    from chainnode.devnet import open_devnet

    devnet = open_devnet(network.directory)
    found = {
        place.name: (f"http://127.0.0.1:{place.admin_port}", devnet.token(place))
        for place in devnet.places
        if devnet.state(place) == "running"
    }
    if not found:
        raise unreachable([place.url for place in devnet.places], None)
    return found


def _invariants_of(url: str, token: str) -> Any:
    try:
        got: Answer = exchange(url, "GET", "/admin/invariants", headers={"Authorization": f"Bearer {token}"})
    except (NotSent, NoAnswer) as error:
        raise unreachable([url], error) from error
    if got.status != 200:
        raise problem_refusal(got)
    return got.body


@audit.command(help=t("Check the chain of headers and its certificates as an outsider; compare all nodes' heads. "
                      "A full replay of a stopped node: hnchain node verify.",
                      "以第三方身份核验区块头链与证书，并比对各节点；完整重放请用 hnchain node verify。"),
               epilog=example("hnchain audit verify --genesis genesis.json --from 0 --to 100"))  # fmt: skip
@click.option("--genesis", "genesis_path", type=click.Path(path_type=Path), metavar="FILE",
              help=t("Default: the devnet's.", "默认取本地网络的创世文件。"))  # fmt: skip
@click.option("--from", "start", type=click.IntRange(min=0), default=0, show_default=True, help=t("Height.",
                                                                                                  "起始高度。"))
@click.option("--to", "stop", type=click.IntRange(min=0), help=t("Height; default: the newest.",
                                                                 "结束高度，默认最新。"))
@with_network
@with_output
def verify(genesis_path: Path | None, start: int, stop: int | None, network: Network) -> None:
    if genesis_path is None:
        if network.directory is None:
            raise usage(t("which network?", "请指明网络"), "--genesis FILE")
        genesis_path = network.directory / "genesis.json"
    genesis = read_genesis(genesis_path)
    found = verify_chain(Client(furthest_first(network)), genesis, start, stop)
    found["witnesses"] = witnesses(network, found["stop"], found["hash"])
    marks = {True: "✓", None: t("no answer, or not there yet", "无应答或尚未到达")}
    answer(found, pairs([
        (t("heights", "高度"), f"{found['start']}..{found['stop']}"),
        (t("certified up to", "证书覆盖至"), found["certified"]),
        (t("block hash", "区块哈希"), found["hash"]), (t("chain id", "链编号"), found["chain_id"]),
        *((node, marks[agrees]) for node, agrees in found["witnesses"].items()),
    ]))  # fmt: skip


def furthest_first(network: Network) -> list[str]:
    """The nodes by the height that they report; what they say beyond what they can prove is found out."""
    heights = dict.fromkeys(network.nodes, -1)
    for node in network.nodes:
        with suppress(Refusal):
            heights[node] = int(Client([node]).get("/v1/status")["height"])
    return sorted(network.nodes, key=lambda node: -heights[node])


def verify_chain(client: Client, genesis: Genesis, start: int, stop: int | None) -> dict[str, Any]:
    """{"start", "stop", "hash", "certified", "certificates"}: all headers link, and a certificate covers `certified`.

    Raises: Refusal (exit 1) at the first header or certificate that does not hold.
    """
    head = int(client.get("/v1/status")["height"])
    last = head if stop is None else min(stop, head)
    if start > last:
        raise usage(t(f"--from {start} is above {last}", f"--from {start} 高于 {last}"))
    parent: Header | None = None
    for first in range(start, last + 1, PAGE):
        listed = client.get("/v1/headers", **{"from": first, "limit": min(PAGE, last + 1 - first)})["headers"]
        for number, item in enumerate(listed):
            header = from_plain(Header, item["header"])
            _check_link(header, parent, first + number, genesis)
            parent = header
        say(f"{min(first + PAGE - 1, last)}/{last}")
    assert parent is not None, "start <= last"
    certified = _check_cover(client, genesis, parent)
    return {"start": start, "stop": last, "hash": header_digest(parent).hex(), "certified": certified,
            "chain_id": chain_id(genesis).hex()}  # fmt: skip


def _check_link(header: Header, parent: Header | None, height: int, genesis: Genesis) -> None:
    if header.height != height:
        raise damaged(f"header {height}: its height is {header.height}")
    if parent is not None and header.parent != header_digest(parent):
        raise damaged(f"header {height} is not the child of header {height - 1}")
    if header.valset_hash != validator_set(genesis).hash:
        raise damaged(f"header {height} names another validator set than the genesis")


def _check_cover(client: Client, genesis: Genesis, top: Header) -> int:
    """The height of a certificate for `top` or for a descendant reached by further headers; -1 if none is held yet."""
    held = client.find(f"/v1/blocks/{top.height}/certificate")
    if held is None:
        return 0 if top.height == 0 else -1
    header = top
    while header.height < int(held["height"]):
        item = client.get("/v1/headers", **{"from": header.height + 1, "limit": 1})["headers"][0]
        child = from_plain(Header, item["header"])
        _check_link(child, header, header.height + 1, genesis)
        header = child
    certificate = from_plain(Certificate, held["certificate"])
    fits = certificate.phase == Phase.COMMIT and certificate.digest == header_digest(header)
    if not fits or not verify_certificate(certificate, chain_id(genesis), validator_set(genesis), verify_signature):
        raise damaged(f"the certificate at height {header.height} does not hold")
    return header.height


def witnesses(network: Network, height: int, block_hash: str) -> dict[str, bool | None]:
    """Whether each node has the same block at this height; None: it does not answer or is not there yet."""
    found: dict[str, bool | None] = {}
    for node in network.nodes:
        try:
            block = Client([node]).find(f"/v1/blocks/{height}")
        except Refusal:
            block = None
        found[node] = None if block is None else block["hash"] == block_hash
        if found[node] is False:
            raise damaged(f"{node} has another block at height {height}")
    return found


def damaged(detail: str) -> Refusal:
    """Exit 1: what the nodes showed does not hold."""
    return Refusal(Verdict.REJECTED, Code.LEDGER_DAMAGED, detail)

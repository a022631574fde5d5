"""`hnchain audit`: supply, exposure, invariants, and the chain itself, checked from outside with the genesis alone."""

from pathlib import Path
from typing import Any

import click

from cli.audit_account import account
from cli.audit_chain import verify
from cli.audit_evidence import evidence
from cli.audit_history import account_history
from cli.audit_reconcile import reconcile_books
from cli.client import Answer, NoAnswer, NotSent, exchange, problem_refusal, unreachable
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, points, table, with_output, yuan
from cli.outsider import Outsider
from cli.passphrase import read_secret_file
from cli.proven_reads import join_supply, read_supply
from cli.trust_options import with_trust
from cli.verdicts import Verdict, usage
from cli.wallet_reads import say_proven

FATES = ("issued", "exch_in", "restored", "redeemed", "expired", "burned")


@click.group(help=t("Supply, exposure, invariants, the chain itself.", "总量、敞口、不变量与链上核验。"),
             epilog=example("hnchain audit supply"))  # fmt: skip
def audit() -> None:
    pass


@audit.command(help=t("Units of every class by what became of them; they must add up (INV-1).",
                      "各类别积分的去向及守恒核对（INV-1）。"),
               epilog=example("hnchain audit supply -o json"))  # fmt: skip
@with_network
@with_trust
@with_output
def supply(network: Network, outsider: Outsider | None) -> int:
    if outsider is None:
        plain = network.client().get("/v1/supply")
    else:
        readings = outsider.gather(lambda node: read_supply(outsider, node))
        plain = join_supply(outsider, readings)
        say_proven(readings[0])
    rows = [(class_id, *(points(c[fate]) for fate in (*FATES, "outstanding"))) for class_id, c in sorted(plain.items())]
    headers = (t("class", "类别"), t("issued", "发放"), t("exchanged in", "换入"), t("restored", "退回"),
               t("redeemed", "核销"), t("expired", "过期"), t("burned", "冲正"), t("outstanding", "流通"))  # fmt: skip
    answer(plain, table(headers, rows))
    lied = outsider is not None and any(one.kind == "lying" for one in outsider.distrusted)
    adds_up = all(int(c["outstanding"]) >= 0 for c in plain.values())
    return int(Verdict.DONE if adds_up and not lied else Verdict.REJECTED)


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


for command in (account, account_history, evidence, reconcile_books, verify):
    audit.add_command(command)

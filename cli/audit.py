"""`hnchain audit`: supply, exposure, invariants, and the chain itself, checked from outside with the genesis alone."""

from pathlib import Path
from typing import Any

import click

from cli.audit_account import account
from cli.audit_alerts import alerts, report
from cli.audit_books import exposure, supply
from cli.audit_bundle import bundle
from cli.audit_chain import verify
from cli.audit_evidence import evidence
from cli.audit_export import export
from cli.audit_history import account_history
from cli.audit_reconcile import reconcile_books
from cli.client import Answer, NoAnswer, NotSent, exchange, problem_refusal, unreachable
from cli.corrections import show_errata
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, say, with_output
from cli.passphrase import read_secret_file
from cli.verdicts import Verdict, usage


@click.group(help=t("Supply, exposure, invariants, the chain itself.", "总量、敞口、不变量与链上核验。"),
             epilog=example("hnchain audit supply"))  # fmt: skip
def audit() -> None:
    pass


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
    apart = splits(found)
    for sentence in apart:
        say(f"✗ {sentence}")
    answer(found, "\n".join(lines))
    return int(Verdict.REJECTED if broken or apart else Verdict.DONE)


def splits(found: dict[str, Any]) -> list[str]:
    """Nodes that have the same height and another state: whatever their invariants say, one of them is wrong."""
    first: dict[int, str] = {}
    sentences = []
    for name, result in found.items():
        other = first.setdefault(result["height"], name)
        if found[other]["state_root"] != result["state_root"]:
            sentences.append(t(f"{name} and {other} have different states at height {result['height']}",
                               f"{name} 与 {other} 在高度 {result['height']} 的状态不同"))  # fmt: skip
    return sentences


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


for command in (
    account, account_history, alerts, bundle, evidence, export, exposure, reconcile_books, report, show_errata, supply,
    verify,
):  # fmt: skip
    audit.add_command(command)

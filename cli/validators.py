"""`hnchain gov`: who validates, beside what the committee decides (governance.py).

Changes are transactions; they take effect when the epoch closes (C8).
"""

from typing import Any

import click

from cli.challenges import challenge
from cli.corrections import COMMANDS as CORRECTIONS
from cli.governance import COMMANDS
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, pairs, table, with_output
from cli.sandboxes import PAUSE_COMMANDS
from cli.submission import Sending, send_as, with_sending
from cli.transactions import guarded, read_json
from cli.verdicts import usage
from cli.wallets import Signer, with_signer
from primitives.json_form import body_from_plain
from primitives.kinds import Body
from primitives.kinds_validators import ValidatorRemove

Plain = Any


@click.group(help=t("The committee: propose, vote, list. The validators: list, add, remove, replace.",
                    "委员会：提案、表决、查看。验证者：查看、加入、移除、替换。"),
             epilog=example("hnchain gov validators"))  # fmt: skip
def gov() -> None:
    pass


for command in (*COMMANDS, *CORRECTIONS, challenge, *PAUSE_COMMANDS):
    gov.add_command(command)


@gov.command("validators", help=t("The validators of this epoch, and the changes that wait for its end.",
                                  "本纪元的验证者，以及等待纪元结束的变更。"),
             epilog=example("hnchain gov validators -o json"))  # fmt: skip
@with_network
@with_output
def validators(network: Network) -> None:
    plain = network.client().get("/v1/validators")
    answer(plain, roster_text(plain))


@gov.command("validator-add", help=t("Let a candidate join; FILE (or -) is what `hnchain node candidate` printed. "
                                     "An operator signs.",
                                     "让候选节点加入；文件（或 -）由 hnchain node candidate 生成。由运营方签名。"),
             epilog=example("hnchain gov validator-add sanya.json --as operator"))  # fmt: skip
@click.argument("file")
@with_network
@with_signer
@with_sending
@with_output
def validator_add(file: str, network: Network, signer: Signer, sending: Sending) -> None:
    _send(network, signer, _newcomer("validator_add", file), sending)


@gov.command("validator-remove", help=t("Let a validator leave; an operator signs.", "移除验证者，由运营方签名。"),
             epilog=example("hnchain gov validator-remove sanya --as operator"))  # fmt: skip
@click.argument("name")
@with_network
@with_signer
@with_sending
@with_output
def validator_remove(name: str, network: Network, signer: Signer, sending: Sending) -> None:
    _send(network, signer, guarded(lambda: body_from_plain("validator_remove", {"name": name})), sending)


@gov.command("validator-replace", help=t("Put a candidate in the place of a validator, in one step; an operator signs.",
                                         "以候选节点一步替换某验证者，由运营方签名。"),
             epilog=example("hnchain gov validator-replace sanya sanya-new.json --as operator"))  # fmt: skip
@click.argument("old")
@click.argument("file")
@with_network
@with_signer
@with_sending
@with_output
def validator_replace(old: str, file: str, network: Network, signer: Signer, sending: Sending) -> None:
    _send(network, signer, _newcomer("validator_replace", file, old=old), sending)


def _newcomer(kind: str, file: str, **more: str) -> Body:
    """The body of a candidate's file. Raises: Refusal (exit 2) with the field that is wrong."""
    plain = read_json(file)
    if not isinstance(plain, dict):
        raise usage(t(f"{file}: expected what `hnchain node candidate` prints",
                      f"{file}：应为 hnchain node candidate 的输出"))  # fmt: skip
    return guarded(lambda: body_from_plain(kind, {**plain, **more}))


def _send(network: Network, signer: Signer, body: Body, sending: Sending) -> None:
    what = t("accepted; it takes effect with the next epoch: hnchain gov validators",
             "已受理，下一纪元生效：hnchain gov validators")
    if isinstance(body, ValidatorRemove):
        what += t("; let its node run until then", "；在此之前请保持该节点运行")
    send_as(network, signer, body, sending, what)


def roster_text(plain: Plain) -> str:
    """The answer of /v1/validators for people."""
    head = pairs([
        (t("epoch", "纪元"), f"{plain['epoch']}  {t('from height', '起始高度')} {plain['start_height']}"),
        (t("quorum", "法定票数"), f"{plain['quorum']} / {len(plain['members'])}"),
    ])  # fmt: skip
    members = table(
        ["#", t("name", "名称"), t("voting key", "投票密钥"), t("address", "地址"), t("leads", "主节点顺序"),
         t("timeouts", "超时")],
        [(m["index"], m["name"] + ("*" if m["leader"] else ""), m["vote_key"][:16], m["address"] or "-",
          f"{m['order']}{' !' if m['blacklisted'] else ''}", m["timeouts"]) for m in plain["members"]],
    )  # fmt: skip
    lines = [head, "", members]
    if plain["pending"]:
        rows = [(p["change"], p["name"], p["new_name"] or "-", (p["vote_key"] or "-")[:16], p["height"])
                for p in plain["pending"]]  # fmt: skip
        headers = [t("pending", "待生效"), t("name", "名称"), t("new name", "新名称"), t("voting key", "投票密钥"),
                   t("height", "高度")]  # fmt: skip
        lines += ["", table(headers, rows)]
    return "\n".join(lines)

"""`hnchain gov`: what the committee decides, from the proposal to its execution; and how a merchant applies."""

import functools
import hashlib
from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click
import msgspec

from cli.amounts import AMOUNT, DURATION, HEX, IDENTIFIER
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, day_text, pairs, table, with_output
from cli.submission import Sending, send_as, with_sending
from cli.transactions import add_signature, guarded, read_bytes, read_json, submit_file, unsigned_transaction
from cli.verdicts import usage
from cli.wallets import Signer, name_of, resolve, with_signer
from primitives.address import encode_address
from primitives.json_form import body_from_plain
from primitives.kinds import Category, MerchantApply
from primitives.kinds_governance import Choice, GovExecute, GovVote, Payload, StatusName
from primitives.kinds_offices import Office

F = TypeVar("F", bound=Callable[..., Any])

Plain = Any
ACTIONS = tuple(str(payload.__struct_config__.tag) for payload in get_args(Payload))
DAY_SECONDS = 86_400
HASH_BYTES = 32
PROPOSAL_SECONDS = 480  # to collect signatures; less than the limit by what a clock may be off
_FOR_A_MERCHANT = ("admit", "set_status", "set_quota")
_CLASS_RULES = ("earn_cap_bps", "max_per_order", "exchangeable", "exchange_in_quota")
_FOR_AN_ACCOUNT = ("set_member", "grant_office", "revoke_office")


@click.command(help=t("An unsigned proposal on stdout, for `gov sign` and `gov submit`. ACTION: ",
                      "在标准输出生成未签名的提案，供 gov sign 与 gov submit 使用。动作：") + ", ".join(ACTIONS) + ".",
               epilog=example("hnchain gov propose q-1 set_quota --merchant hotel --quota 500000 --reasons why.pdf "
                              "--sender m1 > p.json"))  # fmt: skip
@click.argument("proposal", metavar="ID", type=IDENTIFIER)
@click.argument("action", type=click.Choice(ACTIONS), metavar="ACTION")
@click.option("--merchant", help=t("Whom admit, set_status and set_quota are about.",
                                   "admit、set_status、set_quota 所涉商户。"))  # fmt: skip
@click.option("--status", type=click.Choice(get_args(StatusName)), help=t("Of set_status.", "set_status 的目标状态。"))
@click.option("--notice", type=DURATION, help=t("Of WIND_DOWN: whole days, at least 90d.",
                                                "WIND_DOWN 的公告期，不少于 90d。"))  # fmt: skip
@click.option("--quota", type=AMOUNT, help=t("fen per window; 0 = the network's.",
                                             "每结算期额度（分），0 为网络默认。"))  # fmt: skip
@click.option("--credit-limit", type=AMOUNT, help=t("fen.", "信用额度（分）。"))
@click.option("--reserve-ratio", "reserve_ratio_bps", type=AMOUNT,
              help=t("Of set_quota: reserve per value issued, in 1/10000; 0 = the network's.",
                     "set_quota 的准备金比例（万分比），0 为网络默认。"))  # fmt: skip
@click.option("--class", "class_id", type=IDENTIFIER, help=t("What set_class is about.", "set_class 所涉类别。"))
@click.option("--earn-cap", "earn_cap_bps", type=AMOUNT,
              help=t("Of set_class: value per price paid, in 1/10000; 0 = off.",
                     "set_class 的积分占消费额上限（万分比），0 为不限。"))  # fmt: skip
@click.option("--max-per-order", type=AMOUNT, help=t("Of set_class: units; 0 = no limit.",
                                                     "set_class 的单笔上限（单位数），0 为不限。"))  # fmt: skip
@click.option("--exchangeable/--not-exchangeable", default=None,
              help=t("Of set_class: whether others are exchanged into it.", "set_class：他类积分可否兑入。"))
@click.option("--exchange-quota", "exchange_in_quota", type=AMOUNT,
              help=t("Of set_class: units exchanged into it per window; 0 = no limit.",
                     "set_class 的每结算期兑入单位数，0 为不限。"))  # fmt: skip
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE",
              help=t("Of set_parameters; may be repeated.", "set_parameters 的参数，可多次。"))  # fmt: skip
@click.option("--at", type=AMOUNT, help=t("Of program_end: unix seconds, 0 = none.", "program_end 的时刻，0 为无。"))
@click.option("--validator", help=t("Who leaves or is replaced.", "离开或被替换的验证者。"))
@click.option("--candidate", metavar="FILE", help=t("What `hnchain node candidate` printed.",
                                                    "node candidate 的输出。"))  # fmt: skip
@click.option("--account", help=t("Of set_member, grant_office and revoke_office.",
                                  "set_member、grant_office、revoke_office 所涉账户。"))  # fmt: skip
@click.option("--weight", type=AMOUNT, help=t("Of set_member; 0: it leaves.", "set_member 的权重，0 为退出委员会。"))
@click.option("--office", type=click.Choice(get_args(Office)), help=t("Of grant_office and revoke_office.",
                                                                      "任免的职务。"))  # fmt: skip
@click.option("--payload", metavar="FILE", help=t("The whole payload as JSON, in place of the options above.",
                                                  "以 JSON 文件给出全部内容，代替以上选项。"))  # fmt: skip
@click.option("--reasons", metavar="FILE", help=t("The document that says why; its SHA-256 is published.",
                                                  "理由文件，公布其 SHA-256。"))  # fmt: skip
@click.option("--reasons-hash", type=HEX, help=t("In place of the document.", "以哈希代替文件。"))
@click.option("--sender", required=True, help=t("The member that proposes.", "提案的成员。"))
@with_network
@with_output
def propose(
    proposal: str, action: str, reasons: str | None, reasons_hash: bytes | None, sender: str, network: Network,
    **given: Plain,
) -> None:  # fmt: skip
    payload = payload_plain(action, given, network)
    print_proposal(network, sender, proposal, action, payload, document_hash(reasons, reasons_hash))


def print_proposal(
    network: Network, sender: str, proposal: str, action: str, payload: dict[str, Plain], reasons_hash: bytes
) -> None:  # fmt: skip
    """The unsigned transaction on stdout. Raises: Refusal (exit 2) for a payload that does not decode."""
    body = {"proposal": proposal, "action": action, "payload": payload, "reasons_hash": reasons_hash.hex()}
    read = guarded(lambda: body_from_plain("gov_propose", body))
    plain = unsigned_transaction(network, sender, read, PROPOSAL_SECONDS)
    answer(plain, msgspec.json.encode(plain).decode())


def payload_plain(action: str, given: dict[str, Plain], network: Network) -> dict[str, Plain]:
    """The payload that the options describe. Raises: Refusal (exit 2) for one that is missing."""
    if given.get("payload") is not None:
        plain: dict[str, Plain] = read_json(given["payload"])
        return plain
    if action in _FOR_AN_ACCOUNT:
        if given["account"] is None:
            raise usage(t(f"{action} is about an account", f"{action} 须指明账户"), "--account NAME")
        field = "weight" if action == "set_member" else "office"
        return {"account": encode_address(resolve(given["account"], network)), field: given[field]}
    if action == "set_class":
        if given["class_id"] is None:
            raise usage(t("set_class is about a class", "set_class 须指明类别"), "--class CLASS")
        return {"class": given["class_id"], **_those_given(given, _CLASS_RULES)}
    merchant = given["merchant"]
    if action in _FOR_A_MERCHANT:
        if merchant is None:
            raise usage(t(f"{action} is about a merchant", f"{action} 须指明商户"), "--merchant NAME")
        payload: dict[str, Plain] = {"merchant": encode_address(resolve(merchant, network))}
        if action == "set_status":
            payload["status"] = given["status"]
            payload["notice_days"] = whole_days(given["notice"])
        else:
            payload |= _those_given(given, ("quota", "credit_limit", "reserve_ratio_bps"))
        return payload
    match action:
        case "set_parameters":
            return {"changes": [dict(zip(("name", "value"), text.split("=", 1), strict=False))
                                for text in given["changes"]]}  # fmt: skip
        case "program_end":
            return {"at": given["at"]}
        case "validator_remove":
            return {"name": given["validator"]}
    if not action.startswith("validator_"):
        raise usage(t(f"{action} needs its payload", f"{action} 须提供内容文件"), "--payload FILE")
    if given["candidate"] is None:
        raise usage(t(f"{action} needs a candidate", f"{action} 须提供候选节点文件"), "--candidate FILE")
    plain = read_json(given["candidate"])
    if not isinstance(plain, dict):
        raise usage(t("expected what `hnchain node candidate` prints", "应为 hnchain node candidate 的输出"))
    return {**plain, "old": given["validator"]} if action == "validator_replace" else plain


def _those_given(given: dict[str, Plain], names: tuple[str, ...]) -> dict[str, Plain]:
    return {name: given[name] for name in names if given.get(name) is not None}


def whole_days(seconds: int | None) -> int:
    """Days of a duration, 0 without one. Raises: Refusal (exit 2) for a part of a day."""
    if seconds is None:
        return 0
    if seconds % DAY_SECONDS:
        raise usage(t("a notice counts in whole days", "公告期以整天计"), "--notice 90d")
    return seconds // DAY_SECONDS


def document_hash(file: str | None, given: bytes | None) -> bytes:
    """SHA-256 of a file, or the hash that was given. Raises: Refusal (exit 2) unless there is exactly one of them."""
    if (file is None) == (given is None):
        raise usage(t("give a document or its hash", "请提供文件或其哈希"))
    found = hashlib.sha256(read_bytes(file)).digest() if file is not None else given
    if found is None or len(found) != HASH_BYTES:
        raise usage(t(f"a hash has {HASH_BYTES} bytes", f"哈希须为 {HASH_BYTES} 字节"))
    return found


def with_reasons(command: F) -> F:
    """Adds --reasons and --reasons-hash; the command gets `reasons_hash`. Raises: as document_hash."""

    @click.option("--reasons", metavar="FILE", help=t("The document that says why.", "理由文件。"))
    @click.option("--reasons-hash", type=HEX, help=t("In place of the document.", "以哈希代替文件。"))
    @functools.wraps(command)
    def wrapper(*args: Any, reasons: str | None, reasons_hash: bytes | None, **kwargs: Any) -> Any:
        return command(*args, reasons_hash=document_hash(reasons, reasons_hash), **kwargs)

    return wrapper  # type: ignore[return-value]  # adds options only


@click.command("sign", help=t("Add a signature to a proposal (FILE or -): a member with several keys needs several.",
                              "为提案（文件或 -）添加签名；多密钥成员须依次签名。"),
               epilog=example("hnchain gov sign p.json --as m1 > signed.json"))  # fmt: skip
@click.argument("file")
@with_network
@with_signer
@with_output
def sign_proposal(file: str, network: Network, signer: Signer) -> None:
    add_signature(file, signer)


@click.command("submit", help=t("Send a signed proposal (FILE or -) within eight minutes of its making.",
                                "发送已签名的提案（文件或 -），须在生成后八分钟内。"),
               epilog=example("hnchain gov submit signed.json"))  # fmt: skip
@click.argument("file")
@with_network
@with_sending
@with_output
def submit_proposal(file: str, network: Network, sending: Sending) -> None:
    submit_file(file, network, sending)


@click.command(help=t("Vote as a member: YES, NO, or RECUSE where it has an interest. A vote is not changed.",
                      "成员表决：YES、NO，有利益关系时 RECUSE；表决后不能更改。"),
               epilog=example("hnchain gov vote q-1 YES --as m1"))  # fmt: skip
@click.argument("proposal", metavar="ID", type=IDENTIFIER)
@click.argument("choice", type=click.Choice(get_args(Choice), case_sensitive=False))
@click.option("--reasons", metavar="FILE", help=t("The document that says why.", "理由文件。"))
@with_network
@with_signer
@with_sending
@with_output
def vote(
    proposal: str, choice: Choice, reasons: str | None, network: Network, signer: Signer, sending: Sending
) -> None:  # fmt: skip
    reasons_hash = None if reasons is None else document_hash(reasons, None)
    send_as(network, signer, GovVote(proposal, choice, reasons_hash), sending)


@click.command(help=t("Try again what was won but could not be carried out when its timelock ended.",
                      "重新执行已通过、但时间锁结束时未能执行的提案。"),
               epilog=example("hnchain gov execute q-1 --as m1"))  # fmt: skip
@click.argument("proposal", metavar="ID", type=IDENTIFIER)
@with_network
@with_signer
@with_sending
@with_output
def execute(proposal: str, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, GovExecute(proposal), sending)


@click.command("list", help=t("Open proposals, and those decided in the last days.", "进行中与近日结束的提案。"),
               epilog=example("hnchain gov list"))  # fmt: skip
@with_network
@with_output
def list_proposals(network: Network) -> None:
    plain = network.client().get("/v1/proposals")
    answer(plain, proposals_text(plain["items"]))


def proposals_text(items: list[Plain]) -> str:
    """The proposals as a table; weights as yes : no of what may be cast."""
    headers = [t("proposal", "提案"), t("action", "动作"), t("state", "状态"), t("yes : no / of", "赞成 : 反对 / 可投"),
               t("next", "下一时刻")]  # fmt: skip
    rows = [
        (p["proposal"], p["action"], p["state"], f"{p['yes']} : {p['no']} / {p['eligible']}", _next(p)) for p in items
    ]
    return table(headers, rows) if rows else t("no proposals", "没有提案")


def _next(proposal: Plain) -> str:
    """What time will do to it."""
    if proposal["state"] != "OPEN":
        return t("forgotten ", "归档 ") + day_text(proposal["forgotten_at"])
    if proposal["passing"]:
        return t("carried out ", "执行 ") + day_text(proposal["ready_at"])
    return t("votes until ", "表决截止 ") + day_text(proposal["closes"])


@click.command(help=t("A proposal with its payload and its votes.", "一项提案的内容与表决。"),
               epilog=example("hnchain gov show q-1"))  # fmt: skip
@click.argument("proposal", metavar="ID", type=IDENTIFIER)
@with_network
@with_output
def show(proposal: str, network: Network) -> None:
    plain = network.client().get(f"/v1/proposals/{proposal}")
    votes = [(name_of(v["member"], network), v["choice"], v["weight"]) for v in plain["votes"]]
    payload = msgspec.json.encode(plain["payload"]).decode()
    head = pairs([
        (t("proposal", "提案"), f"{plain['proposal']}  {plain['state']}  {plain['failure'] or ''}".rstrip()),
        (plain["action"], payload), (t("by", "提案人"), name_of(plain["proposer"], network)),
        (t("reasons", "理由"), plain["reasons_hash"]),
        (t("yes : no / of", "赞成 : 反对 / 可投"), f"{plain['yes']} : {plain['no']} / {plain['eligible']}"),
        (t("next", "下一时刻"), _next(plain)),
    ])  # fmt: skip
    headers = [t("member", "成员"), t("vote", "表决"), t("weight", "权重")]
    answer(plain, head + ("\n\n" + table(headers, votes) if votes else ""))


@click.command(help=t("Who votes, and with what weight.", "委员会成员与权重。"),
               epilog=example("hnchain gov committee"))  # fmt: skip
@with_network
@with_output
def committee(network: Network) -> None:
    plain = network.client().get("/v1/committee")
    rows = [(name_of(member["account"], network), member["weight"]) for member in plain["members"]]
    headers = [t("member", "成员"), t("weight", "权重")]
    answer(plain, table(headers, rows) if rows else t("this network has no committee", "本网络没有委员会"))


@click.command("apply", help=t("Ask the committee to admit this account as a merchant.",
                               "申请成为商户，由委员会审议。"),
               epilog=example("hnchain merchant apply --category HOTEL --name-zh 新店 --name-en 'New Inn' "
                              "--docs papers.zip --as newinn"))  # fmt: skip
@click.option("--category", required=True, type=click.Choice(get_args(Category)), help=t("What it sells.", "业态。"))
@click.option("--name-zh", required=True, help=t("Its name in Chinese.", "中文名称。"))
@click.option("--name-en", required=True, help=t("Its name in English.", "英文名称。"))
@click.option("--docs", metavar="FILE", help=t("The documents; only their SHA-256 is sent.",
                                               "材料文件，只发送 SHA-256。"))  # fmt: skip
@click.option("--docs-hash", type=HEX, help=t("In place of the documents.", "以哈希代替文件。"))
@with_network
@with_signer
@with_sending
@with_output
def apply(
    category: Category, name_zh: str, name_en: str, docs: str | None, docs_hash: bytes | None, network: Network,
    signer: Signer, sending: Sending,
) -> None:  # fmt: skip
    body = MerchantApply(category, name_zh, name_en, document_hash(docs, docs_hash))
    what = t("the application stands for 30 days; a member proposes: hnchain gov propose ID admit --merchant ...",
             "申请有效 30 天；由成员提案：hnchain gov propose 编号 admit --merchant ……")  # fmt: skip
    send_as(network, signer, body, sending, what)


@click.command("wind-down", help=t("An unsigned proposal to let a merchant wind down, for `gov sign` and `gov submit`.",
                                   "生成商户退出的未签名提案，再用 gov sign 与 gov submit 处理。"),
               epilog=example("hnchain merchant wind-down hotel --notice 90d --reasons letter.pdf --sender m1 "
                              "> p.json"))  # fmt: skip
@click.argument("merchant")
@click.option("--proposal", "name", type=IDENTIFIER, default="wind-down", show_default=True,
              help=t("Its id.", "提案编号。"))  # fmt: skip
@click.option("--notice", type=DURATION, default="90d", show_default=True, help=t("Whole days, at least 90d.",
                                                                                  "公告期，不少于 90d。"))  # fmt: skip
@click.option("--reasons", metavar="FILE", help=t("The merchant's letter.", "商户的申请文件。"))
@click.option("--reasons-hash", type=HEX, help=t("In place of the letter.", "以哈希代替文件。"))
@click.option("--sender", required=True, help=t("The member that proposes.", "提案的成员。"))
@with_network
@with_output
def wind_down(
    merchant: str, name: str, notice: int, reasons: str | None, reasons_hash: bytes | None, sender: str,
    network: Network,
) -> None:  # fmt: skip
    given = {"merchant": merchant, "status": "WIND_DOWN", "notice": notice}
    payload = payload_plain("set_status", given, network)
    print_proposal(network, sender, name, "set_status", payload, document_hash(reasons, reasons_hash))


COMMANDS = (propose, sign_proposal, submit_proposal, vote, execute, list_proposals, show, committee)

"""`hnchain gov errata`, `audit errata` and `gov offices`: what the committee makes good, and who holds which office."""

from datetime import date, timedelta
from typing import Any, get_args
from urllib.parse import quote

import click

from cli.amounts import AMOUNT, HEX, IDENTIFIER
from cli.governance import document_hash, print_proposal
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, day_text, pairs, points, table, with_output
from cli.verdicts import usage
from cli.wallets import name_of, resolve
from primitives.address import encode_address
from primitives.kinds_errata import ErrataReason

Plain = Any
UTC8_SECONDS = 28_800
DAY_SECONDS = 86_400
_EPOCH = date(1970, 1, 1)


@click.command("errata", help=t("An unsigned proposal to make good what a transaction did wrong, for `gov sign` and "
                                "`gov submit`. Entries add units, take units, or book a debt; nothing is deleted.",
                                "生成更正提案（未签名），再用 gov sign 与 gov submit 处理。以补记、扣减或登记债务的"
                                "方式更正，不删除任何记录。"),
               epilog=example("hnchain gov errata e-1 --order seafood/R-7 --credit alice:stay:270:2027-06-30 "
                              "--debt seafood:hotel:2686500 --reason WRONG_AMOUNT --evidence letter.pdf "
                              "--sender m1 > p.json"))  # fmt: skip
@click.argument("proposal", metavar="ID", type=IDENTIFIER)
@click.option("--order", metavar="MERCHANT/ORDER", help=t("The order to correct, while it is in the state.",
                                                          "待更正的订单（仍在状态中）。"))  # fmt: skip
@click.option("--tx", type=HEX, help=t("Any other transaction; with --proof.", "其他交易，须同时给出 --proof。"))
@click.option("--proof", type=HEX, help=t("The hash under which its receipt's proof is anchored (namespace errata).",
                                          "其凭证证明的存证哈希（命名空间 errata）。"))  # fmt: skip
@click.option("--credit", "credits", multiple=True, metavar="ACCOUNT:CLASS:UNITS:DATE",
              help=t("Units for a tourist, valid through DATE.", "补记给游客，有效至该日。"))  # fmt: skip
@click.option("--debit", "debits", multiple=True, metavar="ACCOUNT:CLASS:UNITS",
              help=t("Units to take; held ones are not.", "扣减的数量，不含冻结部分。"))  # fmt: skip
@click.option("--debt", "debts", multiple=True, metavar="DEBTOR:CREDITOR:UY",
              help=t("1/10000 fen that one owes the other; FUND is the fund.", "债务（万分之一分），FUND 为清算基金。"))
@click.option("--reason", required=True, type=click.Choice(get_args(ErrataReason)), help=t("Its kind.", "原因类别。"))
@click.option("--evidence", metavar="FILE", help=t("What shows the fault; its SHA-256 is published.",
                                                   "证据文件，公布其 SHA-256。"))  # fmt: skip
@click.option("--evidence-hash", type=HEX, help=t("In place of the evidence.", "以哈希代替证据文件。"))
@click.option("--number", type=AMOUNT, help=t("Which erratum of this transaction; default: the next.",
                                              "该交易的第几次更正，默认为下一次。"))  # fmt: skip
@click.option("--sender", required=True, help=t("The member that proposes.", "提案的成员。"))
@with_network
@with_output
def propose_errata(
    proposal: str, order: str | None, tx: bytes | None, proof: bytes | None, credits: tuple[str, ...],
    debits: tuple[str, ...], debts: tuple[str, ...], reason: str, evidence: str | None, evidence_hash: bytes | None,
    number: int | None, sender: str, network: Network,
) -> None:  # fmt: skip
    original = _original(order, tx, proof, network)
    shown = document_hash(evidence, evidence_hash)
    payload = {
        "number": _next_number(original["body"]["tx"], network) if number is None else number, "original": original,
        "entries": [
            *(_credit(text, network) for text in credits), *(_debit(text, network) for text in debits),
            *(_debt(text, network) for text in debts),
        ],
        "reason": reason, "evidence_hash": shown.hex(),
    }  # fmt: skip
    print_proposal(network, sender, proposal, "errata", payload, shown)


def _original(order: str | None, tx: bytes | None, proof: bytes | None, network: Network) -> dict[str, Plain]:
    if order is not None and tx is None:
        merchant, _, order_id = order.partition("/")
        address = encode_address(resolve(merchant, network))
        found = network.client().get(f"/v1/orders/{address}/{quote(order_id, safe='')}")
        return {"kind": "order", "body": {"merchant": address, "order_id": order_id, "tx": found["tx"]}}
    if tx is None or proof is None or order is not None:
        raise usage(t("which transaction?", "请指明交易"), "--order MERCHANT/ORDER | --tx HEX --proof HEX")
    return {"kind": "receipt", "body": {"tx": tx.hex(), "proof": proof.hex()}}


def _next_number(tx: str, network: Network) -> int:
    found = network.client().find(f"/v1/errata/{tx}")
    return 1 if found is None else int(found["number"]) + 1


def _parts(text: str, form: str) -> list[str]:
    parts = text.split(":")
    if len(parts) != len(form.split(":")):
        raise usage(t(f"{text!r} is not {form}", f"{text!r} 的格式应为 {form}"), form)
    return parts


def _credit(text: str, network: Network) -> Plain:
    account, class_id, units, day = _parts(text, "ACCOUNT:CLASS:UNITS:YYYY-MM-DD")
    try:
        last = date.fromisoformat(day)
    except ValueError:
        raise usage(t(f"{day!r} is no date", f"{day!r} 不是日期"), "YYYY-MM-DD") from None
    expires = ((last + timedelta(days=1)) - _EPOCH).days * DAY_SECONDS - UTC8_SECONDS
    to = encode_address(resolve(account, network))
    return {"kind": "credit", "body": {"to": to, "class": class_id, "units": units, "expires": expires}}


def _debit(text: str, network: Network) -> Plain:
    account, class_id, units = _parts(text, "ACCOUNT:CLASS:UNITS")
    whose = encode_address(resolve(account, network))
    return {"kind": "debit", "body": {"account": whose, "class": class_id, "units": units}}


def _debt(text: str, network: Network) -> Plain:
    debtor, creditor, value = _parts(text, "DEBTOR:CREDITOR:UY")
    sides = {"debtor": resolve(debtor, network), "creditor": resolve(creditor, network)}
    body = {name: encode_address(address) for name, address in sides.items()}
    return {"kind": "debt", "body": {**body, "value": value}}


@click.command("errata", help=t("What the committee corrected: of one transaction, or all.",
                                "委员会的更正：某笔交易，或全部。"),
               epilog=example("hnchain audit errata"))  # fmt: skip
@click.argument("tx", type=HEX, required=False)
@with_network
@with_output
def show_errata(tx: bytes | None, network: Network) -> None:
    if tx is not None:
        plain = network.client().get(f"/v1/errata/{tx.hex()}")
        answer(plain, _one(plain, network))
        return
    items: list[Plain] = []
    page: Plain = {"next": ""}
    while page["next"] is not None:
        page = network.client().get("/v1/errata", limit=200, **({"after": page["next"]} if page["next"] else {}))
        items += page["items"]
    headers = [t("transaction", "交易"), t("errata", "次数"), t("reason", "原因"), t("uY moved", "金额（万分之一分）"),
               t("last", "最近一次")]  # fmt: skip
    rows = [
        (item["tx"], item["number"], item["reason"], points(item["value"]), day_text(item["applied"])) for item in items
    ]
    answer({"items": items}, table(headers, rows) if rows else t("nothing was corrected", "没有更正"))


def _one(plain: Plain, network: Network) -> str:
    units = [(row["class"], f"+{row['credited']}", f"-{row['debited']}") for row in plain["units"]]
    debts = [
        (f"{name_of(row['debtor'], network)} -> {name_of(row['creditor'], network)}", points(row["value"]), "uY")
        for row in plain["debts"]
    ]
    head = pairs([
        (t("transaction", "交易"), plain["tx"]),
        (t("errata", "次数"), f"{plain['number']}  {plain['reason']}  {day_text(plain['applied'])}"),
        (t("by", "提出或执行"), name_of(plain["by"], network)), (t("evidence", "证据"), plain["evidence_hash"]),
        (t("record until", "保留至"), day_text(plain["expires"])),
    ])  # fmt: skip
    return head + "\n\n" + table([t("what", "内容"), "", ""], [*units, *debts])


@click.command("offices", help=t("Who holds which office; they change by grant_office and revoke_office.",
                                 "各职务的任职账户；以 grant_office、revoke_office 变更。"),
               epilog=example("hnchain gov offices"))  # fmt: skip
@with_network
@with_output
def offices(network: Network) -> None:
    plain = network.client().get("/v1/offices")
    rows = [(item["office"], name_of(item["account"], network), day_text(item["since"])) for item in plain["items"]]
    answer(plain, table([t("office", "职务"), t("account", "账户"), t("since", "任职起")], rows))


COMMANDS = (propose_errata, offices)

"""`hnchain gov challenge`: publish a task, take it up, score, award, and see what was reached."""

from typing import Any

import click

from cli.amounts import AMOUNT, DURATION, HEX, IDENTIFIER
from cli.governance import document_hash, print_proposal, whole_days, with_reasons
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, day_text, pairs, table, with_output
from cli.submission import Sending, send_as, with_sending
from cli.wallets import Signer, name_of, resolve, with_signer
from primitives.address import encode_address
from primitives.kinds_challenges import ChallengeApply, ChallengeScore

Plain = Any


@click.group(help=t("Challenges: publish, apply, score, award; milestones are anchors.",
                    "揭榜挂帅：发榜、揭榜、评分、授榜；里程碑以存证记录。"),
             epilog=example("hnchain gov challenge list"))  # fmt: skip
def challenge() -> None:
    pass


@challenge.command("open", help=t("An unsigned proposal to publish a challenge, for `gov sign` and `gov submit`.",
                                  "生成发榜提案（未签名），再用 gov sign 与 gov submit 处理。"),
                   epilog=example("hnchain gov challenge open silver --terms task.pdf --apply 30d --score 10d "
                                  "--run 365d --milestones 3 --sender m1 > p.json"))  # fmt: skip
@click.argument("name", metavar="CHALLENGE", type=IDENTIFIER)
@click.option("--terms", metavar="FILE", help=t("The task and its prize; the SHA-256 is published.",
                                                "榜单任务与奖励文件，公布其 SHA-256。"))  # fmt: skip
@click.option("--terms-hash", type=HEX, help=t("In place of the document.", "以哈希代替文件。"))
@click.option("--apply", "to_apply", type=DURATION, default="30d", show_default=True, help=t("To apply.", "揭榜期。"))
@click.option("--score", "to_score", type=DURATION, default="14d", show_default=True, help=t("To score.", "评分期。"))
@click.option("--run", "to_run", type=DURATION, default="365d", show_default=True,
              help=t("To award and to reach the milestones.", "授榜与实施期。"))  # fmt: skip
@click.option("--milestones", type=AMOUNT, default=0, help=t("How many the terms promise.", "里程碑数量。"))
@click.option("--proposal", type=IDENTIFIER, help=t("Its id; default: the challenge's.", "提案编号，默认同榜单编号。"))
@click.option("--sender", required=True, help=t("The member that proposes.", "提案的成员。"))
@with_network
@with_output
def open_challenge(
    name: str, terms: str | None, terms_hash: bytes | None, to_apply: int, to_score: int, to_run: int, milestones: int,
    proposal: str | None, sender: str, network: Network,
) -> None:  # fmt: skip
    shown = document_hash(terms, terms_hash)
    payload = {
        "challenge": name, "terms_hash": shown.hex(), "apply_days": whole_days(to_apply),
        "score_days": whole_days(to_score), "run_days": whole_days(to_run), "milestones": milestones,
    }  # fmt: skip
    print_proposal(network, sender, proposal or name, "challenge_open", payload, shown)


@challenge.command("award", help=t("An unsigned proposal to award a challenge to one of the best scored.",
                                   "生成授榜提案（未签名），只能授予评分最高者。"),
                   epilog=example("hnchain gov challenge award silver hotel --reasons minutes.pdf --sender m1 "
                                  "> p.json"))  # fmt: skip
@click.argument("name", metavar="CHALLENGE", type=IDENTIFIER)
@click.argument("merchant")
@with_reasons
@click.option("--proposal", type=IDENTIFIER, default="award", show_default=True, help=t("Its id.", "提案编号。"))
@click.option("--sender", required=True, help=t("The member that proposes.", "提案的成员。"))
@with_network
@with_output
def award(
    name: str, merchant: str, reasons_hash: bytes, proposal: str, sender: str,
    network: Network,
) -> None:  # fmt: skip
    payload = {"challenge": name, "merchant": encode_address(resolve(merchant, network))}
    print_proposal(network, sender, proposal, "challenge_award", payload, reasons_hash)


@challenge.command("apply", help=t("Take a challenge up as a merchant, with the hash of a plan.",
                                   "商户揭榜，提交方案的哈希。"),
                   epilog=example("hnchain gov challenge apply silver --plan plan.pdf --as hotel"))  # fmt: skip
@click.argument("name", metavar="CHALLENGE", type=IDENTIFIER)
@click.option("--plan", metavar="FILE", help=t("The plan; only its SHA-256 is sent.", "方案文件，只发送 SHA-256。"))
@click.option("--plan-hash", type=HEX, help=t("In place of the plan.", "以哈希代替方案文件。"))
@with_network
@with_signer
@with_sending
@with_output
def apply_for(
    name: str, plan: str | None, plan_hash: bytes | None, network: Network, signer: Signer, sending: Sending
) -> None:  # fmt: skip
    send_as(network, signer, ChallengeApply(name, document_hash(plan, plan_hash)), sending)


@challenge.command("score", help=t("Score an applicant as a member, 0 to 100; a score is not changed.",
                                   "成员为揭榜商户评分（0 至 100），不能更改。"),
                   epilog=example("hnchain gov challenge score silver hotel 85 --reasons why.pdf --as m1"))
@click.argument("name", metavar="CHALLENGE", type=IDENTIFIER)
@click.argument("merchant")
@click.argument("points", type=AMOUNT)
@with_reasons
@with_network
@with_signer
@with_sending
@with_output
def score(
    name: str, merchant: str, points: int, reasons_hash: bytes, network: Network,
    signer: Signer, sending: Sending,
) -> None:  # fmt: skip
    body = ChallengeScore(name, bytes(resolve(merchant, network)), points, reasons_hash)
    send_as(network, signer, body, sending)


@challenge.command("list", help=t("All challenges and their stages.", "全部榜单与阶段。"),
                   epilog=example("hnchain gov challenge list"))  # fmt: skip
@with_network
@with_output
def list_challenges(network: Network) -> None:
    plain = network.client().get("/v1/challenges")
    headers = [t("challenge", "榜单"), t("stage", "阶段"), t("applicants", "揭榜数"), t("awarded to", "授予"),
               t("ends", "截止")]  # fmt: skip
    rows = [
        (item["challenge"], item["stage"], item["applicants"], _named(item["awarded"], network), day_text(item["ends"]))
        for item in plain["items"]
    ]
    answer(plain, table(headers, rows) if rows else t("no challenges", "没有榜单"))


@challenge.command("show", help=t("A challenge: applicants, scores, award, milestones.",
                                  "一个榜单：揭榜者、评分、授予与里程碑。"),
                   epilog=example("hnchain gov challenge show silver"))  # fmt: skip
@click.argument("name", metavar="CHALLENGE", type=IDENTIFIER)
@with_network
@with_output
def show(name: str, network: Network) -> None:
    plain = network.client().get(f"/v1/challenges/{name}")
    head = pairs([
        (t("challenge", "榜单"), f"{plain['challenge']}  {plain['stage']}"), (t("terms", "任务"), plain["terms_hash"]),
        (t("apply until", "揭榜截止"), day_text(plain["apply_until"])),
        (t("score until", "评分截止"), day_text(plain["score_until"])), (t("ends", "截止"), day_text(plain["ends"])),
        (t("awarded to", "授予"), _named(plain["awarded"], network)),
        (t("milestones", "里程碑"), f"{len(plain['reached'])} / {plain['milestones']}"),
    ])  # fmt: skip
    headers = [t("applicant", "揭榜商户"), t("average", "平均分"), t("weight", "评分权重"), t("plan", "方案")]
    rows = [
        (name_of(item["merchant"], network), item["points"] // item["weight"] if item["weight"] else "-",
         item["weight"], item["plan_hash"])
        for item in plain["items"]
    ]  # fmt: skip
    answer(plain, head + ("\n\n" + table(headers, rows) if rows else ""))


def _named(address: str | None, network: Network) -> str:
    return "-" if address is None else name_of(address, network)

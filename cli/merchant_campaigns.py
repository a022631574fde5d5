"""`hnchain merchant campaign` and `hnchain wallet claim`: points from a budget, for who stands in a list."""

from pathlib import Path
from typing import Any

import click
import msgspec

from cli.amounts import AMOUNT, DURATION, IDENTIFIER
from cli.campaign_files import proof_plain, read_claim, read_list
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, day_text, pairs, points, table, with_output
from cli.submission import Sending, block_time, send_and_report, send_as, with_sending
from cli.verdicts import usage
from cli.wallets import Signer, name_of, resolve, with_signer
from primitives.address import encode_address
from primitives.kinds_campaigns import (
    ENTRIES_MAX,
    BatchIssue,
    CampaignClose,
    CampaignCreate,
    batch_digest,
    list_root,
)

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(help=t("Points from a budget: a list to claim from, or batches.", "活动积分：按名单领取，或批量发放。"),
             epilog=example("hnchain merchant campaign create spring --class stay --budget 100000 --per-account 500 "
                            "--lasts 30d --list guests.csv --as hotel"))  # fmt: skip
def campaign() -> None:
    pass


@campaign.command(help=t("Commit a budget, a limit per account, and the list of those who may claim.",
                         "设定预算、单户上限和可领取的名单。"),
                  epilog=example("hnchain merchant campaign create spring --class stay --budget 100000 "
                                 "--per-account 500 --lasts 30d --list guests.csv --as hotel"))  # fmt: skip
@click.argument("campaign_id", metavar="CAMPAIGN", type=IDENTIFIER)
@click.option("--class", "class_id", type=IDENTIFIER, required=True, help=t("The class; without earn cap.",
                                                                            "积分类别，不得设赠分上限。"))
@click.option("--budget", type=AMOUNT, required=True, help=t("Units in all.", "总数量。"))
@click.option("--per-account", type=AMOUNT, required=True, help=t("Units of one account.", "单户上限。"))
@click.option("--after", type=DURATION, default="0s", show_default=True, help=t("Starts in.", "多久后开始。"))
@click.option("--lasts", type=DURATION, required=True, help=t("Time from start to end.", "持续时间。"))
@click.option("--list", "file", type=FILE, help=t("CSV: account,units. Only its root goes on the chain; keep it.",
                                                  "CSV：账户,数量。只有根上链，请保存该文件。"))  # fmt: skip
@with_network
@with_signer
@with_sending
@with_output
def create(
    campaign_id: str, class_id: str, budget: int, per_account: int, after: int, lasts: int, file: Path | None,
    network: Network, signer: Signer, sending: Sending,
) -> None:  # fmt: skip
    starts = block_time(network.client()) + after
    root = None if file is None else list_root(campaign_id, read_list(file, network))
    body = CampaignCreate(campaign_id, class_id, budget, per_account, starts, starts + lasts, root)
    send_as(network, signer, body, sending)


@campaign.command(help=t("Grant to at most 256 accounts at once, to all or to none. The same file again is answered by "
                         "the first receipt; to grant it a second time, name another --order.",
                         "一次向最多 256 个账户发放，全成或全不成。重复提交同一文件得首次回执；再发须另给 --order。"),
                  epilog=example("hnchain merchant campaign grant spring winners.csv --as hotel"))  # fmt: skip
@click.argument("campaign_id", metavar="CAMPAIGN", type=IDENTIFIER)
@click.argument("file", type=FILE)
@click.option("--order", "order_id", type=IDENTIFIER,
              help=t("Its order id; else one that follows from the file.", "订单号；默认由文件内容得出。"))  # fmt: skip
@with_network
@with_signer
@with_sending
@with_output
def grant(
    campaign_id: str, file: Path, order_id: str | None, network: Network, signer: Signer, sending: Sending
) -> None:
    entries = read_list(file, network)
    if len(entries) > ENTRIES_MAX:
        raise usage(t(f"{len(entries)} entries, limit {ENTRIES_MAX}", f"{len(entries)} 条，上限 {ENTRIES_MAX}"))
    class_id = network.client().get(f"/v1/campaigns/{_path(campaign_id)}")["class"]
    body = BatchIssue(campaign_id, class_id, tuple(entries), order_id or "batch")
    named = body if order_id else msgspec.structs.replace(body, order_id=f"batch-{batch_digest(body).hex()[:32]}")
    send_as(network, signer, named, sending)


@campaign.command(help=t("End a campaign; what was granted stays good.", "提前结束活动，已发积分仍有效。"),
                  epilog=example("hnchain merchant campaign close spring --as hotel"))  # fmt: skip
@click.argument("campaign_id", metavar="CAMPAIGN", type=IDENTIFIER)
@with_network
@with_signer
@with_sending
@with_output
def close(campaign_id: str, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, CampaignClose(campaign_id), sending)


@campaign.command(help=t("The proof file of a listed account, for it to claim with.", "名单中某账户的领取证明文件。"),
                  epilog=example("hnchain merchant campaign proof spring guests.csv alice > alice.json"))  # fmt: skip
@click.argument("campaign_id", metavar="CAMPAIGN", type=IDENTIFIER)
@click.argument("file", type=FILE)
@click.argument("account")
@with_network
@with_output
def proof(campaign_id: str, file: Path, account: str, network: Network) -> None:
    plain = proof_plain(campaign_id, read_list(file, network), resolve(account, network))
    answer(plain, msgspec.json.encode(plain).decode())


@campaign.command(help=t("One campaign: budget, what is left, times.", "查看一个活动：预算、剩余、起止时间。"),
                  epilog=example("hnchain merchant campaign show spring"))  # fmt: skip
@click.argument("campaign_id", metavar="CAMPAIGN", type=IDENTIFIER)
@with_network
@with_output
def show(campaign_id: str, network: Network) -> None:
    plain = network.client().get(f"/v1/campaigns/{_path(campaign_id)}")
    rows: list[tuple[str, object]] = [
        (t("state", "状态"), plain["state"]), (t("merchant", "商户"), name_of(plain["merchant"], network)),
        (t("class", "类别"), plain["class"]), (t("budget", "预算"), points(plain["budget"])),
        (t("granted", "已发"), points(plain["granted"])), (t("left", "剩余"), points(plain["left"])),
        (t("per account", "单户上限"), points(plain["per_account"])), (t("accounts", "账户数"), plain["accounts"]),
        (t("from", "开始"), day_text(plain["starts"])), (t("until", "结束"), day_text(plain["ends"])),
        (t("list", "名单"), plain["root"] or t("none", "无")),
    ]  # fmt: skip
    answer(plain, pairs(rows))


@campaign.command("list", help=t("All campaigns, or those of a merchant.", "全部活动，或某商户的活动。"),
                  epilog=example("hnchain merchant campaign list --of hotel"))  # fmt: skip
@click.option("--of", "party", help=t("A merchant: address or name.", "商户地址或名称。"))
@with_network
@with_output
def list_campaigns(party: str | None, network: Network) -> None:
    client, of = network.client(), "" if party is None else f"&merchant={encode_address(resolve(party, network))}"
    items: list[Any] = []
    after: str | None = ""
    while after is not None:
        page = client.get(f"/v1/campaigns?limit=200{of}" + (f"&after={_path(after)}" if after else ""))
        items, after = items + page["items"], page["next"]
    rows = [(item["campaign"], item["class"], item["state"], points(item["left"]), day_text(item["ends"]))
            for item in items]  # fmt: skip
    headers = (t("campaign", "活动"), t("class", "类别"), t("state", "状态"), t("left", "剩余"), t("until", "结束"))
    answer({"items": items}, table(headers, rows))


def _path(identifier: str) -> str:
    from urllib.parse import quote

    return quote(identifier, safe="")


@click.command(help=t("Take the points that a campaign's list names for you.", "凭证明领取活动积分。"),
               epilog=example("hnchain wallet claim alice.json --as alice"))  # fmt: skip
@click.argument("file", type=FILE)
@with_network
@with_signer
@with_sending
@with_output
def claim(file: Path, network: Network, signer: Signer, sending: Sending) -> None:
    opened = signer.unlock()
    send_and_report(network, opened.address, [opened.key], read_claim(file, opened.address), sending)

"""`hnchain info`: the network that one is about to use."""

import click

from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, day_text, pairs, with_output


@click.command(help=t("The network: filing number, end of the programme, what is kept how long.",
                      "网络信息：备案号、试点结束时间、数据保留期限。"),
               epilog=example("hnchain info --node http://127.0.0.1:8100"))  # fmt: skip
@with_network
@with_output
def info(network: Network) -> None:
    plain = network.client().get("/v1/info")
    kept, days = plain["retention_days"], t("days", "天")
    end = t("not set", "未设定") if plain["program_end"] is None else day_text(plain["program_end"])
    answer(plain, pairs([
        (t("network", "网络"), plain["network"]), (t("filing number", "备案号"), plain["filing"] or t("none", "无")),
        (t("version", "版本"), plain["version"]), (t("chain id", "链标识"), plain["chain_id"]),
        (t("since", "开始"), day_text(plain["since"])), (t("height", "高度"), plain["height"]),
        (t("programme ends", "试点结束"), f"{end}  {t('(over)', '（已结束）')}" if plain["ended"] else end),
        (t("orders kept", "订单保留"), f"{kept['orders']} {days}"),
        (t("anchors kept", "存证保留"), f"{kept['anchors']} {days}"),
        (t("alerts kept", "预警保留"), f"{kept['alerts']} {days}"),
    ]))  # fmt: skip

"""`hnchain wallet ticket`: a read ticket for other programs, such as a merchant's own books or curl."""

from typing import Final

import click

from cli.client import NoAnswer, NotSent, unreachable
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, day_text, say, with_output
from cli.read_tickets import TicketBook
from cli.wallets import Signer, with_signer
from primitives.address import encode_address
from primitives.read_ticket import TICKET_SECONDS_MAX, ReadTicket, ticket_text

SKEW_SECONDS: Final = 60  # a node whose clock is behind would refuse a whole hour


@click.command(help=t("Sign a read ticket for other programs: who has it may read what this account may read, until it "
                      "ends. It moves nothing. Send it as a header, never in a URL, and keep it out of logs.",
                      "签发查询凭条供其他程序使用：在有效期内，持有者可查询该账户有权查询的数据，但不能动用任何积分。"
                      "请放在请求头中发送，不要写入网址或日志。"),
               epilog=example("hnchain wallet ticket --as hotel --seconds 300"))  # fmt: skip
@click.option("--seconds", type=click.IntRange(1, TICKET_SECONDS_MAX), default=600, show_default=True,
              help=t("How long it is valid.", "有效时长（秒）。"))  # fmt: skip
@with_network
@with_signer
@with_output
def ticket(seconds: int, network: Network, signer: Signer) -> None:
    network.chain_id()  # the node is on the chain of the network file
    issued = _issue(network, signer, min(seconds, TICKET_SECONDS_MAX - SKEW_SECONDS))
    who, until, text = encode_address(signer.address), issued.expires_at, ticket_text(issued)
    say(t(f"valid until {day_text(until)} (UTC+8) for {who}; header: Authorization: Bearer TICKET",
          f"{who}，有效至 {day_text(until)}（北京时间）；请求头：Authorization: Bearer 凭条"))  # fmt: skip
    answer({"ticket": text, "account": who, "expires_at": until}, text)


def _issue(network: Network, signer: Signer, seconds: int) -> ReadTicket:
    last: Exception | None = None
    for node in network.nodes:
        try:
            return TicketBook(network, lambda _target: signer).issue(signer, node, seconds)
        except (NotSent, NoAnswer) as error:
            last = error
    raise unreachable(network.nodes, last)

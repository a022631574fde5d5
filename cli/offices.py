"""`hnchain office`: what attesters, regulators and operators do: tiers, freezes, paused classes, the window."""

from typing import Any, Final

import click

from cli.amounts import DURATION, HEX, IDENTIFIER
from cli.as_of import read_second
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import day_text, with_output
from cli.submission import Sending, block_time, send_as, with_sending
from cli.verdicts import usage
from cli.wallets import Signer, resolve, with_signer
from primitives.kinds import Freeze, KycAttest, KycRevoke, PauseClass, Unfreeze, WindowClose

TIERS: Final = ("0", "1", "2")


def with_end(command: Any) -> Any:
    """Adds --until and --lasts; the command gets both, and `end_of` tells the second."""
    lasts = click.option("--lasts", type=DURATION, help=t("From now, such as 72h.", "自现在起的时长，如 72h。"))
    until = click.option("--until", metavar="DATE", help=t("A day or minute of UTC+8.", "日期或时刻（UTC+8）。"))
    return until(lasts(command))


def end_of(network: Network, until: str | None, lasts: int | None) -> int:
    """The unix second at which something ends. Raises: Refusal (exit 2) unless exactly one of both is given."""
    if (until is None) == (lasts is None):
        raise usage(t("--until or --lasts", "--until 与 --lasts 二选一"))
    if until is not None:
        return read_second(until, last=False)
    return block_time(network.client()) + (lasts or 0)


@click.group(help=t("Attesters, regulators, operators: tiers, freezes, pauses, the window.",
                    "认证方、监管方、运营方：等级、冻结、暂停、结算期。"),
             epilog=example("hnchain office freeze alice --mode OUT --lasts 72h --reason 'case 7' --as regulator"))
def office() -> None:
    pass


@office.command(help=t("Attest an account's tier. The commitment is a keyed hash of what was seen; no personal data.",
                       "认证账户的实名等级。承诺值为所验材料的带密钥哈希，不含个人信息。"),
                epilog=example("hnchain office attest alice --tier 2 --lasts 365d --commitment HASH --as attester"))
@click.argument("party")
@click.option("--tier", type=click.Choice(TIERS), required=True, help=t("0, 1 or 2.", "0、1 或 2。"))
@click.option("--commitment", type=HEX, required=True, help=t("32 bytes as hex.", "32 字节，十六进制。"))
@with_end
@with_network
@with_signer
@with_sending
@with_output
def attest(
    party: str, tier: str, commitment: bytes, until: str | None, lasts: int | None, network: Network, signer: Signer,
    sending: Sending,
) -> None:  # fmt: skip
    ends = end_of(network, until, lasts)
    body = KycAttest(resolve(party, network), int(tier), ends, commitment)
    send_as(network, signer, body, sending, f"{party}  {t('tier', '等级')} {tier}  {day_text(ends)}")


@office.command("revoke-tier", help=t("Take an account's tier back.", "撤销账户的实名等级。"),
                epilog=example("hnchain office revoke-tier alice --as attester"))  # fmt: skip
@click.argument("party")
@with_network
@with_signer
@with_sending
@with_output
def revoke_tier(party: str, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, KycRevoke(resolve(party, network)), sending)


@office.command(help=t("Freeze an account: OUT stops what it pays and starts, ALL what it receives too.",
                       "冻结账户：OUT 停止支出，ALL 同时停止收入。"),
                epilog=example("hnchain office freeze alice --mode OUT --lasts 72h --reason 'case 7' --as regulator"))
@click.argument("party")
@click.option("--mode", type=click.Choice(["OUT", "ALL"]), required=True, help=t("What stops.", "冻结方式。"))
@click.option("--reason", required=True, help=t("Published; no personal data.", "公开的理由，不含个人信息。"))
@with_end
@with_network
@with_signer
@with_sending
@with_output
def freeze(
    party: str, mode: Any, reason: str, until: str | None, lasts: int | None, network: Network, signer: Signer,
    sending: Sending,
) -> None:  # fmt: skip
    ends = end_of(network, until, lasts)
    body = Freeze(resolve(party, network), mode, reason.encode(), ends)
    send_as(network, signer, body, sending, f"{party}  {mode}  {day_text(ends)}")


@office.command(help=t("End a freeze.", "解除冻结。"),
                epilog=example("hnchain office unfreeze alice --as regulator"))  # fmt: skip
@click.argument("party")
@with_network
@with_signer
@with_sending
@with_output
def unfreeze(party: str, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, Unfreeze(resolve(party, network)), sending)


@office.command("pause-class", help=t("Let nobody spend or receive points of a class for a time.",
                                      "在一段时间内暂停某类别积分。"),
                epilog=example("hnchain office pause-class hotel --lasts 24h --as regulator"))  # fmt: skip
@click.argument("class_id", metavar="CLASS", type=IDENTIFIER)
@with_end
@with_network
@with_signer
@with_sending
@with_output
def pause_class(
    class_id: str, until: str | None, lasts: int | None, network: Network, signer: Signer, sending: Sending
) -> None:
    ends = end_of(network, until, lasts)
    send_as(network, signer, PauseClass(class_id, ends), sending, f"{class_id}  {day_text(ends)}")


@office.command("close-window", help=t("Close the settlement window now, before the daily cut.",
                                       "在每日截止前立即关闭结算期。"),
                epilog=example("hnchain office close-window --as operator"))  # fmt: skip
@with_network
@with_signer
@with_sending
@with_output
def close_window(network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, WindowClose(), sending)

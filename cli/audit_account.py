"""`hnchain audit account`: all that the state holds about an account, proven, with what each node had to say."""

import click

from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, pairs, with_output, yuan
from cli.outsider import Outsider
from cli.trust_options import with_trust
from cli.verdicts import Verdict
from cli.wallet_reads import account_plain, balance_text
from cli.wallets import resolve
from primitives.address import encode_address


@click.command(help=t("An account with keys, tier, freeze and points, recomputed here from proven records.",
                      "账户的密钥、等级、冻结与积分，由本机依据证明重新计算。"),
               epilog=example("hnchain audit account alice"))  # fmt: skip
@click.argument("party")
@with_network
@with_trust
@with_output
def account(party: str, network: Network, outsider: Outsider | None) -> int:
    who = resolve(party, network)
    plain = account_plain(who, network, outsider)
    details = pairs([
        (t("kind", "类型"), plain["kind"]), (t("tier", "等级"), plain["tier"]),
        (t("frozen", "冻结状态"), plain["frozen"]), (t("open holds", "未完成预授权"), plain["open_holds"]),
        (t("redeemed so far", "累计核销"), yuan(plain["redeemed"])),
        (t("signatures needed", "签名门限"), plain["threshold"]),
        *((t("key", "密钥"), f"{key['key']}  {key['role']}") for key in plain["keys"]),
    ])  # fmt: skip
    answer(plain, f"{balance_text(encode_address(who), plain)}\n{details}")
    lied = outsider is not None and any(one.kind == "lying" for one in outsider.distrusted)
    return int(Verdict.REJECTED if lied else Verdict.DONE)

"""What the owner must hear in time: somebody is about to get new keys for the account."""

from cli.language import t
from cli.network import Network
from cli.output import day_text, say
from cli.verdicts import Refusal
from primitives.address import encode_address
from primitives.keys import Address


def warn_of_recovery(network: Network, who: Address) -> None:
    """Says so, with the moment from which it can be finished, if a node knows of one; silent otherwise."""
    try:
        plain = network.client().get(f"/v1/accounts/{encode_address(who)}/recovery")
        found = [row["ready_at"] for row in plain["recoveries"]]
        soonest = min((moment for moment in found if moment is not None), default=None)
        when = "-" if soonest is None else day_text(soonest)
    except (Refusal, KeyError, TypeError, ValueError, OverflowError):
        return  # not proven and not believed: the answer stands without it
    if found:
        say(t(f"⚠ new keys are proposed for this account, ready {when} (UTC+8); object: hnchain wallet recover cancel",
              f"⚠ 有人为此账户提出新密钥，可完成时间 {when}（北京时间）；"
              "异议：hnchain wallet recover cancel"))  # fmt: skip

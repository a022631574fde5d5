"""What several chapters of the demo do: decide by vote, move the clock, pay what a window says, keep a promise true."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from cli.demo_stage import Stage, StoryFailed
from cli.language import t
from cli.output import points, yuan
from primitives.address import encode_address
from primitives.kinds import Issue, LegConfirm, LegPaid
from primitives.kinds_governance import GovPropose, GovVote, Payload

DAY: Final = 86_400
UTC8: Final = 28_800
CUT: Final = 7_200  # the settlement day begins at 02:00 UTC+8
CAP_BPS: Final = 2_000  # points for at most 20 % of what was paid
VOTERS: Final = ("member1", "member2")  # of three: 67 % take part, all of them for it


def morning(now: int) -> int:
    """09:00 UTC+8 of the day of `now`: so that every run passes the same hours."""
    return midnight(now) + 9 * 3600


def midnight(now: int) -> int:
    """00:00 UTC+8 of the day of `now`."""
    return (now + UTC8) // DAY * DAY - UTC8


def document(what: str) -> bytes:
    """The hash of a paper that stays off the chain."""
    return hashlib.sha256(what.encode()).digest()


def propose(stage: Stage, proposal: str, payload: Payload, voters: Sequence[str] = VOTERS) -> Any:
    """A member proposes, enough vote yes, the 24 hours begin; the last receipt."""
    stage.act(voters[0], GovPropose(proposal, payload, document(f"reasons of {proposal}")))
    for member in voters:
        receipt = stage.act(member, GovVote(proposal, "YES"))
    return receipt


def decide(stage: Stage, proposal: str, payload: Payload) -> None:
    """As propose, and the 24 hours pass. Raises: StoryFailed unless it was carried out."""
    propose(stage, proposal, payload)
    move(stage, stage.now + DAY + 60)
    found = stage.read(f"/v1/proposals/{proposal}")
    if found["state"] != "EXECUTED":
        raise StoryFailed(f"proposal {proposal} is {found['state']}, expected EXECUTED")


def move(stage: Stage, seconds: int, late: str = "") -> None:
    """Move the clock, and pay what the windows closed meanwhile say; `late` pays nothing."""
    stage.set_time(seconds)
    for window in stage.read("/v1/windows")["items"]:
        if window["state"] == "INSTRUCTED":
            settle(stage, int(window["window"]), late)


def settle(stage: Stage, number: int, late: str = "") -> list[tuple[str, str, str]]:
    """Every leg of a window is paid and confirmed, but those of `late`; payer, payee and fen of each that was."""
    paid = []
    window = stage.read(f"/v1/windows/{number}")
    for leg, fen in window["instructions"].items():
        payer, payee = (stage.name(side) for side in leg.split("->"))
        if payer == late or window["legs"][leg] != "DUE":
            continue
        stage.act(signer(payer), LegPaid(number, leg, document(f"bank transfer {number} {leg}")))
        stage.act(signer(payee), LegConfirm(number, leg))
        paid.append((payer, payee, fen))
    return paid


def signer(name: str) -> str:
    """FUND's legs are signed by the custodian (D11)."""
    return "custodian" if name == "FUND" else name


def grant(stage: Stage, merchant: str, class_id: str, to: str, units: int, order: str, cash: int) -> None:
    """Points for a purchase."""
    receipt = stage.act(merchant, Issue(class_id, stage.address(to), units, order, "EARN", cash))
    stage.done(t(f"{merchant} grants {to} {points(units)} {class_id} for {yuan(cash)}",
                 f"{merchant} 因 {yuan(cash)} 消费向 {to} 发放 {points(units)} {class_id}"),
               tx=receipt["tx"])  # fmt: skip


def expect_status(stage: Stage, merchant: str, status: str) -> Any:
    """The merchant's public row. Raises: StoryFailed for another status."""
    found = stage.read(f"/v1/merchants/{encode_address(stage.address(merchant))}")
    if found["status"] != status:
        raise StoryFailed(f"{merchant} is {found['status']}, expected {status}")
    return found

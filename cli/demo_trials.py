"""The demo's chapters of two instruments of the committee: a sandbox for something new, the correction of a mistake."""

from cli.demo_acts import DAY, decide, document, midnight, move
from cli.demo_market import request
from cli.demo_stage import Stage, StoryFailed
from cli.language import t
from cli.output import yuan
from primitives.address import encode_address
from primitives.codes import Code
from primitives.kinds import ClassCreate, Issue
from primitives.kinds_errata import Credit, Errata, OrderOriginal
from primitives.kinds_governance import GovPropose
from primitives.kinds_sandbox import SandboxOpen

SANDBOX = "night-market"
SANDBOX_FEN = 1_000
LOSS_FEN = 400  # carries SANDBOX_FEN at 40 %


def sandbox(stage: Stage) -> None:
    """Something new for named people, within hard caps, until a fixed second; afterwards its points only run out."""
    stage.chapter("A sandbox", "监管沙箱")
    starts, ends = stage.now + DAY, stage.now + 4 * DAY
    people = (stage.address("alice"),)
    payload = SandboxOpen(SANDBOX, stage.address("seafood"), 2, SANDBOX_FEN, starts, ends, LOSS_FEN,
                          document("how the trial ends"), (stage.address("bus"),), people)  # fmt: skip
    decide(stage, "open-night-market", payload)
    stage.done(t(f"the committee opens {SANDBOX}: seafood and bus, one guest so far, {yuan(SANDBOX_FEN)} at most, "
                 f"{yuan(LOSS_FEN)} of the reserve set apart",
                 f"委员会开启沙箱 {SANDBOX}：seafood 与 bus 参与，目前一位游客，上限 {yuan(SANDBOX_FEN)}，"
                 f"单列风险准备 {yuan(LOSS_FEN)}"))  # fmt: skip
    stage.act("seafood", ClassCreate(class_id="pilot", uv=10_000, validity_days=10, sandbox=SANDBOX))
    stage.act("seafood", _trial(stage, "alice", 300, "S-50"))
    stage.act("seafood", _trial(stage, "bob", 300, "S-51"), expect=Code.SANDBOX_LIMIT)
    stage.act("seafood", _trial(stage, "alice", 800, "S-52"), expect=Code.SANDBOX_LIMIT)
    receipt = stage.act("alice", request(stage, "bus", "B-5", 100))
    stage.done(t("alice gets 300 pilot points and rides the bus for 100; bob, who is not on the list, gets none, and "
                 "nobody more than the cap (SANDBOX_LIMIT)",
                 "alice 获得 300 试点积分并乘车支付 100；名单外的 bob 与超上限的发放均被拒绝（SANDBOX_LIMIT）"),
               tx=receipt["tx"])  # fmt: skip
    move(stage, ends)
    stage.act("seafood", _trial(stage, "alice", 1, "S-53"), expect=Code.SANDBOX_LIMIT)
    receipt = stage.act("alice", request(stage, "seafood", "R-15", 200))
    stage.expect_spendable("alice", 7_490)
    report = stage.read(f"/v1/sandboxes/{SANDBOX}")
    if report["state"] != "ENDED":
        raise StoryFailed(f"sandbox {SANDBOX} is {report['state']}, expected ENDED")
    stage.done(t("its end has come: nothing more is granted, what alice has left still pays her dinner",
                 "到期自动停止：不再发放，alice 余下的积分仍可用餐"), tx=receipt["tx"])  # fmt: skip


def _trial(stage: Stage, to: str, units: int, order: str) -> Issue:
    return Issue("pilot", stage.address(to), units, order, "BONUS", 0)


def errata(stage: Stage) -> None:
    """A mistake of weeks ago is made good by an entry of its own; the order itself stays as it was."""
    stage.chapter("A mistake is made good", "纠错")
    hotel = stage.address("hotel")
    path = f"/v1/orders/{encode_address(hotel)}/H-1001"
    order = stage.read(path)
    entry = Credit(stage.address("alice"), "stay", 200, midnight(stage.now) + 300 * DAY)
    original = OrderOriginal(hotel, "H-1001", bytes.fromhex(order["tx"]))
    payload = Errata(1, original, (entry,), "WRONG_AMOUNT", document("the bill of H-1001"))
    stage.done(t("the hotel's till had granted 200 points too few for H-1001",
                 "hotel 收银系统为订单 H-1001 少发了 200 分"))  # fmt: skip
    decide(stage, "errata-h1001", payload)
    stage.expect_spendable("alice", 7_200)
    if stage.read(path) != order:
        raise StoryFailed("an erratum changed its order")
    stage.done(t("the committee credits alice 200 with reason and evidence; nothing is deleted, H-1001 stays as it was",
                 "委员会附理由与证据为 alice 补记 200 分；不删除任何记录，H-1001 保持原样"))  # fmt: skip
    again = GovPropose("errata-again", payload, document("again"))
    stage.act("member1", again, expect=Code.ALREADY_APPLIED)
    stage.done(t("the same correction cannot be made twice (ALREADY_APPLIED)", "同一更正不能重复（ALREADY_APPLIED）"))

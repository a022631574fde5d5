"""The demo's money chapters: windows and their payments, a refund across two of them, midnight, a default."""

from typing import Any

from cli.demo_acts import CUT, DAY, decide, expect_status, midnight, move, settle
from cli.demo_market import request
from cli.demo_stage import Stage, StoryFailed
from cli.language import t
from cli.output import day_text, yuan
from primitives.address import encode_address
from primitives.codes import Code
from primitives.kinds import Issue, Refund, ReserveAttest
from primitives.kinds_governance import SetStatus


def settle_window(stage: Stage) -> None:
    """At 02:00 the window closes by itself: obligations become few payments, paid and confirmed by their parties."""
    stage.chapter("Two in the morning: who owes whom", "凌晨两点：轧差清算")
    stage.set_time(midnight(stage.now) + DAY + CUT)
    window = stage.read("/v1/windows/1")
    _check_window(window)
    for who, fen in sorted(window["fen"].items(), key=lambda item: int(item[1])):
        stage.done(t(f"net of {stage.name(who)}: {yuan(fen)}", f"{stage.name(who)} 净额：{yuan(fen)}"))
    for payer, payee, fen in settle(stage, 1):
        stage.done(t(f"{payer} pays {payee} {yuan(fen)}; both say so on chain",
                     f"{payer} 向 {payee} 付款 {yuan(fen)}，双方上链确认"))  # fmt: skip
    state = stage.read("/v1/windows/1")["state"]
    if state != "SETTLED":
        raise StoryFailed(f"window 1 is {state}, expected SETTLED")
    exposure = stage.read(f"/v1/merchants/{encode_address(stage.address('hotel'))}/exposure")
    stage.done(t(f"the window is SETTLED; hotel may issue {yuan(exposure['room'])} more",
                 f"结算期已 SETTLED；hotel 还可发放 {yuan(exposure['room'])}"))  # fmt: skip


def _check_window(window: Any) -> None:
    if window["state"] == "OPEN" or not window["instructions"]:
        raise StoryFailed(f"window 1 did not close: {window['state']}")
    if sum(int(fen) for fen in window["fen"].values()) or sum(int(uy) for uy in window["carry"].values()):
        raise StoryFailed(f"the nets of window 1 do not sum to zero: {window['fen']} {window['carry']}")


def refund_later(stage: Stage) -> None:
    """What was settled stays settled: the refund is owed the other way round, in the window open now."""
    stage.chapter("A refund after settlement", "结算后的退款")
    before = stage.read("/v1/windows/1")
    receipt = stage.act("seafood", Refund("R-7", "2", 500))
    if stage.read("/v1/windows/1") != before:
        raise StoryFailed("a refund changed a settled window")
    stage.expect_spendable("alice", 6_990)
    stage.done(t("seafood refunds 500 more of R-7: it owes hotel for them in window 2, window 1 stays as it was",
                 "seafood 再退 R-7 的 500 分：在第 2 结算期由其欠 hotel，第 1 期保持不变"),
               tx=receipt["tx"])  # fmt: skip


def expire(stage: Stage) -> None:
    """The day pass ends at midnight; not a second earlier."""
    stage.chapter("Midnight in Haikou: the day pass ends", "海口零点：一日积分到期")
    end = midnight(stage.now) + DAY
    stage.set_time(end - 1)
    stage.expect_spendable("bob", 2_100)
    stage.set_time(end)
    stage.expect_spendable("bob", 1_800)
    stage.done(t(f"bob's 300 ride expired at {day_text(end)}, not a second earlier",
                 f"bob 的 300 ride 于 {day_text(end)} 准时到期，不早一秒"))  # fmt: skip


def default(stage: Stage) -> None:
    """A merchant does not pay what it owes: its reserve pays, it is suspended, and its points stay good."""
    stage.chapter("A merchant does not pay", "商户违约")
    receipt = stage.act("alice", request(stage, "seafood", "R-20", 900))
    stage.done(t("alice dines for 900, most of it museum's points",
                 "alice 用餐 900 分，多为 museum 的积分"), tx=receipt["tx"])  # fmt: skip
    move(stage, midnight(stage.now) + DAY + CUT, late="museum")
    number = int(stage.read("/v1/windows")["items"][0]["window"]) - 1  # the newest is open
    stage.done(t(f"window {number} closes; everybody pays but museum", f"第 {number} 结算期关闭，museum 未付款"))
    move(stage, stage.now + 2 * DAY, late="museum")
    window = stage.read(f"/v1/windows/{number}")
    if window["state"] != "DEFAULTED":
        raise StoryFailed(f"window {number} is {window['state']}, expected DEFAULTED")
    reserve = expect_status(stage, "museum", "SUSPENDED")["reserve"]
    stage.done(t(f"two days later: museum is SUSPENDED, its reserve pays and holds {yuan(reserve)}",
                 f"两天后：museum 被 SUSPENDED，由准备金支付，余额 {yuan(reserve)}"))  # fmt: skip
    stage.act("museum", Issue("show", stage.address("bob"), 10, "M-90", "EARN", 1_000), expect=Code.MERCHANT_SUSPENDED)
    stage.done(t("it issues nothing more (MERCHANT_SUSPENDED)", "不得再发放积分（MERCHANT_SUSPENDED）"))
    receipt = stage.act("alice", request(stage, "bus", "B-20", 100))
    stage.done(t("but whoever holds its points spends them: alice rides the bus for 100",
                 "但持有人仍可使用其积分：alice 乘车支付 100 分"), tx=receipt["tx"])  # fmt: skip
    body = ReserveAttest(stage.address("museum"), int(reserve) + 100_000, stage.now, bytes(32))
    stage.act("custodian", body, "museum")
    decide(stage, "museum-back", SetStatus(stage.address("museum"), "ACTIVE"))
    expect_status(stage, "museum", "ACTIVE")
    stage.done(t("museum fills its reserve up; the committee lets it begin again",
                 "museum 补足准备金，委员会准予恢复"))  # fmt: skip

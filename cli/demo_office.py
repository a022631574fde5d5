"""The demo's chapters of the committee: admission by vote, a sandbox, a correction, and the end of a merchant."""

from cli.demo_acts import CAP_BPS, DAY, VOTERS, decide, document, expect_status, grant, midnight, move, propose
from cli.demo_stage import Stage
from cli.language import t
from primitives.codes import Code
from primitives.kinds import ClassCreate, Issue, MerchantApply, ReserveAttest
from primitives.kinds_governance import Admit, GovExecute, GovPropose, SetStatus

ADMISSION = "admit-inn"
NOTICE_DAYS = 90


def ask_admission(stage: Stage) -> None:
    """A fifth house applies; the committee votes, and the timelock begins."""
    stage.chapter("Admission by vote", "投票准入")
    stage.act("inn", MerchantApply("HOTEL", "椰林客栈", "Coconut Inn", document("licence of the inn")))
    receipt = propose(stage, ADMISSION, Admit(stage.address("inn")), (*VOTERS, "member3"))
    stage.done(t("inn applies; three members of the committee vote yes; 24 h to object begin",
                 "inn 提出申请，委员会三名成员投赞成票，24 小时异议期开始"), tx=receipt["tx"])  # fmt: skip
    stage.act("member1", GovExecute(ADMISSION), expect=Code.TIMELOCK)
    stage.done(t("nobody can cut them short (TIMELOCK)", "任何人都不能提前执行（TIMELOCK）"))


def find_admitted(stage: Stage) -> None:
    """What was won is carried out by time alone, and the newcomer begins."""
    stage.chapter("The vote takes effect", "表决生效")
    expect_status(stage, "inn", "ACTIVE")
    reserve = ReserveAttest(stage.address("inn"), 1_000_000, stage.now, document("statement of the inn"))
    stage.act("custodian", reserve, "inn")
    receipt = stage.act("inn", ClassCreate(class_id="rest", uv=10_000, validity_days=30, earn_cap_bps=CAP_BPS))
    stage.done(t("the 24 h are over: inn is a merchant, shows its reserve and creates its points",
                 "24 小时已满：inn 成为商户，存入准备金并创建自己的积分"), tx=receipt["tx"])  # fmt: skip
    grant(stage, "inn", "rest", "bob", 200, "N-1", 2_000)


def wind_down(stage: Stage) -> None:
    """A merchant leaves: notice, no more points, and out only when nobody holds any."""
    stage.chapter("A merchant leaves", "商户退出")
    inn = stage.address("inn")
    grant(stage, "inn", "rest", "bob", 100, "N-2", 1_000)
    decide(stage, "inn-leaves", SetStatus(inn, "WIND_DOWN", NOTICE_DAYS))
    expect_status(stage, "inn", "WIND_DOWN")
    stage.act("inn", Issue("rest", stage.address("bob"), 1, "N-3", "EARN", 100), expect=Code.MERCHANT_SUSPENDED)
    stage.done(t(f"inn winds down with {NOTICE_DAYS} days' notice and grants nothing more",
                 f"inn 进入为期 {NOTICE_DAYS} 天的退出期，不再发放"))  # fmt: skip
    payload = SetStatus(inn, "EXITED")
    stage.act("member1", GovPropose("inn-too-early", payload, document("too early")), expect=Code.EXIT_PENDING)
    stage.done(t("it cannot be let go before (EXIT_PENDING)", "期满前不得退出（EXIT_PENDING）"))
    move(stage, midnight(stage.now) + (NOTICE_DAYS + 1) * DAY + 9 * 3600)
    decide(stage, "inn-gone", payload)
    expect_status(stage, "inn", "EXITED")
    stage.done(t("three months later nobody holds its points any more and it owes nothing: EXITED",
                 "三个月后无人持有其积分且无欠款：EXITED"))  # fmt: skip

"""The first day of the demo: points are created, earned, and spent with merchants of four categories."""

from typing import Final

from cli.demo_acts import CAP_BPS, DAY, grant
from cli.demo_stage import Stage, StoryFailed
from cli.language import t
from cli.payment_text import sign_pay_code, sign_request
from primitives.codes import Code
from primitives.kinds import Authorize, Capture, ClassCreate, Exchange, Issue, Redeem, RedeemByToken, Refund

CLASSES: Final = (
    ("bus", ClassCreate(class_id="ride", uv=10_000, validity_days=1, earn_cap_bps=CAP_BPS)),
    ("hotel", ClassCreate(class_id="stay", uv=10_000, validity_days=365, earn_cap_bps=CAP_BPS)),
    ("seafood", ClassCreate(class_id="taste", uv=10_000, validity_days=365, earn_cap_bps=CAP_BPS)),
    ("museum", ClassCreate(class_id="show", uv=5_000, validity_days=365, earn_cap_bps=CAP_BPS)),
)


def create_classes(stage: Stage) -> None:
    """Four merchants of four categories create a class each."""
    stage.chapter("Four merchants create their points", "四家商户创建各自的积分")
    for merchant, body in CLASSES:
        receipt = stage.act(merchant, body)
        value = f"{body.uv / 10_000:g}"
        stage.done(t(f"{merchant} creates {body.class_id}: {value} fen each, valid {body.validity_days} d",
                     f"{merchant} 创建 {body.class_id}：每分价值 {value} 分钱，有效 {body.validity_days} 天"),
                   tx=receipt["tx"])  # fmt: skip


def earn(stage: Stage) -> None:
    """Points are granted for purchases, once per order, within the earn cap."""
    stage.chapter("Points are earned, never bought", "消费得积分，积分不出售")
    grant(stage, "hotel", "stay", "alice", 10_000, "H-1001", 100_000)
    grant(stage, "seafood", "taste", "bob", 2_000, "S-2001", 20_000)
    body = Issue("stay", stage.address("alice"), 10_000, "H-1001", "EARN", 100_000)
    stage.act("hotel", body, expect=Code.OK_DUPLICATE)
    stage.done(t("the same order sent again grants nothing more (OK_DUPLICATE)",
                 "同一订单重复提交不再发放（OK_DUPLICATE）"))
    greedy = Issue("stay", stage.address("bob"), 10_000, "H-1002", "EARN", 10_000)
    stage.act("hotel", greedy, expect=Code.EARN_CAP)
    stage.done(t("points beyond 20 % of the price are refused (EARN_CAP)", "超过消费额 20% 的发放被拒绝（EARN_CAP）"))
    stage.expect_spendable("alice", 10_000)


def spend(stage: Stage) -> None:
    """Dinner by the house's QR, the museum by a pay code, the bus, and the hotel's own shop."""
    stage.chapter("Spent with merchants of four categories", "在四类商户消费")
    receipt = stage.act("alice", request(stage, "seafood", "R-7", 3_000))
    stage.done(t("dining: alice pays seafood 3,000 points by its QR request R-7; hotel owes for them now",
                 "餐饮：alice 扫码向 seafood 支付 3,000 分（请求 R-7），由 hotel 承担"), tx=receipt["tx"])  # fmt: skip
    stage.act("alice", request(stage, "seafood", "R-8", 90_000), expect=Code.INSUFFICIENT)
    stage.done(t("more than she has is refused (INSUFFICIENT)", "超过余额的支付被拒绝（INSUFFICIENT）"))
    stage.expect_spendable("alice", 7_000)
    _pay_by_code(stage)
    receipt = stage.act("bob", request(stage, "bus", "B-1", 200))
    stage.done(t("transport: bob rides the bus for 200 of seafood's points",
                 "交通：bob 用 seafood 的 200 分乘坐巴士"), tx=receipt["tx"])  # fmt: skip
    receipt = stage.act("alice", request(stage, "hotel", "H-7", 400))
    stage.done(t("hotel: alice pays 400 in the hotel's shop with its own points: nobody owes anybody",
                 "住宿：alice 在 hotel 用其自有积分支付 400 分，不产生商户间债务"), tx=receipt["tx"])  # fmt: skip
    stage.expect_spendable("alice", 6_000)


def request(stage: Stage, merchant: str, order: str, value: int) -> Redeem:
    """The payment of a request that the merchant has signed."""
    key = stage.people[merchant].key
    made = sign_request(stage.chain_id, stage.address(merchant), key, order, value, stage.now + 300)
    return Redeem(made, value)


def _pay_by_code(stage: Stage) -> None:
    """The merchant scans the tourist's one-time code."""
    alice = stage.people["alice"]
    code = sign_pay_code(stage.chain_id, alice.address, alice.key, 1_000, stage.now + 60, stage.address("museum"))
    receipt = stage.act("museum", RedeemByToken(code, 600, "M-1"))
    stage.done(t("culture: museum scans alice's code and charges 600 of at most 1,000",
                 "文娱：museum 扫 alice 的付款码，收取 600（上限 1,000）"), tx=receipt["tx"])  # fmt: skip
    stage.act("museum", RedeemByToken(code, 600, "M-2"), expect=Code.TOKEN_USED)
    stage.done(t("the code works once only (TOKEN_USED)", "付款码只能使用一次（TOKEN_USED）"))


def deposit(stage: Stage) -> None:
    """Held at check-in, partly captured at check-out, the rest released."""
    stage.chapter("A deposit at the hotel", "酒店押金")
    receipt = stage.act("alice", Authorize(stage.address("hotel"), 800, 3 * DAY))
    hold = next(event["hold"] for event in receipt["events"] if event["kind"] == "HoldOpened")
    stage.expect_spendable("alice", 5_200)
    stage.done(t("check-in: alice sets 800 points aside", "入住：alice 预授权 800 分"), tx=receipt["tx"])
    receipt = stage.act("hotel", Capture(bytes.fromhex(hold), 500, "H-8"))
    stage.done(t("check-out: hotel captures 500, the other 300 are free again",
                 "退房：hotel 扣款 500，其余 300 自动释放"), tx=receipt["tx"])  # fmt: skip
    stage.expect_spendable("alice", 5_500)


def refund(stage: Stage) -> None:
    """Part of the dinner comes back, as the same points with the same expiry."""
    stage.chapter("A refund", "退款")
    receipt = stage.act("seafood", Refund("R-7", "1", 1_000))
    stage.done(t("seafood refunds 1,000 points of R-7", "seafood 退回 R-7 中的 1,000 分"), tx=receipt["tx"])
    stage.expect_spendable("alice", 6_500)


def exchange(stage: Stage) -> None:
    """1,000 stay at 1 fen -> 1,980 show at half a fen, 1 % fee: the value never grows."""
    stage.chapter("Points for points", "积分互换")
    receipt = stage.act("alice", Exchange("stay", 1_000, "show", 1_980))
    found = stage.balance("alice")
    if int(found["spendable"]) != 6_490:
        raise StoryFailed(f"after the exchange: spendable {found['spendable']}, expected 6490")
    stage.done(t("alice exchanges 1,000 stay for 1,980 show, fee 1 %",
                 "alice 以 1,000 stay 换得 1,980 show，手续费 1%"),
               tx=receipt["tx"])  # fmt: skip


def last_ride(stage: Stage) -> None:
    """Points that end tomorrow night."""
    stage.chapter("A day pass", "一日有效的乘车积分")
    grant(stage, "bus", "ride", "bob", 300, "B-77", 3_000)
    stage.expect_spendable("bob", 2_100)

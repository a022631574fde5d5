"""The tourism day itself, chapter by chapter. 1 point = 1 fen unless a class says otherwise."""

import hashlib
from pathlib import Path
from typing import Any, Final

from cli.demo_stage import Stage, StoryFailed
from cli.language import t
from cli.output import day_text, points, yuan
from cli.payment_text import sign_pay_code, sign_request
from primitives.address import encode_address
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.kinds import (
    Authorize,
    Capture,
    ClassCreate,
    Exchange,
    Issue,
    LegConfirm,
    LegPaid,
    MerchantApply,
    Redeem,
    RedeemByToken,
    Refund,
)
from primitives.kinds_governance import Admit, GovExecute, GovPropose, GovVote
from primitives.proof import verify_receipt_proof

DAY: Final = 86_400
UTC8: Final = 28_800
CUT: Final = 7_200  # the settlement day begins at 02:00 UTC+8
ADMISSION: Final = "admit-inn"
CAP_BPS: Final = 2_000  # points for at most 20 % of what was paid
CLASSES: Final = (
    ("bus", ClassCreate(class_id="ride", uv=10_000, validity_days=1, earn_cap_bps=CAP_BPS)),
    ("hotel", ClassCreate(class_id="stay", uv=10_000, validity_days=365, earn_cap_bps=CAP_BPS)),
    ("seafood", ClassCreate(class_id="taste", uv=10_000, validity_days=365, earn_cap_bps=CAP_BPS)),
    ("museum", ClassCreate(class_id="show", uv=5_000, validity_days=365, earn_cap_bps=CAP_BPS)),
)


def morning(now: int) -> int:
    """09:00 UTC+8 of the day of `now`: so that every run passes the same hours."""
    return (now + UTC8) // DAY * DAY - UTC8 + 9 * 3600


def tell_day(stage: Stage, genesis_path: Path, folder: Path) -> None:
    """All chapters. Raises: StoryFailed at the first thing that is not as it must be."""
    create_classes(stage)
    ask_admission(stage)
    earn(stage)
    pay_across(stage)
    pay_by_code(stage)
    hold_and_capture(stage)
    refund(stage)
    exchange(stage)
    last_ride(stage)
    settle_window(stage)
    expire(stage)
    find_admitted(stage)
    prove(stage, genesis_path, folder)
    audit(stage)


def create_classes(stage: Stage) -> None:
    """Four merchants of four categories create a class each."""
    stage.chapter(t("1. Four merchants create their points", "一、四家商户创建各自的积分"))
    for merchant, body in CLASSES:
        receipt = stage.act(merchant, body)
        value = f"{body.uv / 10_000:g}"
        stage.done(t(f"{merchant} creates {body.class_id}: {value} fen each, valid {body.validity_days} d",
                     f"{merchant} 创建 {body.class_id}：每分价值 {value} 分钱，有效 {body.validity_days} 天"),
                   tx=receipt["tx"])  # fmt: skip


def ask_admission(stage: Stage) -> None:
    """A fifth house applies; the committee votes, and the timelock begins."""
    stage.act("inn", MerchantApply("HOTEL", "椰林客栈", "Coconut Inn", hashlib.sha256(b"licence of the inn").digest()))
    payload = Admit(stage.address("inn"))
    stage.act("member1", GovPropose(ADMISSION, payload, hashlib.sha256(b"why the inn may join").digest()))
    for member in ("member1", "member2", "member3"):
        receipt = stage.act(member, GovVote(ADMISSION, "YES"))
    stage.done(t("inn applies; three members of the committee vote yes; 24 h to object begin",
                 "inn 提出申请，委员会三名成员投赞成票，24 小时异议期开始"), tx=receipt["tx"])  # fmt: skip
    stage.act("member1", GovExecute(ADMISSION), expect=Code.TIMELOCK)
    stage.done(t("nobody can cut them short (TIMELOCK)", "任何人都不能提前执行（TIMELOCK）"))


def find_admitted(stage: Stage) -> None:
    """What was won is carried out by time alone, and the newcomer begins."""
    status = stage.read(f"/v1/merchants/{encode_address(stage.address('inn'))}")["status"]
    if status != "ACTIVE":
        raise StoryFailed(f"inn is {status}, expected ACTIVE")
    receipt = stage.act("inn", ClassCreate(class_id="rest", uv=10_000, validity_days=365, earn_cap_bps=CAP_BPS))
    stage.done(t("the 24 h are over: inn is a merchant and creates its points",
                 "24 小时已满：inn 成为商户，创建自己的积分"), tx=receipt["tx"])  # fmt: skip


def earn(stage: Stage) -> None:
    """Points are granted for purchases, once per order, within the earn cap."""
    stage.chapter(t("2. Points are earned, never bought", "二、消费得积分，积分不出售"))
    _issue(stage, "hotel", "stay", "alice", 10_000, "H-1001", 100_000)
    _issue(stage, "seafood", "taste", "bob", 2_000, "S-2001", 20_000)
    body = Issue("stay", stage.address("alice"), 10_000, "H-1001", "EARN", 100_000)
    stage.act("hotel", body, expect=Code.OK_DUPLICATE)
    stage.done(t("the same order sent again grants nothing more (OK_DUPLICATE)",
                 "同一订单重复提交不再发放（OK_DUPLICATE）"))
    greedy = Issue("stay", stage.address("bob"), 10_000, "H-1002", "EARN", 10_000)
    stage.act("hotel", greedy, expect=Code.EARN_CAP)
    stage.done(t("points beyond 20 % of the price are refused (EARN_CAP)", "超过消费额 20% 的发放被拒绝（EARN_CAP）"))
    stage.expect_spendable("alice", 10_000)


def _issue(stage: Stage, merchant: str, class_id: str, to: str, units: int, order: str, cash: int) -> None:
    receipt = stage.act(merchant, Issue(class_id, stage.address(to), units, order, "EARN", cash))
    stage.done(t(f"{merchant} grants {to} {points(units)} {class_id} for {yuan(cash)}",
                 f"{merchant} 因 {yuan(cash)} 消费向 {to} 发放 {points(units)} {class_id}"),
               tx=receipt["tx"])  # fmt: skip


def pay_across(stage: Stage) -> None:
    """A hotel's points pay for dinner elsewhere: the hotel now owes the restaurant."""
    stage.chapter(t("3. Dinner paid with the hotel's points", "三、用酒店积分在餐厅付款"))
    body = _request(stage, "seafood", "R-7", 3_000)
    receipt = stage.act("alice", body)
    stage.done(t("alice pays seafood 3,000 points by its QR request R-7",
                 "alice 扫码向 seafood 支付 3,000 分（请求 R-7）"),
               tx=receipt["tx"])  # fmt: skip
    stage.act("alice", _request(stage, "seafood", "R-8", 90_000), expect=Code.INSUFFICIENT)
    stage.done(t("more than she has is refused (INSUFFICIENT)", "超过余额的支付被拒绝（INSUFFICIENT）"))
    stage.expect_spendable("alice", 7_000)


def _request(stage: Stage, merchant: str, order: str, value: int) -> Redeem:
    key = stage.people[merchant].key
    request = sign_request(stage.chain_id, stage.address(merchant), key, order, value, stage.now + 300)
    return Redeem(request, value)


def pay_by_code(stage: Stage) -> None:
    """The merchant scans the tourist's one-time code."""
    stage.chapter(t("4. A pay code at the museum", "四、文化馆扫付款码"))
    alice = stage.people["alice"]
    code = sign_pay_code(stage.chain_id, alice.address, alice.key, 1_000, stage.now + 60, stage.address("museum"))
    receipt = stage.act("museum", RedeemByToken(code, 600, "M-1"))
    stage.done(t("museum scans alice's code and charges 600 of at most 1,000",
                 "museum 扫 alice 的付款码，收取 600（上限 1,000）"),
               tx=receipt["tx"])  # fmt: skip
    stage.act("museum", RedeemByToken(code, 600, "M-2"), expect=Code.TOKEN_USED)
    stage.done(t("the code works once only (TOKEN_USED)", "付款码只能使用一次（TOKEN_USED）"))


def hold_and_capture(stage: Stage) -> None:
    """A deposit: held, partly captured, the rest released."""
    stage.chapter(t("5. A deposit for the island bus", "五、环岛巴士押金"))
    receipt = stage.act("alice", Authorize(stage.address("bus"), 800, DAY))
    hold = next(event["hold"] for event in receipt["events"] if event["kind"] == "HoldOpened")
    stage.expect_spendable("alice", 5_600)
    stage.done(t("alice sets 800 points aside for bus", "alice 为 bus 预授权 800 分"), tx=receipt["tx"])
    receipt = stage.act("bus", Capture(bytes.fromhex(hold), 500, "B-1"))
    stage.done(t("bus captures 500, the other 300 are free again", "bus 扣款 500，其余 300 自动释放"), tx=receipt["tx"])
    stage.expect_spendable("alice", 5_900)


def refund(stage: Stage) -> None:
    """Part of the dinner comes back, as the same points with the same expiry."""
    stage.chapter(t("6. A refund", "六、退款"))
    receipt = stage.act("seafood", Refund("R-7", "1", 1_000))
    stage.done(t("seafood refunds 1,000 points of R-7", "seafood 退回 R-7 中的 1,000 分"), tx=receipt["tx"])
    stage.expect_spendable("alice", 6_900)


def exchange(stage: Stage) -> None:
    """1,000 stay at 1 fen -> 1,980 show at half a fen, 1 % fee: the value never grows."""
    stage.chapter(t("7. Points for points", "七、积分互换"))
    receipt = stage.act("alice", Exchange("stay", 1_000, "show", 1_980))
    found = stage.balance("alice")
    if int(found["spendable"]) != 6_890:
        raise StoryFailed(f"after the exchange: spendable {found['spendable']}, expected 6890")
    stage.done(t("alice exchanges 1,000 stay for 1,980 show, fee 1 %",
                 "alice 以 1,000 stay 换得 1,980 show，手续费 1%"),
               tx=receipt["tx"])  # fmt: skip


def last_ride(stage: Stage) -> None:
    """Points that end tomorrow night."""
    stage.chapter(t("8. A day pass", "八、一日有效的乘车积分"))
    _issue(stage, "bus", "ride", "bob", 300, "B-77", 3_000)
    stage.expect_spendable("bob", 2_300)


def settle_window(stage: Stage) -> None:
    """At 02:00 the window closes by itself: obligations become few payments, paid and confirmed by their parties."""
    stage.chapter(t("9. Two in the morning: who owes whom", "九、凌晨两点：轧差清算"))
    next_day = (stage.now + UTC8) // DAY * DAY + DAY - UTC8
    stage.set_time(next_day + CUT)
    window = stage.read("/v1/windows/1")
    _check_window(window)
    for who, fen in sorted(window["fen"].items(), key=lambda item: int(item[1])):
        stage.done(t(f"net of {stage.name(who)}: {yuan(fen)}", f"{stage.name(who)} 净额：{yuan(fen)}"))
    for leg, fen in window["instructions"].items():
        payer, payee = (stage.name(side) for side in leg.split("->"))
        reference = hashlib.sha256(f"bank transfer {leg}".encode()).digest()
        stage.act(_signer(payer), LegPaid(1, leg, reference))
        receipt = stage.act(_signer(payee), LegConfirm(1, leg))
        stage.done(t(f"{payer} pays {payee} {yuan(fen)}; both say so on chain",
                     f"{payer} 向 {payee} 付款 {yuan(fen)}，双方上链确认"), tx=receipt["tx"])  # fmt: skip
    state = stage.read("/v1/windows/1")["state"]
    if state != "SETTLED":
        raise StoryFailed(f"window 1 is {state}, expected SETTLED")
    exposure = stage.read(f"/v1/merchants/{encode_address(stage.address('hotel'))}/exposure")
    stage.done(t(f"the window is SETTLED; hotel may issue {yuan(exposure['room'])} more",
                 f"结算期已 SETTLED；hotel 还可发放 {yuan(exposure['room'])}"))  # fmt: skip


def _signer(name: str) -> str:
    return "custodian" if name == "FUND" else name  # FUND's legs are signed by the custodian (D11)


def _check_window(window: Any) -> None:
    if window["state"] == "OPEN" or not window["instructions"]:
        raise StoryFailed(f"window 1 did not close: {window['state']}")
    if sum(int(fen) for fen in window["fen"].values()) or sum(int(uy) for uy in window["carry"].values()):
        raise StoryFailed(f"the nets of window 1 do not sum to zero: {window['fen']} {window['carry']}")


def expire(stage: Stage) -> None:
    """The day pass ends at midnight; not a second earlier."""
    stage.chapter(t("10. Midnight: the day pass ends", "十、零点：一日积分到期"))
    midnight = (stage.now + UTC8) // DAY * DAY + DAY - UTC8
    stage.set_time(midnight - 1)
    stage.expect_spendable("bob", 2_300)
    stage.set_time(midnight)
    stage.expect_spendable("bob", 2_000)
    stage.done(t(f"bob's 300 ride expired at {day_text(midnight)}, not a second earlier",
                 f"bob 的 300 ride 于 {day_text(midnight)} 准时到期，不早一秒"))  # fmt: skip


def prove(stage: Stage, genesis_path: Path, folder: Path) -> None:
    """Every receipt from the genesis file alone, and one with a changed byte."""
    stage.chapter(t("11. Receipts that prove themselves", "十一、凭证自证"))
    octets = stage.verify_receipts(genesis_path, folder)
    count, total = stage.record.verified, len(stage.record.transactions)
    stage.done(t(f"{count} of {total} receipts verified offline, {octets // count} B each",
                 f"{total} 份凭证中 {count} 份离线核验通过，平均 {octets // count} 字节"))  # fmt: skip
    raw = bytearray(sorted(folder.iterdir())[0].read_bytes())
    raw[len(raw) // 2] ^= 1
    try:
        verify_receipt_proof(bytes(raw), stage.genesis)
    except Malformed:
        stage.done(t("one changed bit and the receipt is refused", "改动一位，凭证即被拒绝"))
    else:
        raise StoryFailed("a changed receipt was accepted")


def audit(stage: Stage) -> None:
    """All nodes hold the same state, and it adds up."""
    stage.chapter(t("12. The books", "十二、账实核对"))
    height, root = stage.agree()
    stage.done(t(f"{len(stage.network.places)} nodes agree at height {height}: state root {root[:16]}…",
                 f"{len(stage.network.places)} 个节点在高度 {height} 状态一致：{root[:16]}…"))  # fmt: skip
    broken = stage.violations()
    if broken:
        raise StoryFailed("; ".join(broken))
    stage.done(t("every invariant holds on every node", "所有节点的全部不变量成立"))

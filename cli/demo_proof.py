"""The demo's last chapters: the year ends, receipts prove themselves, and the books add up."""

from pathlib import Path
from typing import Any

from cli.demo_acts import DAY, document, move
from cli.demo_stage import Stage, StoryFailed
from cli.language import t
from cli.output import day_text, points
from primitives.codec import Malformed
from primitives.evidence_bundle import build_bundle, verify_bundle
from primitives.kinds_risk import AlertAck
from primitives.proof import verify_receipt_proof

YEAR_DAYS = 367
FATES = ("issued", "restored", "exch_in", "redeemed", "expired", "burned")  # three bring units, three take them


def year_end(stage: Stage, began: int) -> None:
    """A year after the first purchase the last points expire: every unit ever issued has gone somewhere."""
    stage.chapter("The year ends", "一年期满")
    move(stage, began + YEAR_DAYS * DAY)
    for name in ("alice", "bob"):
        stage.expect_spendable(name, 0)
    supply = stage.read("/v1/supply")
    for class_id, row in supply.items():
        counts = {name: int(units) for name, units in row.items()}
        came = counts["issued"] + counts["exch_in"] + counts["restored"]
        if counts["outstanding"] or came != counts["redeemed"] + counts["expired"] + counts["burned"]:
            raise StoryFailed(f"{class_id} does not add up: {counts}")
    sums = {name: points(_total(supply, name)) for name in FATES}
    stage.done(t(f"{day_text(stage.now)}: the last points have expired. {sums['issued']} were issued, "
                 f"{sums['restored']} refunded, {sums['exch_in']} exchanged in; {sums['redeemed']} were redeemed, "
                 f"{sums['expired']} expired, {sums['burned']} exchanged away or taken back: as many as came",
                 f"{day_text(stage.now)}：最后的积分到期。发放 {sums['issued']}，退回 {sums['restored']}，"
                 f"换入 {sums['exch_in']}；核销 {sums['redeemed']}，到期 {sums['expired']}，"
                 f"换出或冲正 {sums['burned']}：收支相符"))  # fmt: skip


def _inbox(stage: Stage) -> None:
    """What was told to the regulator on its own, and the figures by which the trial is judged."""
    report = stage.read("/v1/report")
    told, rules = report["alerts"]["told"], ", ".join(report["alerts"]["rules"])
    newest = stage.read("/v1/alerts")["items"][0]
    subject = stage.address(stage.name(newest["subject"]))
    stage.act("regulator", AlertAck(newest["rule"], subject, document("looked into")))
    stage.done(t(f"the rules told the regulator of {told} risks by themselves ({rules}); it answers the newest",
                 f"规则自动向监管方提示 {told} 次风险（{rules}），监管方处理最新一条"))  # fmt: skip
    closed, elsewhere = report["settlement"]["closed"], report["elsewhere_bps"] / 100
    stage.done(t(f"the trial's report: {closed} windows closed, {elsewhere:.0f} % of all points redeemed were those of "
                 "another merchant",
                 f"试行评估：关闭 {closed} 个结算期，核销积分中 {elsewhere:.0f}% 来自其他商户"))  # fmt: skip


def _total(supply: Any, key: str) -> int:
    return sum(int(row[key]) for row in supply.values())


def prove(stage: Stage, genesis_path: Path, folder: Path) -> None:
    """Every receipt from the genesis file alone, and one with a changed byte."""
    stage.chapter("Receipts that prove themselves", "凭证自证")
    octets = stage.verify_receipts(genesis_path, folder)
    count, total = stage.record.verified, len(stage.record.transactions)
    stage.done(t(f"{count} of {total} receipts verified offline, {octets // count} B each",
                 f"{total} 份凭证中 {count} 份离线核验通过，平均 {octets // count} 字节"))  # fmt: skip
    _hand_over(stage, folder)
    raw = bytearray(sorted(folder.iterdir())[0].read_bytes())
    raw[len(raw) // 2] ^= 1
    try:
        verify_receipt_proof(bytes(raw), stage.genesis)
    except Malformed:
        stage.done(t("one changed bit and the receipt is refused", "改动一位，凭证即被拒绝"))
    else:
        raise StoryFailed("a changed receipt was accepted")


def _hand_over(stage: Stage, folder: Path) -> None:
    """The regulator signs one file with all of it; whoever has the genesis checks it, without a node."""
    regulator = stage.people["regulator"]
    proofs = [path.read_bytes() for path in sorted(folder.iterdir())]
    raw = build_bundle(
        stage.chain_id, stage.now, "the year", regulator.address, regulator.key, [], proofs
    )  # fmt: skip
    found = verify_bundle(raw, stage.genesis)
    if len(found.receipts) != len(proofs):
        raise StoryFailed(f"{len(found.receipts)} receipts in the bundle, expected {len(proofs)}")
    stage.done(t(f"the regulator signs a bundle of {len(proofs)} receipts, {len(raw) // 1024} KiB; it verifies offline",
                 f"监管方签署包含 {len(proofs)} 份凭证的证据包（{len(raw) // 1024} KiB），离线可验"))  # fmt: skip


def audit(stage: Stage) -> None:
    """All nodes hold the same state, and it adds up."""
    stage.chapter("The books", "账实核对")
    _inbox(stage)
    height, root = stage.agree()
    stage.done(t(f"{len(stage.network.places)} nodes agree at height {height}: state root {root[:16]}…",
                 f"{len(stage.network.places)} 个节点在高度 {height} 状态一致：{root[:16]}…"))  # fmt: skip
    broken = stage.violations()
    if broken:
        raise StoryFailed("; ".join(broken))
    stage.done(t("every invariant holds on every node", "所有节点的全部不变量成立"))

"""The demo's chapters of tourists: points from a campaign, and an account whose phone is lost."""

import secrets
from dataclasses import replace

from cli.demo_acts import CUT, DAY, move
from cli.demo_market import request
from cli.demo_stage import Stage, StoryFailed
from cli.keystore import unlocked
from cli.language import t
from primitives.codes import Code
from primitives.kinds import AccountKey, ClassCreate, RecoveryStart
from primitives.kinds_campaigns import CampaignClaim, CampaignCreate, list_root, prove_entry
from primitives.kinds_identity import GuardiansSet, RecoveryApprove, RecoveryFinish

CAMPAIGN = "spring"
GUARDIANS = ("bob", "bus", "seafood")


def campaign(stage: Stage) -> None:
    """A budget and a list that nobody can read from the chain; who is on it claims once."""
    stage.chapter("A campaign", "营销活动")
    move(stage, stage.now + CUT + 8 * 3600)
    stage.act("museum", ClassCreate(class_id="gift", uv=10_000, validity_days=30))
    entries = [(stage.address("alice"), 500), (stage.address("bob"), 300)]
    body = CampaignCreate(CAMPAIGN, "gift", 800, 500, stage.now, stage.now + 30 * DAY, list_root(CAMPAIGN, entries))
    receipt = stage.act("museum", body)
    stage.done(t("museum promises 800 gift points to the people of its list; the chain holds only the list's root",
                 "museum 承诺向名单发放 800 gift，链上只存名单的根"), tx=receipt["tx"])  # fmt: skip
    proof = prove_entry(CAMPAIGN, entries, 0)
    stage.act("bob", CampaignClaim(CAMPAIGN, 500, proof), expect=Code.BAD_PROOF)
    stage.done(t("bob cannot take what is alice's (BAD_PROOF)", "bob 不能冒领 alice 的份额（BAD_PROOF）"))
    receipt = stage.act("alice", CampaignClaim(CAMPAIGN, 500, proof))
    stage.act("alice", CampaignClaim(CAMPAIGN, 500, proof), expect=Code.CLAIMED)
    stage.expect_spendable("alice", 7_490)
    stage.done(t("alice claims her 500, once (CLAIMED)", "alice 领取 500，仅限一次（CLAIMED）"), tx=receipt["tx"])


def lost_phone(stage: Stage) -> None:
    """Two of three guardians give the account another key; 72 hours in which the owner may object; nothing is lost."""
    stage.chapter("A lost phone", "手机丢失后的找回")
    alice = stage.people["alice"]
    guardians = tuple(stage.address(name) for name in GUARDIANS)
    stage.act("alice", GuardiansSet(guardians, 2))
    stage.done(t("alice had named three guardians, any two of whom can help",
                 "alice 事先指定三位监护人，任意两位可协助"))  # fmt: skip
    phone = unlocked(secrets.token_bytes(16))
    receipt = stage.act("bob", RecoveryStart(alice.address, (AccountKey(phone.key.public_key),), 1))
    stage.act("bus", RecoveryApprove(alice.address))
    stage.done(t("bob and bus vouch for the key of her new phone", "bob 与 bus 为其新手机的密钥担保"), tx=receipt["tx"])
    stage.act("bob", RecoveryFinish(alice.address), expect=Code.RECOVERY_DELAY)
    stage.done(t("72 hours must pass, in which the owner could object (RECOVERY_DELAY)",
                 "须等待 72 小时，期间原主可撤销（RECOVERY_DELAY）"))  # fmt: skip
    before = stage.balance("alice")["spendable"]
    move(stage, stage.now + 3 * DAY + 60)
    stage.act("bob", RecoveryFinish(alice.address))
    stage.act("alice", request(stage, "bus", "B-10", 490), expect=Code.BAD_SIGNATURE)
    stage.people["alice"] = replace(phone, address=alice.address)
    if stage.balance("alice")["spendable"] != before:
        raise StoryFailed("a recovery changed the balance")
    receipt = stage.act("alice", request(stage, "bus", "B-10", 490))
    stage.expect_spendable("alice", 7_000)
    stage.done(t("the old phone signs nothing any more (BAD_SIGNATURE); the new one pays, every point is there",
                 "旧手机的签名不再有效（BAD_SIGNATURE），新手机照常支付，积分分毫不少"), tx=receipt["tx"])  # fmt: skip

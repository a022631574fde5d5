"""The codes of the committee's proposals and of a merchant's admission, in Chinese and English."""

from typing import Final

from primitives.codes import Code

GOVERNANCE: Final[dict[Code, tuple[str, str, str, str]]] = {  # zh title, zh fix, en title, en fix
    Code.NOT_MEMBER: ("签名方不是治理委员会成员。", "由委员会成员签名，并满足其账户的签名门限。",
                      "The signer is no member of the committee.",
                      "Let a member sign, with as many keys as its account asks for."),
    Code.ALREADY_VOTED: ("该成员已对此提案表决。", "每位成员只有一票，不能更改。",
                         "This member has voted on the proposal.", "Each member votes once; a vote is not changed."),
    Code.THRESHOLD: ("参与率或赞成权重尚未达到门限。", "参与须达 60 %，赞成须超过已投权重的三分之二。",
                     "Participation or consent is below the threshold.",
                     "60 % must take part, and more than 2/3 of the weight cast must say yes."),
    Code.TIMELOCK: ("时间锁尚未结束。", "通过后须等待 24 小时，届时自动执行。",
                    "The timelock is running.", "It is carried out by itself 24 h after the thresholds were met."),
    Code.PROPOSAL_UNKNOWN: ("提案不存在，或已归档。", "查看 /v1/proposals。",
                            "There is no such proposal, or it is archived.", "See /v1/proposals."),
    Code.PROPOSAL_CLOSED: ("提案已结束表决或已执行。", "查看 /v1/proposals/{id} 的状态；需要时另行提案。",
                           "The proposal is decided.", "See its state under /v1/proposals/{id}; propose anew."),
    Code.BAD_PROPOSAL: ("提案内容不合规，或编号已被使用。", "按 detail 修改内容，或换一个编号。",
                        "The proposal is not allowed, or its id is taken.", "Change what the detail names."),
    Code.BAD_STATUS_CHANGE: ("商户不能由当前状态变更到该状态。", "查看 /v1/merchants/{id} 与状态表。",
                             "The merchant cannot go from its state to this one.",
                             "See /v1/merchants/{id} and the table of states."),
    Code.TOO_MANY_PROPOSALS: ("该成员的提案过多。", "等待已有提案结束并归档。",
                              "This member has too many proposals.", "Wait until some are decided and archived."),
    Code.MERCHANT_EXISTS: ("该账户已是商户，或已提交申请。", "查看 /v1/merchants/{id} 的状态。",
                           "The account is a merchant, or has applied.", "See its state under /v1/merchants/{id}."),
    Code.RECUSED: ("成员与此提案有利益关系，须回避。", "以 RECUSE 表决，由其他成员决定。",
                   "The member has an interest in the matter and must stand aside.",
                   "Vote RECUSE; the others decide."),
}  # fmt: skip

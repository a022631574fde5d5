"""The codes of regulatory sandboxes and of the emergency pause, in Chinese and English."""

from typing import Final

from primitives.codes import Code

SANDBOX: Final[dict[Code, tuple[str, str, str, str]]] = {  # zh title, zh fix, en title, en fix
    Code.SANDBOX_LIMIT: ("超出监管沙盒的范围：名单、人数、总额或期限。",
                         "查看 /v1/sandboxes/{id}；名单外账户须先登记。",
                         "Outside what the sandbox allows: its list, its number, its value or its time.",
                         "See /v1/sandboxes/{id}; an account takes part once its merchant has enrolled it."),
    Code.SANDBOX_UNKNOWN: ("没有这个监管沙盒，或其已归档。", "查看 /v1/sandboxes。",
                           "There is no such sandbox, or it is archived.", "See /v1/sandboxes."),
    Code.BAD_SANDBOX: ("沙盒内容不合规，或不是该商户进行中的沙盒。",
                       "按 detail 修改，或查看 /v1/sandboxes/{id} 的状态。",
                       "The sandbox is not set up as allowed, or is not a running one of this merchant.",
                       "Change what the detail names, or see its state under /v1/sandboxes/{id}."),
    Code.NETWORK_PAUSED: ("全网紧急暂停中，积分不流动。", "等待暂停结束，见 /v1/pause；退款、结算与治理照常。",
                          "An emergency pause is in force: no value moves.",
                          "Wait for its end, see /v1/pause; refunds, settlement and votes go on."),
    Code.BAD_PAUSE: ("暂停的期限不被允许，或当前没有（或已有）暂停。",
                     "监管方最长 72 小时；延长须由委员会追认，见 /v1/pause。",
                     "The pause is not allowed for so long, or there is none (or one already).",
                     "A regulator has 72 hours; the committee ratifies more. See /v1/pause."),
}  # fmt: skip

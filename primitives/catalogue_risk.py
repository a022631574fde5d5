"""The codes of risk alerts, in Chinese and English."""

from typing import Final

from primitives.codes import Code

RISK: Final[dict[Code, tuple[str, str, str, str]]] = {  # zh title, zh fix, en title, en fix
    Code.ALERT_UNKNOWN: ("没有这条风险预警，或已归档。", "查看 /v1/alerts 中的规则与主体。",
                         "There is no such alert, or it is archived.",
                         "See the rules and subjects listed under /v1/alerts."),
    Code.ALERT_CLOSED: ("该预警已处理。", "再次触发时会重新打开；查看 /v1/alerts。",
                        "The alert has been acknowledged.", "It opens again when its cause recurs; see /v1/alerts."),
}  # fmt: skip

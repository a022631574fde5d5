"""The codes of a merchant's life and of its keys, in Chinese and English: zh title, zh fix, en title, en fix."""

from typing import Final

from primitives.codes import Code

MERCHANTS: Final[dict[Code, tuple[str, str, str, str]]] = {
    Code.EXIT_PENDING: ("商户暂不能退出：公告期、积分、债权债务或可退订单尚未了结。",
                        "按 detail 所示了结或等待后再提案。",
                        "The merchant cannot leave yet: its notice, points, debts, claims or refundable orders remain.",
                        "Settle or wait for what the detail names, then propose it again."),
    Code.KEY_PROOF: ("新密钥没有签名证明由其持有人加入本账户。", "在新密钥的钱包执行 hnchain wallet key prove。",
                     "The new key has not signed that it joins this account.",
                     "Run hnchain wallet key prove in the wallet of the new key."),
}  # fmt: skip

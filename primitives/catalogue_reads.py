"""Texts of the codes of scoped reads: zh title, zh fix, en title, en fix."""

from typing import Final

from primitives.codes import Code

READS: Final[dict[Code, tuple[str, str, str, str]]] = {
    Code.READ_DENIED: ("节点只向有权者提供此数据。", "用 --as 指明有权查询的钱包：本人、交易对方、监管方或审计方。",
                       "This node shows this only to those whom it concerns.",
                       "Name a wallet that may read it with --as: the account's own, a party's, regulator or auditor."),
    Code.BAD_TICKET: ("查询凭条无效。", "用账户现有的密钥重新签发（有效期最长 1 小时），并核对本机时间。",
                      "The read ticket is not valid.",
                      "Sign a new one with a present key of the account, for at most 1 hour; check the clock."),
}  # fmt: skip

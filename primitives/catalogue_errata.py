"""The codes of errata, of the committee's own members, and of challenges, in Chinese and English."""

from typing import Final

from primitives.codes import Code

ERRATA: Final[dict[Code, tuple[str, str, str, str]]] = {  # zh title, zh fix, en title, en fix
    Code.ERRATA_BOUNDS: ("更正超出允许范围。", "detail 指明原因：上限、到期日、可用数量、对方或原交易的证明。",
                         "The erratum goes beyond its bounds.",
                         "The detail names which: the cap, the expiry, the units there are, a party, or the proof of "
                         "the original."),
    Code.ALREADY_APPLIED: ("该交易的这一次更正已经执行。", "查看 /v1/errata/{tx}；如需再次更正，使用下一个序号。",
                           "This erratum of the transaction was carried out already.",
                           "See /v1/errata/{tx}; a further one takes the next number."),
    Code.BAD_MEMBER: ("该账户不能担任此职务，或委员会将无法作出决定。",
                      "detail 指明原因；职务互斥，成员至少 3 名，单一成员权重不超过 40 %。",
                      "The account cannot hold this office, or the committee could not decide any more.",
                      "The detail says why; offices exclude each other, a committee has at least 3 members, and none "
                      "weighs more than 40 %."),
    Code.CHALLENGE_UNKNOWN: ("揭榜项目不存在，或已归档。", "查看 /v1/challenges。",
                             "There is no such challenge, or it is archived.", "See /v1/challenges."),
    Code.CHALLENGE_EXISTS: ("揭榜项目编号已被使用，或该商户已经揭榜。", "换一个编号；每个商户对同一项目只能揭榜一次。",
                            "The id of the challenge is taken, or the merchant has applied.",
                            "Choose another id; a merchant applies once."),
    Code.CHALLENGE_CLOSED: ("该项目当前阶段不接受此操作。", "detail 指明当前阶段；查看 /v1/challenges/{id} 的时间。",
                            "The challenge is not in the stage for this.",
                            "The detail names its stage; see its times under /v1/challenges/{id}."),
}  # fmt: skip

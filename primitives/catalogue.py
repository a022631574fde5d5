"""What every result code means and what to do next, in Chinese and English. One table; a test finds what is missing."""

from typing import Final, Literal, NamedTuple

from primitives.catalogue_assets import ASSETS
from primitives.catalogue_audit import AUDIT
from primitives.catalogue_errata import ERRATA
from primitives.catalogue_governance import GOVERNANCE
from primitives.catalogue_merchants import MERCHANTS
from primitives.catalogue_reads import READS
from primitives.catalogue_risk import RISK
from primitives.catalogue_sandbox import SANDBOX
from primitives.codes import Code

Language = Literal["zh", "en"]


class Entry(NamedTuple):
    """`title`: one sentence; `fix`: what the reader can do now."""

    title: str
    fix: str


_T = tuple[str, str, str, str]  # zh title, zh fix, en title, en fix

_ENVELOPE: Final[dict[Code, _T]] = {
    Code.OK: ("交易已提交。", "无需操作。", "The transaction is committed.", "Nothing to do."),
    Code.OK_DUPLICATE: ("相同的业务已提交过，未重复执行。", "以首笔交易的回执为准。",
                        "The same order was committed before; it was not applied again.", "Use the first receipt."),
    Code.DECODE: ("交易字节无法解析，或不是规范编码。", "用 hnchain tx build 重新生成交易。",
                  "The bytes are no transaction, or not its canonical form.", "Build it again with hnchain tx build."),
    Code.WRONG_CHAIN: ("交易属于另一条链。", "使用本网络的 genesis.json 重新签名。",
                       "The transaction is for another chain.", "Sign it again with this network's genesis.json."),
    Code.EXPIRED_TX: ("交易已过有效期。", "它不会再生效；请用新的有效期重新签名。",
                      "The transaction is past its valid_until.", "It is final: sign a new one with a later time."),
    Code.TTL_TOO_LONG: ("有效期超过允许的上限。", "交易有效期最多为 600 秒，付款请求最多为 24 小时。",
                        "The time of validity is beyond the limit.",
                        "Use at most 600 s for a transaction and 24 h for a payment request."),
    Code.BAD_SIGNATURE: ("有签名无法验证。", "检查签名密钥，并确认签名后内容未被修改。",
                         "A signature does not verify.", "Check the key, and that nothing changed after signing."),
    Code.DUPLICATE_TX: ("该交易编号已被接收。", "按编号查询结果，不要重新付款。",
                        "This transaction id was taken before.", "Ask for its result by id; do not pay again."),
    Code.POOL_FULL: ("节点的交易池已满。", "按 Retry-After 稍后原样重发。",
                     "The pool of this node is full.", "Send the same bytes again after Retry-After."),
    Code.SENDER_POOL_LIMIT: ("该发送方待处理的交易过多。", "等待已提交的交易完成后再发送。",
                             "Too many transactions of this sender are waiting.", "Wait until some are committed."),
    Code.KIND_DISABLED: ("此类交易未启用。", "查看 /v1/params 中的参数，或联系联盟运营方。",
                         "This kind of transaction is switched off.", "See /v1/params, or ask the operator."),
    Code.BAD_BATCH: ("批量交易含有不允许的操作，或数量不合规。", "只放入允许的操作，1 至 256 个。",
                     "The batch holds an operation that is not allowed, or too many or none.",
                     "Use 1 to 256 operations of the allowed kinds."),
    Code.RATE_LIMITED: ("来自此地址的请求过于频繁。", "按 Retry-After 放慢请求。",
                        "Too many requests from this address.", "Slow down; wait for Retry-After."),
    Code.TOO_LARGE: ("内容超过大小上限。", "拆分成更小的请求。",
                     "The content is over the size limit.", "Split it into smaller requests."),
    Code.NOT_READY: ("节点尚未就绪。", "稍后重试，或换一个节点；查看 /health。",
                     "The node is not ready.", "Try later or another node; see /health."),
}

_ACCOUNTS: Final[dict[Code, _T]] = {
    Code.ACCOUNT_UNKNOWN: ("账户不存在。", "检查地址；新账户须先由商户或运营方开户。",
                           "There is no such account.", "Check the address; a merchant or operator opens accounts."),
    Code.ACCOUNT_FROZEN: ("账户已被冻结。", "联系监管方或客服了解原因与期限。",
                          "The account is frozen.", "Ask the regulator for the reason and the end."),
    Code.KYC_REQUIRED: ("实名等级不足以完成此金额。", "提升实名等级后重试。",
                        "The account's verification tier does not allow this amount.", "Raise the tier, then retry."),
    Code.NOT_AUTHORISED: ("签名方无权执行此操作。", "使用具有相应角色的密钥签名，并满足签名门限。",
                          "The signers may not do this.", "Sign with keys of the right role, up to the threshold."),
    Code.KEY_LIMIT: ("超过该密钥的每日限额。", "换用其他密钥，或次日（北京时间）再试。",
                     "The key's daily limit is used up.", "Use another key, or wait for the next day (UTC+8)."),
    Code.ACCOUNT_EXISTS: ("账户已存在。", "直接使用该账户。", "The account exists already.", "Use it as it is."),
    Code.TOO_MANY_KEYS: ("密钥数量超过上限。", "一个账户最多 8 把密钥，先撤销不用的。",
                         "Too many keys.", "An account holds at most 8; revoke one first."),
    Code.LAST_KEY: ("不能移除最后的所有者密钥。", "先添加新的所有者密钥。",
                    "The last owner keys cannot be removed.", "Add another owner key first."),
    Code.BAD_KEY: ("公钥无效或不安全。", "重新生成密钥。",
                   "The public key is invalid or weak.", "Make a new key."),
    Code.KEY_EXISTS: ("账户已有此密钥。", "无需重复添加。", "The account has this key.", "Nothing to add."),
    Code.KEY_UNKNOWN: ("账户没有此密钥。", "用 /v1/accounts/{address} 查看现有密钥。",
                       "The account has no such key.", "See its keys under /v1/accounts/{address}."),
    Code.NOT_ATTESTER: ("签名方不是实名认证机构。", "由认证机构签名。",
                        "The signer is no attester.", "Let an attester sign."),
    Code.NOT_REGULATOR: ("签名方不是监管方。", "由监管方签名。",
                         "The signer is no regulator.", "Let the regulator sign."),
    Code.SPONSOR_LIMIT: ("担保方当日开户数已达上限。", "次日再试，或由其他商户担保。",
                         "The sponsor opened its daily number of accounts.", "Wait a day or ask another sponsor."),
    Code.BAD_THRESHOLD: ("签名门限与密钥或守护人的数量不符。", "门限须在 1 与所有者密钥数（或守护人数）之间。",
                         "The threshold does not fit the keys or the guardians.",
                         "Use 1 up to the number of owner keys, or of guardians."),
    Code.NOT_GUARDIAN: ("签名方不是该账户的守护人。", "由账户现任的守护人签名；账户不能做自己的守护人。",
                        "The signer is no guardian of this account.",
                        "Let one of its present guardians sign; an account cannot guard itself."),
    Code.RECOVERY_DELAY: ("找回尚未满足条件：同意人数不足，或 72 小时未满。",
                          "查看 /v1/accounts/{address}/recovery 中的时间。",
                          "The recovery is not ready: too few approvals, or 72 hours have not passed.",
                          "See when it will be under /v1/accounts/{address}/recovery."),
    Code.RECOVERY_UNKNOWN: ("没有这样的找回申请。", "它可能已完成、撤销或过期；查看 /v1/accounts/{address}/recovery。",
                            "There is no such recovery.",
                            "It may be finished, cancelled or lapsed; see /v1/accounts/{address}/recovery."),
    Code.RECOVERY_OPEN: ("已有找回申请，须先区分或撤回。", "指明要同意的一份，或先用 recovery_cancel 撤回自己的同意。",
                         "A recovery is open already.",
                         "Name the one that you approve, or take your approval back with recovery_cancel."),
    Code.NO_GUARDIANS: ("账户没有守护人。", "游客账户可由运营方与委员会成员共同找回。",
                        "The account has no guardians.",
                        "An operator and a committee member together can recover a tourist's account."),
    Code.ALREADY_APPROVED: ("该守护人已同意过。", "等待其他守护人同意。",
                            "This guardian has approved already.", "Wait for the others."),
}

_AMOUNTS: Final[dict[Code, _T]] = {
    Code.BAD_AMOUNT: ("金额不合规。", "使用大于零的整数，不含符号、小数点或前导零。",
                      "The amount is not allowed.", "Use a whole number above 0: no sign, point or leading zero."),
    Code.OVERFLOW: ("金额超出可表示的范围。", "使用更小的金额。",
                    "The amount is beyond what can be represented.", "Use a smaller one."),
    Code.INSUFFICIENT: ("可用积分不足。", "查看 /v1/accounts/{address} 的可用余额。",
                        "Not enough spendable points.", "See what is spendable under /v1/accounts/{address}."),
    Code.AMOUNT_TOO_SMALL: ("金额过小，换不到一个单位。", "增加兑换数量。",
                            "The amount is too small to give one unit.", "Exchange more."),
    Code.LOT_EXPIRED: ("该批积分已过期。", "查看 /expiring 了解到期日。",
                       "These points have expired.", "See /expiring for the dates."),
    Code.MIN_OUT: ("换得数量低于所设下限。", "重新询价后调整下限。",
                   "The exchange gives less than min_out.", "Ask for a new quote and adjust it."),
    Code.SCOPE_DENIED: ("积分不适用于该商户类别。", "改用其他积分，或到适用的商户使用。",
                        "These points are not valid for this category of merchant.", "Use others, or elsewhere."),
    Code.CLASS_PAUSED: ("该积分类别已暂停。", "待暂停结束后再试。",
                        "This class of points is paused.", "Wait until the pause ends."),
    Code.TRANSFER_DISABLED: ("不允许转让。", "该积分类别或网络未开放转让。",
                             "Transfers are not allowed.", "The class or the network does not permit them."),
    Code.SELF_TRANSFER: ("不能转让给自己。", "检查收款地址。",
                         "Sender and recipient are the same.", "Check the recipient."),
    Code.VELOCITY: ("超过当日额度。", "次日（北京时间）再试。",
                    "The daily allowance is used up.", "Wait for the next day (UTC+8)."),
    Code.HOLDER_LIMIT: ("持有人的积分将超过上限。", "先使用部分积分。",
                        "The holder would have more than the limit.", "Spend some first."),
    Code.EXCHANGE_DISABLED: ("该类别当前不可兑换。", "换其他类别，或等待下一结算周期。",
                             "This class cannot be exchanged now.", "Choose another, or the next window."),
}

_ISSUERS: Final[dict[Code, _T]] = {
    Code.CLASS_UNKNOWN: ("积分类别不存在。", "查看 /v1/classes。", "There is no such class.", "See /v1/classes."),
    Code.BAD_CLASS: ("积分类别的设置不合规。", "检查单位价值、有效期与兑换方向。",
                     "The class is not set up as allowed.", "Check unit value, validity and direction."),
    Code.CLASS_EXISTS: ("积分类别编号已被使用。", "换一个编号。", "The class id is taken.", "Choose another."),
    Code.NOT_ISSUER: ("签名方不是该类别的发行商户。", "由发行商户的发行密钥签名。",
                      "The signer is not the issuer of this class.", "Sign with an issuer key of the merchant."),
    Code.MERCHANT_SUSPENDED: ("商户当前状态不允许此操作。", "查看 /v1/merchants/{id} 的状态。",
                              "The merchant's state does not allow this.", "See its state under /v1/merchants/{id}."),
    Code.RESERVE_EXCEEDED: ("发行将超过准备金允许的上限。", "增加并证明准备金，或等待结算完成。",
                            "The issuer's cap from its reserve is exceeded.",
                            "Raise and attest the reserve, or wait for settlement."),
    Code.QUOTA_EXCEEDED: ("超过本期发行额度。", "等待下一期，或申请提高额度。",
                          "The issue quota of this period is used up.", "Wait for the next, or ask for more."),
    Code.EARN_CAP: ("积分与消费金额之比超过上限。", "减少积分，或核对消费金额。",
                    "Too many points for the amount paid.", "Issue fewer, or check cash_value."),
    Code.ISSUER_RESERVE_EXHAUSTED: ("发行商户的准备金不足以兑付。", "改用其他商户的积分。",
                                    "The issuer's reserve does not cover these points.", "Use another issuer's."),
    Code.STALE_ATTESTATION: ("准备金证明早于现有证明。", "提交更新的证明。",
                             "The attestation is older than the one on record.", "Send a newer one."),
    Code.MERCHANT_UNKNOWN: ("商户不存在。", "查看 /v1/merchants。", "There is no such merchant.", "See /v1/merchants."),
    Code.PROGRAM_ENDED: ("计划已结束，不再发行。", "联系运营方。",
                         "The programme has ended.", "Ask the operator."),
    Code.ORDER_MAXIMUM: ("超过单笔订单的积分上限。", "减少数量。",
                         "More units than one order may have.", "Use fewer."),
    Code.CAMPAIGN_UNKNOWN: ("活动不存在或已归档。", "查看 /v1/campaigns。",
                            "There is no such campaign, or it is archived.", "See /v1/campaigns."),
    Code.CAMPAIGN_EXISTS: ("活动编号已被使用。", "换一个编号。", "The campaign id is taken.", "Choose another."),
    Code.CAMPAIGN_BUDGET: ("超过活动的总预算或单户上限。", "查看 /v1/campaigns/{id} 的剩余额度，减少数量。",
                           "Beyond the campaign's budget or what one account may get.",
                           "See what is left under /v1/campaigns/{id}, and grant fewer units."),
    Code.CLAIMED: ("本活动的积分已领取过。", "每个账户只能领取一次，查看账户余额。",
                   "The account has claimed its points of this campaign.", "Once per account; see its balance."),
    Code.CLAIM_CLOSED: ("活动尚未开始、已结束或已关闭。", "查看 /v1/campaigns/{id} 的起止时间。",
                        "The campaign has not begun, is over, or was closed.",
                        "See its times under /v1/campaigns/{id}."),
    Code.BAD_PROOF: ("证明与活动名单不符。", "核对账户、数量与活动编号，向发放商户索取正确的证明。",
                     "The proof does not fit the campaign's list.",
                     "Check account, units and campaign, or ask the merchant for the proof."),
    Code.BATCH_TOO_LARGE: ("一次批量发放超过 256 个账户。", "分成多笔发放。",
                           "More than 256 accounts in one batch.", "Send several batches."),
    Code.BATCH_DUPLICATE: ("批量发放中同一账户出现两次。", "合并该账户的数量。",
                           "An account stands twice in the batch.", "Put its units together."),
    Code.BAD_CAMPAIGN: ("活动的设置不合规。", "检查起止时间与积分类别。",
                        "The campaign is not set up as allowed.", "Check its times and its class."),
}

_ORDERS: Final[dict[Code, _T]] = {
    **ASSETS,
    Code.IDEMPOTENCY_CONFLICT: ("同一订单号已用于不同内容。", "新业务请使用新的订单号。",
                                "The order id was used for something else.", "Use a new order id for a new order."),
    Code.ORDER_UNKNOWN: ("订单不存在或已归档。", "核对商户与订单号。",
                         "There is no such order, or it is archived.", "Check merchant and order id."),
    Code.REVERSAL_EXCEEDS: ("撤销数量超过可撤销部分。", "查看订单的剩余数量。",
                            "More is reversed than is left.", "See what the order has left."),
    Code.REQUEST_EXPIRED: ("付款请求已过期。", "请商户重新出示二维码。",
                           "The payment request has expired.", "Ask the merchant for a new one."),
    Code.STATIC_QR_LIMIT: ("超过静态码当日限额。", "请商户出示动态付款码。",
                           "Over the daily limit of static codes.", "Ask for a dynamic code."),
    Code.TOKEN_USED: ("付款码已被使用。", "刷新付款码。", "The pay code was used.", "Show a new one."),
    Code.TOKEN_EXPIRED: ("付款码已过期。", "刷新付款码。", "The pay code has expired.", "Show a new one."),
    Code.TOKEN_CAP: ("超过付款码允许的金额、时限或商户。", "按付款码的限制出示新的付款码。",
                     "Beyond the pay code's amount, time or merchant.", "Show a new code with the right bounds."),
    Code.HOLD_NOT_OPEN: ("预授权已不再有效。", "查看 /v1/holds/{id} 的状态。",
                         "The hold is no longer open.", "See its state under /v1/holds/{id}."),
    Code.CAPTURE_EXCEEDS_HOLD: ("扣款超过预授权金额。", "按预授权金额以内扣款。",
                                "The capture is above the hold.", "Capture at most the held value."),
    Code.HOLD_LIMIT: ("未完成的预授权过多。", "先完成或撤销部分预授权。",
                      "Too many open holds.", "Capture or void some first."),
    Code.REFUND_EXCEEDS: ("退款超过可退金额。", "查看订单已退金额。",
                          "More is refunded than is left.", "See what was refunded already."),
    Code.REFUND_WINDOW: ("已过退款期限。", "与顾客另行协商。",
                         "The time for refunds is over.", "Settle it outside the network."),
    Code.RETURN_WINDOW: ("已过撤销期限。", "与顾客另行协商。",
                         "The time for reversals is over.", "Settle it outside the network."),
    Code.HOLD_UNKNOWN: ("预授权不存在。", "核对编号。", "There is no such hold.", "Check its id."),
    Code.BAD_TTL: ("预授权时长不合规。", "使用 60 秒至 30 天。",
                   "The time of the hold is not allowed.", "Use 60 s to 30 days."),
    Code.WINDOW_STATE: ("结算窗口的状态不允许此操作。", "查看 /v1/windows/{id}。",
                        "The window's state does not allow this.", "See /v1/windows/{id}."),
    Code.NOT_PARTY: ("签名方不是此笔结算的当事方。", "由付款方或收款方签名。",
                     "The signer is no party of this leg.", "Let the payer or payee sign."),
    Code.LEG_STATE: ("此笔结算的状态不允许此操作。", "查看 /v1/windows/{id} 中的状态。",
                     "The leg's state does not allow this.", "See its state under /v1/windows/{id}."),
    Code.WINDOW_UNKNOWN: ("结算窗口不存在。", "查看 /v1/windows。", "There is no such window.", "See /v1/windows."),
    Code.LEG_UNKNOWN: ("没有这笔结算。", "查看 /v1/windows/{id}。", "There is no such leg.", "See /v1/windows/{id}."),
    Code.MEMO_TOO_LONG: ("备注过长。", "最多 128 字节（约 42 个汉字）。",
                         "The memo is too long.", "Use at most 128 bytes."),
    Code.MEMO_CHARSET: ("备注含有不允许的字符。", "去掉控制字符与方向控制符。",
                        "The memo holds characters that are not allowed.", "Remove control characters."),
    Code.MEMO_PII: ("备注疑似含个人信息。", "去掉身份证号或手机号。",
                    "The memo seems to hold personal data.", "Remove id and telephone numbers."),
}

_OUTSIDE: Final[dict[Code, _T]] = {
    Code.LEDGER_DAMAGED: ("账本数据损坏。", "停止节点，用 hnchain node verify 检查，从备份或其他节点恢复。",
                          "The ledger is damaged.", "Stop; run hnchain node verify; restore or resync."),
    Code.DISK_FULL: ("磁盘已满。", "释放空间后重新启动，数据未受影响。",
                     "The disk is full.", "Free space and start again; nothing was half applied."),
    Code.PORT_TAKEN: ("端口已被占用。", "关闭占用的进程，或改用其他端口。",
                      "The port is taken.", "End its holder, or choose another port."),
    Code.DIRECTORY_LOCKED: ("数据目录正被另一进程使用。", "先停止该进程。",
                            "Another process uses the data directory.", "Stop that process first."),
    Code.WRONG_GENESIS: ("genesis 与网络或数据目录不符。", "使用正确的 genesis.json。",
                         "This genesis does not fit the network or the directory.", "Use the right genesis.json."),
    Code.NODE_UNREACHABLE: ("无法连接节点。", "检查地址与网络，或换一个节点。",
                            "The node cannot be reached.", "Check address and network, or try another node."),
    Code.BAD_REQUEST: ("请求格式不正确。", "按 /docs 中的说明修改请求。",
                       "The request is not well formed.", "See /docs."),
    Code.NOT_FOUND: ("没有找到。", "核对路径与编号。", "There is no such thing.", "Check path and id."),
    Code.KEYSTORE_LOCKED: ("密钥库无法打开。", "检查口令；文件损坏时用助记词恢复。",
                           "The keystore does not open.", "Check the passphrase, or restore from the words."),
    Code.BAD_PROOF_FILE: ("证明文件无效。", "不要采信；重新向节点索取。",
                          "The proof does not hold.", "Do not trust it; fetch it again."),
    Code.USAGE: ("命令用法不正确。", "加 --help 查看示例。", "The command is used wrongly.", "See --help."),
    Code.OUTCOME_UNKNOWN: ("在限定时间内没有结果，交易可能仍会提交。", "用编号查询；过有效期仍未提交即为最终失败。",
                           "No outcome in time; it may still be committed.",
                           "Ask again by id; past its valid_until it is final."),
    Code.PRUNED: ("该节点已清理此高度之前的历史。", "向保留完整历史的节点查询，或使用自己保存的回执证明。",
                  "This node has pruned the history below a height.",
                  "Ask a node that keeps everything, or use the receipt proof that you kept."),
    Code.NO_SNAPSHOT: ("该节点没有可提供的快照。", "在该节点运行 hnchain node snapshot，或换一个节点。",
                       "This node has no snapshot to give.", "Run hnchain node snapshot there, or ask another node."),
    Code.BAD_SNAPSHOT: ("快照与已认证的区块头不符，未写入任何数据。", "换一个节点重新获取；不要采信此来源。",
                        "The snapshot is not what the certified header says; nothing was written.",
                        "Fetch it from another node; do not trust this source."),
    Code.LYING_NODE: ("节点的回答与法定人数签署的证明不符。", "不要采信该节点；改用其他节点，并通知联盟运营方。",
                      "The node's answer contradicts what a quorum of validators signed.",
                      "Do not believe it: use another node, and tell the operator."),
    Code.NOT_VALIDATOR: ("该节点目前不在验证者名单中。", "把交易发给验证者节点；加入名单见运维手册。",
                         "This node has no seat in the validator set.",
                         "Send to a validator; the operations manual says how to join."),
    Code.BAD_BOOKS: ("账册文件的某一行无法读取。", "按 hnchain audit reconcile --help 中的列名与金额格式更正该行。",
                     "A line of the books cannot be read.",
                     "Correct it: hnchain audit reconcile --help names columns and amounts."),
}  # fmt: skip

_GOVERNANCE: Final[dict[Code, _T]] = {
    Code.VALIDATOR_UNKNOWN: ("名单中没有这个验证者，或密钥不是它当前的密钥。", "用 /v1/validators 核对名称与密钥。",
                             "There is no such validator, or the key is not its present one.",
                             "Check name and key with /v1/validators."),
    Code.VALIDATOR_EXISTS: ("名称、投票密钥或传输证书已被占用。", "换用新的名称与密钥。",
                            "The name, the voting key or the transport certificate is taken.",
                            "Use a new name and new keys."),
    Code.TOO_FEW_VALIDATORS: ("变更后验证者将少于 4 个。", "先加入新的验证者，再移除旧的。",
                              "The change would leave fewer than 4 validators.", "Add a new one first, then remove."),
    Code.TOO_MANY_VALIDATORS: ("变更后验证者将超过 22 个。", "先移除一个，或使用 validator_replace。",
                               "The change would make more than 22 validators.",
                               "Remove one first, or use validator_replace."),
    Code.TOO_MANY_CHANGES: ("一次最多更换 f 个现任验证者。", "等当前变更生效（新纪元）后再提交。",
                            "At most f present members may go or change keys at once.",
                            "Wait until the pending change has taken effect in a new epoch."),
    Code.BAD_VALIDATOR: ("验证者的密钥、证书或地址不合规。", "用 hnchain node init 重新生成，并核对 host:port。",
                         "The validator's key, certificate or address is not valid.",
                         "Make them again with hnchain node init, and check host:port."),
}  # fmt: skip

_TABLE: Final[dict[Code, _T]] = {
    **_ENVELOPE, **_ACCOUNTS, **READS, **_AMOUNTS, **_ISSUERS, **MERCHANTS, **_ORDERS, **_GOVERNANCE,
    **GOVERNANCE, **ERRATA, **RISK, **SANDBOX, **_OUTSIDE, **AUDIT,
}  # fmt: skip


def explain(code: int, language: Language) -> Entry:
    """Title and fix of a code. A number that this release does not know: one entry that says so."""
    found = _TABLE.get(code)  # type: ignore[call-overload]  # an IntEnum member equals its number
    if found is None:
        if language == "zh":
            return Entry("此版本不认识该代码。", "升级软件后查看。")
        return Entry("This release does not know the code.", "Upgrade, then look again.")
    return Entry(found[0], found[1]) if language == "zh" else Entry(found[2], found[3])


def known_codes() -> frozenset[Code]:
    """The codes that have an entry: all of them (a test)."""
    return frozenset(_TABLE)

"""The codes of hash evidence and digital assets, in Chinese and English."""

from typing import Final

from primitives.codes import Code

ASSETS: Final[dict[Code, tuple[str, str, str, str]]] = {  # zh title, zh fix, en title, en fix
    Code.ASSET_UNKNOWN: ("没有这项数字资产，或其登记已到期。", "查看 /v1/assets/{id}；到期后须重新登记。",
                         "There is no such asset, or its registration has ended.",
                         "See /v1/assets/{id}; after its end it is registered anew."),
    Code.ASSET_EXISTS: ("资产编号已被登记。", "换一个编号；权属有争议时联系监管方。",
                        "The asset id is registered already.",
                        "Choose another; a dispute about rights goes to the regulator."),
    Code.ASSET_LOCKED: ("资产存在争议，已被监管方锁定。", "等待监管方解除锁定。",
                        "The asset is disputed and locked by a regulator.", "Wait until the regulator unlocks it."),
    Code.NOT_OWNER: ("签名方不是该资产的持有人。", "查看 /v1/assets/{id} 的持有人。",
                     "The signer does not own the asset.", "See its owner under /v1/assets/{id}."),
    Code.NOT_FOR_SALE: ("该资产当前没有挂出价格。", "由持有资产的商户先用 asset_offer 报价。",
                        "No price is posted for the asset.", "The merchant that owns it posts one with asset_offer."),
    Code.PRICE_CHANGED: ("价格与所同意的不同。", "查看新价格，同意后重新签名。",
                         "The price is not the one agreed to.", "Look at the new price; sign again if you agree."),
    Code.ANCHOR_EXISTS: ("此哈希在该领域已存证。", "以首次存证的交易凭证为准。",
                         "This hash is anchored in the namespace already.",
                         "The receipt of the first anchor is the evidence."),
    Code.BAD_NAMESPACE: ("领域名称不合规。", "用小写字母和数字的词，以 - . _ / 连接，最多 32 字符。",
                         "The namespace is not allowed.",
                         "Use words of small letters and digits joined by - . _ /, at most 32, e.g. elderly-care."),
    Code.PAYLOAD_TOO_LARGE: ("只接受 32 字节的哈希，不接受内容本身。", "计算内容的 SHA-256，只提交哈希。",
                             "Only a hash of 32 bytes is taken, never the content.",
                             "Hash the content with SHA-256 and send that."),
}  # fmt: skip

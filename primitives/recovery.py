"""How a recovery is named: by what it would do, so that whoever approves one by its name needs no node's word."""

from primitives.codec import encode
from primitives.hashing import TAG_RECOVERY, Digest, tagged_hash
from primitives.kinds import AccountKey


def recovery_id(account: bytes, keys: tuple[AccountKey, ...], threshold: int) -> Digest:
    """The recovery that gives the account these keys, in this order, `threshold` of the owner keys signing together."""
    return tagged_hash(TAG_RECOVERY, encode((account, keys, threshold)))

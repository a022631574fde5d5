"""The two files of a campaign: the merchant's list, and the proof that it hands to each listed account."""

import csv
from pathlib import Path
from typing import Any, Final

import msgspec

from cli.language import t
from cli.network import Network
from cli.verdicts import usage
from cli.wallets import resolve
from primitives.address import encode_address
from primitives.codec import Identifier, Malformed
from primitives.json_form import BadAmount, from_plain, read_amount, to_plain
from primitives.keys import Address
from primitives.kinds_campaigns import CampaignClaim, Entry, LeafProof, prove_entry

LIST_BYTES_MAX: Final = 64 * 1024 * 1024
PROOF_BYTES_MAX: Final = 16 * 1024


class ProofFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As JSON. `proof`: the JSON form of a LeafProof."""

    campaign: Identifier
    account: str
    units: int | str
    proof: dict[str, Any]


def read_list(path: Path, network: Network) -> list[Entry]:
    """The entries of a CSV file in its order: an address or a name, then units; lines with # in front are comments.

    Raises: Refusal (exit 2) with the number of the first line that is none, or names an account a second time.
    """
    entries: list[Entry] = []
    seen: set[bytes] = set()
    for number, row in enumerate(csv.reader(_text(path, LIST_BYTES_MAX).splitlines()), 1):
        if not row or row[0].startswith("#"):
            continue
        try:
            name, units = (cell.strip() for cell in row)
            entry = (resolve(name, network), read_amount(units, "units"))
        except ValueError as error:
            raise usage(f"{path}:{number}: " + t("expected ACCOUNT,UNITS", "应为 账户,数量")) from error
        if entry[0] in seen or not entry[1]:
            raise usage(f"{path}:{number}: " + t("an account twice, or 0 units", "账户重复，或数量为 0"))
        seen.add(entry[0])
        entries.append(entry)
    if not entries:
        raise usage(f"{path}: " + t("no entry", "没有条目"))
    return entries


def proof_plain(campaign: str, entries: list[Entry], account: Address) -> Any:
    """The proof file of an account; Refusal (exit 2) if the list does not name it."""
    for index, (listed, units) in enumerate(entries):
        if listed == account:
            proof = to_plain(prove_entry(campaign, entries, index))
            return {"campaign": campaign, "account": encode_address(account), "units": units, "proof": proof}
    raise usage(t(f"{encode_address(account)} is not in the list", f"名单中没有 {encode_address(account)}"))


def read_claim(path: Path, account: Address) -> CampaignClaim:
    """The claim of a proof file. Raises: Refusal (exit 2) for a file that is none, or is another account's."""
    try:
        found = msgspec.json.decode(_text(path, PROOF_BYTES_MAX), type=ProofFile)
        claim = CampaignClaim(found.campaign, read_amount(found.units, "units"), from_plain(LeafProof, found.proof))
    except (msgspec.DecodeError, Malformed, BadAmount) as error:
        raise usage(f"{path}: {error}") from error
    if found.account != encode_address(account):
        raise usage(t(f"the proof is for {found.account}", f"该证明属于 {found.account}"), "--as NAME")
    return claim


def _text(path: Path, limit: int) -> str:
    try:
        raw = path.read_bytes()
        if len(raw) > limit:
            raise usage(t(f"{path}: {len(raw)} bytes, limit {limit}", f"{path}：{len(raw)} 字节，上限 {limit}"))
        return raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"{path}: {error}") from error

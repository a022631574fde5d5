"""`hnchain audit bundle`: proven receipts in a file that a court, a bank or another auditor checks without a node."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from cli.as_of import AsOf, read_as_of, read_second
from cli.audit_history import read_proven
from cli.language import example, t
from cli.network import Network, home, read_genesis, with_network
from cli.output import answer, day_text, pairs, say, table, with_output
from cli.outsider import Outsider
from cli.receipts import proven_plain, proven_proof, write_file
from cli.statement_rows import NO_TRANSACTION
from cli.trust_options import open_outsider
from cli.trust_store import FOLDER, TrustStore
from cli.verdicts import Refusal, Verdict, usage
from cli.wallets import Signer, resolve, with_signer
from primitives.address import encode_address
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.evidence_bundle import (
    BUNDLE_BYTES_MAX,
    MATTER_CHARS_MAX,
    RECEIPTS_MAX,
    ProvenBundle,
    build_bundle,
    is_plain,
    verify_bundle,
)
from primitives.genesis import Genesis, chain_id
from primitives.handover import Handover
from primitives.json_form import from_plain
from primitives.keys import Address, PublicKey, address_of
from primitives.kinds import kind_of
from primitives.light_client import TrustedEpochs
from primitives.receipt_form import receipt_to_plain

Plain = Any
ID_DIGITS: Final = 64


@click.group(help=t("Signed evidence bundles: made from proofs, verified offline.",
                    "签名的证据包：由凭证生成，可离线核验。"),
             epilog=example("hnchain audit bundle verify case.hnbundle --genesis genesis.json"))  # fmt: skip
def bundle() -> None:
    pass


@bundle.command(help=t("Put the proven receipts of transactions, or of an account's history, into one signed file.",
                       "把若干交易或某账户全部流水的凭证装入一个签名文件。"),
                epilog=example("hnchain audit bundle make --account alice --matter 'case 7' --to case.hnbundle "
                               "--as auditor"))  # fmt: skip
@click.option("--tx", "ids", metavar="TX", multiple=True,
              help=t("A transaction's id; may be repeated.", "交易编号，可重复。"))  # fmt: skip
@click.option("--account", "party", metavar="PARTY", help=t("All receipts that name it.", "涉及该账户的全部回执。"))
@click.option("--since", metavar="DATE", help=t("With --account: from here on.", "与 --account 合用：起始日期。"))
@click.option("--as-of", "as_of", metavar="DATE|HEIGHT", help=t("With --account: up to here.",
                                                                "与 --account 合用：截止。"))  # fmt: skip
@click.option("--matter", default="", metavar="TEXT", help=t("What it is for; signed too.", "事由，一并签名。"))
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, metavar="FILE",
              help=t("A new file.", "新文件。"))  # fmt: skip
@with_network
@with_signer
@with_output
def make(
    ids: tuple[str, ...], party: str | None, since: str | None, as_of: str | None, matter: str, target: Path,
    network: Network, signer: Signer,
) -> int:  # fmt: skip
    if bool(ids) == (party is not None) or (party is None and (since or as_of)):
        raise usage(t("--tx or --account, and dates with --account only",
                      "--tx 与 --account 二选一，日期仅与 --account 合用"))  # fmt: skip
    if len(matter) > MATTER_CHARS_MAX or not is_plain(matter):
        raise usage(t(f"--matter: at most {MATTER_CHARS_MAX} printable characters",
                      f"--matter：至多 {MATTER_CHARS_MAX} 个可显示字符"))  # fmt: skip
    outsider = open_outsider(network)
    wanted = _checked(ids) if party is None else _of_account(outsider, network, party, since, as_of)
    proofs = list(_proofs(outsider, wanted))
    opened = signer.unlock()
    raw = build_bundle(outsider.trusted.chain_id, int(time.time()), matter, opened.address, opened.key,
                       _handovers(outsider, network), proofs)  # fmt: skip
    found = verify_bundle(raw, outsider.genesis)  # what leaves this machine was checked as its reader will
    write_file(target, raw)
    answer({"file": str(target), "bytes": len(raw), "receipts": len(found.receipts), **outsider.plain()},
           f"{target}  {len(raw)} B  {t('receipts', '回执')} {len(found.receipts)}")  # fmt: skip
    return int(Verdict.REJECTED if any(one.kind == "lying" for one in outsider.distrusted) else Verdict.DONE)


def _checked(ids: Sequence[str]) -> list[str]:
    for id in ids:
        if len(id) != ID_DIGITS or any(digit not in "0123456789abcdef" for digit in id):
            raise usage(t(f"{id[:80]!r} is no transaction's id", f"{id[:80]!r} 不是交易编号"))
    return list(dict.fromkeys(ids))


def _of_account(
    outsider: Outsider, network: Network, party: str, since: str | None, as_of: str | None
) -> list[str]:
    """Ids of what names the account between the moments. Raises: Refusal if there is nothing."""
    client = network.client()
    start = 0 if since is None else read_second(since, last=False)
    moment = AsOf(2**62) if as_of is None else read_as_of(as_of, client)
    told = read_proven(outsider, client, resolve(party, network))
    found = [item["tx"] for item in told.receipts if item["tx"] != NO_TRANSACTION
             and item["time_ms"] // 1000 >= start and moment.holds(item)]  # fmt: skip
    if not found:
        raise Refusal(Verdict.REJECTED, Code.NOT_FOUND, t("no receipt names it then", "该期间没有相关回执"))
    return found


def _proofs(outsider: Outsider, ids: Sequence[str]) -> Iterator[bytes]:
    if len(ids) > RECEIPTS_MAX:
        raise usage(t(f"{len(ids)} receipts, limit {RECEIPTS_MAX} in one bundle",
                      f"{len(ids)} 笔回执，单个证据包上限 {RECEIPTS_MAX}"))  # fmt: skip
    for number, id in enumerate(ids, 1):
        yield proven_proof(outsider, id)[0]
        if number % 100 == 0:
            say(f"{number}/{len(ids)}")


def _handovers(outsider: Outsider, network: Network) -> list[Handover]:
    """Of every epoch up to the newest that a proof here needs, from genesis on."""
    client, found = network.client(), list[Handover]()
    while len(found) < outsider.trusted.epoch:
        page = client.get("/v1/handovers", **{"from": len(found)})["handovers"]
        if not page:
            detail = t(f"it has no handovers from epoch {len(found)} on", f"缺少纪元 {len(found)} 起的交接记录")
            raise Refusal(Verdict.UNKNOWN, Code.NOT_READY, detail)
        found += [from_plain(Handover, item) for item in page]
    return found[: outsider.trusted.epoch]


@bundle.command(help=t("Check a bundle with nothing but genesis.json: every receipt, the manifest, the signature.",
                       "仅凭 genesis.json 核验证据包：每笔回执、清单与签名。"),
                epilog=example("hnchain audit bundle verify case.hnbundle --genesis genesis.json"))  # fmt: skip
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--genesis", "genesis_path", type=click.Path(path_type=Path), required=True, metavar="FILE",
              help=t("The network's genesis.json.", "网络的 genesis.json。"))  # fmt: skip
@click.option("--signer", "expected", metavar="KEY|ADDRESS",
              help=t("Who must have signed: a key in hex, or its first address.", "应由谁签名：十六进制公钥或其地址。"))
@with_output
def verify(file: Path, genesis_path: Path, expected: str | None) -> None:
    genesis = read_genesis(genesis_path)
    found = read_bundle(file, genesis)
    key = PublicKey(found.manifest.key)
    if expected is not None and expected not in (key.hex(), encode_address(address_of(key))):
        detail = t(f"signed by {key.hex()}, not by {expected[:80]}", f"签名方为 {key.hex()}，并非 {expected[:80]}")
        raise Refusal(Verdict.REJECTED, Code.BAD_BUNDLE, detail, file=str(file))
    plain = bundle_plain(found)
    answer(plain, bundle_text(found, plain))


def read_bundle(file: Path, genesis: Genesis) -> ProvenBundle:
    """The proven content of a file. Raises: Refusal, exit 2 if there is none, 1 BAD_BUNDLE if it does not hold."""
    try:
        with open(file, "rb") as stream:
            raw = stream.read(BUNDLE_BYTES_MAX + 1)
    except OSError as error:
        raise usage(f"{file}: {error.strerror}") from error
    record = TrustStore(home() / FOLDER).record(chain_id(genesis))  # of this machine, if it ever asked this network
    try:
        return verify_bundle(raw, genesis, TrustedEpochs(genesis, record))
    except Malformed as error:
        raise Refusal(Verdict.REJECTED, Code.BAD_BUNDLE, str(error), file=str(file)) from error


def bundle_plain(found: ProvenBundle) -> Plain:
    """Everything that the bundle proves; every receipt as `receipt verify` gives it.

    `account` is what the holder of `key` says of himself; it is proven where the key is the one that opened it. An
    account with newer keys, or somebody else's name: no file tells, so `account_proven` is false for both.
    """
    manifest = found.manifest
    return {
        "verified": True, "matter": manifest.matter, "made": manifest.made,
        "account": encode_address(Address(manifest.account)), "key": manifest.key.hex(),
        "account_proven": manifest.account == address_of(PublicKey(manifest.key)),
        "chain_id": manifest.chain_id.hex(), "receipts": [proven_plain(proven) for proven in found.receipts],
    }  # fmt: skip


def bundle_text(found: ProvenBundle, plain: Plain) -> str:
    """The same for people."""
    rows = [
        (day_text(proven.time_ms // 1000), f"{proven.receipt.height}.{proven.receipt.index}",
         kind_of(proven.transaction.envelope.body), receipt_to_plain(proven.receipt)["code"],
         f"{len(proven.signers)}/{proven.members}", proven.receipt.tx.hex()[:16])
        for proven in found.receipts
    ]  # fmt: skip
    headers = (t("time (UTC+8)", "时间（北京时间）"), t("position", "位置"), t("kind", "类型"), t("code", "结果"),
               t("certified by", "证书签名"), t("transaction", "交易"))  # fmt: skip
    claimed = "" if plain["account_proven"] else t("  (unproven: ask it for its key)", "（未经证明，请向其核对密钥）")
    return f"✓ {t('the bundle is genuine', '证据包真实完整')}\n" + pairs([
        (t("matter", "事由"), plain["matter"]), (t("made (UTC+8)", "生成时间（北京时间）"), day_text(plain["made"])),
        (t("signed for", "签名账户"), plain["account"] + claimed), (t("with key", "签名密钥"), plain["key"]),
        (t("chain id", "链编号"), plain["chain_id"]),
    ]) + "\n" + table(headers, rows)  # fmt: skip

"""Receipt files: fetch one from a node, and prove one with nothing but genesis.json."""

import os
from pathlib import Path

import click
import msgspec

from cli.language import example, t
from cli.network import Network, home, read_genesis, with_network
from cli.output import answer, day_text, pairs, say, with_output
from cli.outsider import Outsider
from cli.proven_reads import read_receipt
from cli.trust_options import open_outsider, with_trust
from cli.trust_store import FOLDER, TrustStore
from cli.verdicts import Refusal, Verdict, usage
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.genesis import chain_id
from primitives.json_form import transaction_to_plain
from primitives.kinds import kind_of
from primitives.light_client import TrustedEpochs
from primitives.proof import PROOF_BYTES_MAX, ProvenReceipt, verify_receipt_proof
from primitives.receipt_form import receipt_to_plain


@click.group(help=t("Receipts that prove themselves.", "可自证的凭证。"),
             epilog=example("hnchain wallet receipt verify r.hnproof --genesis genesis.json"))  # fmt: skip
def receipt() -> None:
    pass


@receipt.command(help=t("Download the proof file of a transaction, named by its id or by a receipt's JSON.",
                        "下载交易的凭证文件，参数为交易编号或回执 JSON 文件。"),
                 epilog=example("hnchain wallet receipt save TX --to r.hnproof"))  # fmt: skip
@click.argument("tx", metavar="TX|FILE")
@click.option("--to", "target", type=click.Path(path_type=Path), metavar="FILE",
              help=t("Default: the id's first 16 digits.", "默认以交易编号前 16 位命名。"))  # fmt: skip
@with_network
@with_trust
@with_output
def save(tx: str, target: Path | None, network: Network, outsider: Outsider | None) -> None:
    identity = _identity(tx)
    path = target or Path(f"{identity[:16]}.hnproof")
    raw = download_proof(network, identity) if outsider is None else proven_proof(outsider, identity)[0]
    write_file(path, raw)
    more = {} if outsider is None else outsider.plain()
    answer({"file": str(path), "bytes": len(raw), "tx": identity, **more}, f"{path}  {len(raw)} B")


def proven_proof(outsider: Outsider, tx: str) -> tuple[bytes, ProvenReceipt]:
    """The proof file of the first node whose file proves this transaction. Raises: Refusal; see Outsider.gather."""
    try:
        return outsider.gather(lambda node: read_receipt(outsider, node, tx), enough=1)[0].value
    except Refusal as refusal:
        if refusal.code == Code.NOT_READY:
            refusal.more["tx"] = tx
        raise


def _identity(source: str) -> str:
    """The transaction's id: the text itself, or "tx" of a receipt's JSON in a file."""
    text = source
    if os.path.isfile(source):
        try:
            plain = msgspec.json.decode(Path(source).read_bytes())
            text = plain["tx"] if isinstance(plain, dict) and isinstance(plain.get("tx"), str) else ""
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise usage(f"{source}: {error}") from error
    if len(text) != 64 or any(char not in "0123456789abcdef" for char in text):
        raise usage(t(f"{source[:80]!r} is neither a transaction's id nor a file with a receipt",
                      f"{source[:80]!r} 既不是交易编号，也不是凭证文件"))  # fmt: skip
    return text


def keep_proof(network: Network, tx: str, path: Path) -> None:
    """Save the proof of what was just committed. A failure is only said: the transaction stands all the same."""
    try:
        write_file(path, proven_proof(open_outsider(network), tx)[0])
        say(t(f"receipt saved: {path}", f"凭证已保存：{path}"))
    except Refusal as refusal:
        say(t(f"committed, but the receipt is not saved ({refusal.detail}); later: hnchain wallet receipt save {tx}",
              f"已上链，但凭证未保存（{refusal.detail}）；稍后：hnchain wallet receipt save {tx}"))  # fmt: skip


def download_proof(network: Network, tx: str) -> bytes:
    """The proof file's bytes. Raises: Refusal (exit 1) if there is no such receipt, or no certified header yet."""
    raw = network.client().download(f"/v1/transactions/{tx}/proof")
    if raw is None:
        detail = t("no executed transaction has this id", "没有此编号的已执行交易")
        raise Refusal(Verdict.REJECTED, Code.NOT_FOUND, detail, tx=tx)
    return raw


def write_file(path: Path, raw: bytes) -> None:
    """A new file, durable; Refusal (exit 2) if it is there already."""
    try:
        with open(path, "xb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise usage(f"{path}: {error.strerror}") from error


@receipt.command(help=t("Prove a receipt file; no node, no network.", "离线核验凭证文件，无需节点与网络。"),
                 epilog=example("hnchain wallet receipt verify r.hnproof --genesis genesis.json"))  # fmt: skip
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--genesis", "genesis_path", type=click.Path(path_type=Path), required=True, metavar="FILE",
              help=t("The network's genesis.json.", "网络的 genesis.json。"))  # fmt: skip
@with_output
def verify(file: Path, genesis_path: Path) -> None:
    genesis = read_genesis(genesis_path)
    try:
        with open(file, "rb") as stream:
            raw = stream.read(PROOF_BYTES_MAX + 1)
    except OSError as error:
        raise usage(f"{file}: {error.strerror}") from error
    record = TrustStore(home() / FOLDER).record(chain_id(genesis))  # of this machine, if it ever asked this network
    try:
        proven = verify_receipt_proof(raw, genesis, TrustedEpochs(genesis, record))
    except Malformed as error:
        raise Refusal(Verdict.REJECTED, Code.BAD_PROOF_FILE, str(error), file=str(file)) from error
    answer(proven_plain(proven), proven_text(proven))


def proven_plain(proven: ProvenReceipt) -> dict[str, object]:
    """Everything that the proof proves."""
    return {
        "verified": True,
        "receipt": receipt_to_plain(proven.receipt),
        "transaction": transaction_to_plain(proven.transaction),
        "block_hash": proven.block_hash.hex(),
        "time_ms": proven.time_ms,
        "epoch": proven.epoch,
        "certified_height": proven.certified_height,
        "signers": list(proven.signers),
        "members": proven.members,
    }


def proven_text(proven: ProvenReceipt) -> str:
    """The same for people: who certified, what was done, and what came of it."""
    receipt_plain = receipt_to_plain(proven.receipt)
    envelope = proven.transaction.envelope
    signed = t("certified by", "已由") + f" {len(proven.signers)}/{proven.members}"
    return f"✓ {t('the receipt is genuine', '凭证真实')}\n" + pairs([
        (t("validators", "验证者"), f"{signed} ({', '.join(proven.signers)})"),
        (t("position", "位置"), f"{proven.receipt.height}.{proven.receipt.index}"),
        (t("time (UTC+8)", "时间（北京时间）"), day_text(proven.time_ms // 1000)),
        (t("transaction", "交易"), proven.receipt.tx.hex()),
        (t("kind", "类型"), kind_of(envelope.body)),
        (t("outcome", "结果"), f"{receipt_plain['status']} {receipt_plain['code']}"),
        *((event["kind"], ", ".join(f"{k}={v}" for k, v in event.items() if k != "kind"))
          for event in receipt_plain["events"]),
    ])  # fmt: skip

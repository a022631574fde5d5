"""`hnchain tx`: any kind of transaction as JSON, step by step, on different machines if need be."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from cli.amounts import DURATION, HEX
from cli.client import Signed
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, say, with_output
from cli.outsider import Outsider
from cli.proven_reads import read_outcome
from cli.receipts import download_proof, proven_proof, write_file
from cli.submission import NONCE_BYTES, Sending, block_time, outcome, receipt_text, report, with_sending
from cli.trust_options import with_trust
from cli.verdicts import Refusal, Verdict, usage
from cli.wallets import Signer, resolve, with_signer
from primitives.address import encode_address
from primitives.codec import Malformed, decode_canonical, decoder, encode
from primitives.codes import Code
from primitives.json_form import (
    BadAmount,
    body_from_plain,
    envelope_from_plain,
    transaction_from_plain,
    transaction_to_plain,
)
from primitives.keys import Address
from primitives.kinds import Body, kind_of
from primitives.proof import ReceiptProof
from primitives.receipt_form import receipt_to_plain
from primitives.transaction import (
    TRANSACTION_BYTES_MAX,
    VALIDITY_SECONDS_MAX,
    Decoded,
    Envelope,
    KeySignature,
    Transaction,
    decode_transaction,
    transaction_id,
)

FILE_BYTES_MAX = 1024 * 1024
T = TypeVar("T")


@click.group(help=t("Any transaction as JSON.", "以 JSON 处理任意交易。"),
             epilog=t("Example: hnchain tx build issue issue.json --sender hotel | hnchain tx sign - --as hotel "
                      "| hnchain tx submit -",
                      "示例：hnchain tx build issue issue.json --sender hotel | hnchain tx sign - --as hotel "
                      "| hnchain tx submit -"))  # fmt: skip
def tx() -> None:
    pass


@tx.command(help=t("An unsigned transaction from a body in JSON (FILE or - for stdin).",
                   "由 JSON 内容（文件或 -）生成未签名交易。"),
            epilog=example("hnchain tx build issue issue.json --sender hotel"))  # fmt: skip
@click.argument("kind")
@click.argument("file")
@click.option("--sender", required=True, help=t("Address or name.", "地址或名称。"))
@click.option("--valid-for", type=DURATION, default="5m", show_default=True, help=t("At most 600s.", "最多 600s。"))
@with_network
@with_output
def build(kind: str, file: str, sender: str, valid_for: int, network: Network) -> None:
    if valid_for > VALIDITY_SECONDS_MAX:
        raise usage(t(f"a transaction is valid for at most {VALIDITY_SECONDS_MAX} s",
                      f"交易有效期最多 {VALIDITY_SECONDS_MAX} 秒"))  # fmt: skip
    body = guarded(lambda: body_from_plain(kind, read_json(file), "$"))
    plain = unsigned_transaction(network, sender, body, valid_for)
    answer(plain, msgspec.json.encode(plain).decode())


def unsigned_transaction(
    network: Network, sender: str, body: Body, valid_for: int
) -> dict[str, Any]:  # fmt: skip
    """The JSON form without signatures of a fresh transaction, valid from now on."""
    valid_until = block_time(network.client()) + valid_for
    return unsigned_plain(
        Envelope(network.chain_id(), resolve(sender, network), os.urandom(NONCE_BYTES), valid_until, body)
    )


@tx.command(help=t("Add a wallet's signature to a transaction (FILE or -).", "为交易（文件或 -）添加签名。"),
            epilog=example("hnchain tx sign tx.json --as hotel"))  # fmt: skip
@click.argument("file")
@with_network
@with_signer
@with_output
def sign(file: str, network: Network, signer: Signer) -> None:
    add_signature(file, signer)


def add_signature(file: str, signer: Signer) -> None:
    """The transaction of a file with the wallet's signature beside those that it has, on stdout."""
    plain = read_json(file)
    given = plain.pop("signatures", []) if isinstance(plain, dict) else []
    envelope = guarded(lambda: envelope_from_plain(plain))
    opened = signer.unlock()
    pair = KeySignature(opened.key.public_key, opened.key.sign(transaction_id(envelope)))
    signed = transaction_to_plain(Transaction(envelope, (pair,)))
    own = signed["signatures"]
    signed["signatures"] = [*(item for item in given if item.get("key") != own[0]["key"]), *own]
    answer(signed, msgspec.json.encode(signed).decode())


@tx.command(help=t("Send a signed transaction: JSON or canonical bytes (FILE or -). Sending it again is safe.",
                   "发送已签名交易：JSON 或规范字节（文件或 -），重复发送是安全的。"),
            epilog=example("hnchain tx submit tx.json"))  # fmt: skip
@click.argument("file")
@with_network
@with_sending
@with_output
def submit(file: str, network: Network, sending: Sending) -> None:
    submit_file(file, network, sending)


def submit_file(file: str, network: Network, sending: Sending) -> None:
    """Send the signed transaction of a file and report its outcome."""
    decoded = read_transaction(file)
    envelope = decoded.transaction.envelope
    signed = Signed(decoded.raw, decoded.id.hex(), envelope.valid_until)
    say(f"{kind_of(envelope.body)} {signed.id}")
    receipt = outcome(network, signed, sending)
    report(receipt, envelope.body, signed.id)


@tx.command(help=t("What became of a transaction.", "查询交易结果。"),
            epilog=example("hnchain tx show ID"))  # fmt: skip
@click.argument("id", metavar="ID", type=HEX)
@click.option("--valid-until", type=int, help=t("Of the transaction: lets a node say that it expired.",
                                                "交易的有效期。"))
@with_network
@with_trust
@with_output
def show(id: bytes, valid_until: int | None, network: Network, outsider: Outsider | None) -> int:
    plain = None if outsider is None else _proven_outcome(outsider, id.hex(), valid_until)
    if plain is None:
        plain = network.client().get(f"/v1/transactions/{id.hex()}", valid_until=valid_until)
    receipt = plain.get("receipt")
    text = f"{plain['status']}  {id.hex()}"
    if receipt is not None and plain["status"] == "committed":
        text = receipt_text(receipt, "tx")
    elif receipt is not None:
        text = f"✗ {plain['status']} {receipt['code']} {receipt['detail']}  {receipt['height']}.{receipt['index']}"
    answer(plain, text)
    final = {"committed": Verdict.DONE, "rejected": Verdict.REJECTED, "expired": Verdict.REJECTED}
    return int(final.get(plain["status"], Verdict.UNKNOWN))


def _proven_outcome(outsider: Outsider, id: str, valid_until: int | None) -> Any:
    """None if no node shows a receipt, so that there is nothing to prove. Raises: Refusal LYING_NODE."""
    try:
        reading = outsider.gather(lambda node: read_outcome(outsider, node, id, valid_until), enough=1)[0]
    except Refusal as refusal:
        if refusal.code == Code.NOT_READY:
            return None
        raise
    return reading.value | outsider.plain()


@tx.command(help=t("Show a receipt's proof; --to saves the file that verifies.", "显示凭证；--to 保存可核验文件。"),
            epilog=example("hnchain tx proof ID --to r.hnproof"))  # fmt: skip
@click.argument("id", metavar="ID", type=HEX)
@click.option("--to", "target", type=click.Path(path_type=Path), metavar="FILE", help=t("Save it here.",
                                                                                        "保存到此文件。"))
@with_network
@with_trust
@with_output
def proof(id: bytes, target: Path | None, network: Network, outsider: Outsider | None) -> None:
    raw = download_proof(network, id.hex()) if outsider is None else proven_proof(outsider, id.hex())[0]
    found = decode_canonical(decoder(ReceiptProof), raw)
    if target is not None:
        write_file(target, raw)
    plain = {
        "tx": id.hex(), "bytes": len(raw), "receipt": receipt_to_plain(found.receipt), "index": found.index,
        "count": found.count, "path": [digest.hex() for digest in found.path],
        "heights": [header.height for header in found.headers], "signers": found.certificate.signers.bit_count(),
        "file": str(target) if target else None,
    }  # fmt: skip
    answer(plain, "\n".join(f"{key}: {value}" for key, value in plain.items() if key != "receipt"))


def read_json(source: str) -> Any:
    """The JSON of a file, or of stdin for "-". Raises: Refusal (exit 2)."""
    try:
        return msgspec.json.decode(read_bytes(source))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise usage(f"{source}: {error}") from error


def read_bytes(source: str) -> bytes:
    """At most 1 MiB of a file or of stdin. Raises: Refusal (exit 2)."""
    try:
        if source == "-":
            raw = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            with open(source, "rb") as stream:
                raw = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise usage(f"{source}: {error.strerror}") from error
    if len(raw) > FILE_BYTES_MAX:
        raise usage(t(f"{source}: over {FILE_BYTES_MAX} bytes", f"{source}：超过 {FILE_BYTES_MAX} 字节"))
    return raw


def read_transaction(source: str) -> Decoded:
    """A signed transaction in either form. Raises: Refusal (exit 2, or 1 for an amount that no rule allows)."""
    raw = read_bytes(source)
    if raw[:1].isspace() or raw[:1] == b"{":
        try:
            plain = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise usage(f"{source}: {error}") from error
        raw = encode(guarded(lambda: transaction_from_plain(plain)))
    if len(raw) > TRANSACTION_BYTES_MAX:
        raise usage(t(f"{len(raw)} bytes, limit {TRANSACTION_BYTES_MAX}",
                      f"{len(raw)} 字节，上限 {TRANSACTION_BYTES_MAX}"))
    return guarded(lambda: decode_transaction(raw))


def unsigned_plain(envelope: Envelope) -> dict[str, Any]:
    """The JSON form without signatures, with the id that is signed."""
    pair = KeySignature(bytes(32), bytes(64))
    plain: dict[str, Any] = transaction_to_plain(Transaction(envelope, (pair,)))
    del plain["signatures"]
    assert plain["sender"] == encode_address(Address(envelope.sender)), "the JSON form names the sender"
    return plain


def guarded(read: Callable[[], T]) -> T:
    """What `read` makes of outside input. Raises: Refusal, exit 2, or 1 for an amount that no rule allows."""
    try:
        return read()
    except BadAmount as error:
        raise Refusal(Verdict.REJECTED, Code.BAD_AMOUNT, str(error)) from error
    except (Malformed, OverflowError) as error:
        raise Refusal(Verdict.USAGE, Code.DECODE, str(error)) from error

"""Payment requests and pay codes as people pass them on: a JSON file, JSON text, or the text of a QR code.

The QR text is unpadded base64url of the canonical bytes: about 330 characters for a request.
"""

import base64
import os
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from cli.language import t
from cli.verdicts import usage
from primitives.codec import Malformed, Record, decode_canonical, decoder, encode
from primitives.json_form import from_plain, to_plain
from primitives.keys import Address, SigningKey
from primitives.kinds import PayCode, PaymentRequest
from primitives.transaction import pay_code_digest, request_digest

TEXT_CHARS_MAX: Final = 4096
NO_SIGNATURE: Final = bytes(64)
R = TypeVar("R", bound=Record)


def qr_text(record: Record) -> str:
    """What stands in the QR code."""
    return base64.urlsafe_b64encode(encode(record)).rstrip(b"=").decode()


def read_request(source: str) -> PaymentRequest:
    """The request of a file's path, JSON text or QR text. Raises: Refusal (exit 2)."""
    return _read(PaymentRequest, source)


def read_pay_code(source: str) -> PayCode:
    """The pay code of a file's path, JSON text or QR text. Raises: Refusal (exit 2)."""
    return _read(PayCode, source)


def _read(of: type[R], source: str) -> R:
    text = source.strip()
    if os.path.isfile(text):  # False, not an error, for a text that cannot be a path
        text = Path(text).read_text(encoding="utf-8", errors="replace").strip()
    if len(text) > TEXT_CHARS_MAX:
        raise usage(t(f"{len(text)} characters, limit {TEXT_CHARS_MAX}", f"{len(text)} 个字符，上限 {TEXT_CHARS_MAX}"))
    try:
        if text.startswith("{"):
            plain: Any = msgspec.json.decode(text)
            inner = plain.get("request", plain) if isinstance(plain, dict) else plain
            fields = {key: value for key, value in inner.items() if key != "qr"}
            return from_plain(of, fields)
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return decode_canonical(decoder(of), raw)
    except (Malformed, msgspec.DecodeError, ValueError, AttributeError) as error:
        what = t("neither a file nor a payment text", "既不是文件，也不是有效的付款文本")
        raise usage(f"{what}: {text[:40]!r}: {error}") from error


def sign_request(
    chain_id: bytes, merchant: Address, key: SigningKey, order_id: str | None, value: int, expires_at: int,
    terminal: str | None = None,
) -> PaymentRequest:  # fmt: skip
    """A signed request; without an order it is static and carries no value (D18)."""
    static = order_id is None
    request = PaymentRequest(
        merchant, order_id, 0 if static else value, expires_at, key.public_key, NO_SIGNATURE, terminal, static
    )
    return msgspec.structs.replace(request, sig=key.sign(request_digest(chain_id, request)))


def sign_pay_code(
    chain_id: bytes, account: Address, key: SigningKey, max_value: int, expires_at: int, merchant: Address | None
) -> PayCode:
    """A one-time pay code; its number is random, so that two devices of one account do not collide."""
    seq = int.from_bytes(os.urandom(7), "big")
    code = PayCode(account, key.public_key, seq, max_value, expires_at, NO_SIGNATURE, merchant)
    return msgspec.structs.replace(code, sig=key.sign(pay_code_digest(chain_id, code)))


def payment_plain(record: Record) -> dict[str, Any]:
    """The JSON form with the QR text beside it."""
    return {**to_plain(record), "qr": qr_text(record)}


def qr_picture(text: str) -> str:
    """The code in half-block characters for a terminal."""
    import io

    import segno

    stream = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(stream, compact=True)
    return stream.getvalue()

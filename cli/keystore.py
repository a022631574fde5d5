"""One encrypted file per wallet: Argon2id over the passphrase, then XChaCha20-Poly1305 over the phrase's bytes (T29).

The whole header is associated data, so no field of it can be changed. Python cannot wipe memory reliably: a secret
stays in the process until it ends.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from nacl import bindings
from nacl.exceptions import CryptoError

from cli.phrase import derive_key
from cli.verdicts import keystore_refused, usage
from primitives.address import encode_address
from primitives.codec import encode
from primitives.hashing import tagged_hash
from primitives.keys import Address, SigningKey, address_of

FORMAT: Final = 1
KEYSTORE_BYTES_MAX: Final = 16 * 1024
PASSPHRASE_BYTES_MAX: Final = 1024 * 1024
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 24
MEBIBYTE: Final = 1024 * 1024
TAG_KEYSTORE: Final = b"hn/keystore"


class KdfParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """Argon2id with one lane. Bounds: below is too weak to open in good faith, above is a trap for memory and time."""

    passes: Annotated[int, msgspec.Meta(ge=2, le=16)] = 3
    memory_bytes: Annotated[int, msgspec.Meta(ge=19 * MEBIBYTE, le=1024 * MEBIBYTE)] = 64 * MEBIBYTE


STANDARD: Final = KdfParameters()
LIGHT: Final = KdfParameters(passes=2, memory_bytes=19 * MEBIBYTE)  # demo wallets, whose passphrase is public


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The readable part of a keystore file, bound to the ciphertext byte for byte."""

    format: Literal[1]
    kdf: Literal["argon2id"]
    passes: Annotated[int, msgspec.Meta(ge=2, le=16)]
    memory_bytes: Annotated[int, msgspec.Meta(ge=19 * MEBIBYTE, le=1024 * MEBIBYTE)]
    cipher: Literal["xchacha20-poly1305"]
    address: str
    salt: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    nonce: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{48}$")]


class KeystoreFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    header: Header
    ciphertext: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64}|[0-9a-f]{96})$")]


@dataclass(frozen=True, slots=True)
class Unlocked:
    """An opened wallet. `entropy` are the bytes of its recovery phrase; `address` is the key's own, or adopted."""

    address: Address
    key: SigningKey
    entropy: bytes

    def __repr__(self) -> str:
        return f"Unlocked({encode_address(self.address)})"


def unlocked(entropy: bytes) -> Unlocked:
    """The wallet of a recovery phrase's bytes."""
    key = derive_key(entropy)
    return Unlocked(address_of(key.public_key), key, entropy)


def seal(wallet: Unlocked, passphrase: bytes, kdf: KdfParameters = STANDARD) -> KeystoreFile:
    """The encrypted file of a wallet under a fresh salt and nonce."""
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    header = Header(1, "argon2id", kdf.passes, kdf.memory_bytes, "xchacha20-poly1305",
                    encode_address(address_of(wallet.key.public_key)), salt.hex(), nonce.hex())  # fmt: skip
    key = _stretch(passphrase, salt, kdf)
    raw = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(wallet.entropy, _bound(header), nonce, key)
    return KeystoreFile(header, raw.hex())


def unseal(file: KeystoreFile, passphrase: bytes) -> Unlocked:
    """The opened wallet.

    Raises: Refusal with exit 5 for a wrong passphrase or any damage; always after the full cost of the KDF (K01).
    """
    header = file.header
    key = _stretch(passphrase, bytes.fromhex(header.salt), KdfParameters(header.passes, header.memory_bytes))
    try:
        entropy = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            bytes.fromhex(file.ciphertext), _bound(header), bytes.fromhex(header.nonce), key
        )
    except CryptoError as error:
        raise keystore_refused() from error
    wallet = unlocked(entropy)
    if encode_address(wallet.address) != header.address:
        raise keystore_refused()
    return wallet


def write_keystore(path: Path, file: KeystoreFile) -> None:
    """Writes a new file of mode 0600 in a folder of mode 0700, durable before it returns.

    Raises: Refusal (exit 2) if the file is there already: a wallet is never overwritten.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise usage(f"{path}: exists") from error
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def replace_keystore(path: Path, file: KeystoreFile) -> None:
    """Puts another encryption of the same wallet in place of the old file; a crash leaves the one or the other."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    write_keystore(fresh, file)
    os.replace(fresh, path)


def read_keystore(path: Path) -> KeystoreFile:
    """The file, checked in form only.

    Raises: Refusal, exit 2 if there is none, exit 5 if it is damaged or its parameters are out of bounds.
    """
    try:
        with open(path, "rb") as stream:
            raw = stream.read(KEYSTORE_BYTES_MAX + 1)
    except OSError as error:
        raise usage(f"{path}: {error.strerror}") from error
    try:
        return msgspec.json.decode(raw, type=KeystoreFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise keystore_refused() from error


def _bound(header: Header) -> bytes:
    return tagged_hash(TAG_KEYSTORE, encode(msgspec.structs.astuple(header)))


def _stretch(passphrase: bytes, salt: bytes, kdf: KdfParameters) -> bytes:
    try:
        return bytes(bindings.crypto_pwhash_alg(
            32, passphrase, salt, kdf.passes, kdf.memory_bytes, bindings.crypto_pwhash_ALG_ARGON2ID13
        ))  # fmt: skip
    except (CryptoError, MemoryError) as error:
        raise keystore_refused() from error

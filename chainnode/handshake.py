"""Who may connect: mutual TLS 1.3 with the certificates of genesis, then one greeting in each direction (T21).

A validator's transport key is not its voting key (T17). Its self-signed certificate stands in genesis; both sides trust
exactly those certificates and compare the presented one byte for byte, so no certificate authority has a say.
"""

import logging
import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from chainnode.peer_messages import Hello, RefusalCode
from chainnode.wire import Frame, FrameClass, encode_frame
from primitives.codec import Malformed, decode_canonical, decoder, encode
from primitives.validators import OBSERVER, NodeId, ValidatorSet

LOG: Final = logging.getLogger(__name__)

PROTOCOL_VERSION: Final = 1  # major version: nodes with different ones refuse each other (T35)
VERSION_BYTES: Final = 2

# The wall clock has no say in who may connect: a node with a wrong clock must still be able to sync.
_NOT_BEFORE: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NOT_AFTER: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

_HELLO: Final = decoder(Hello)


@dataclass(frozen=True, slots=True)
class TransportIdentity:
    """A node's transport key: `certificate` (DER) goes into genesis, `key_pem` (PKCS 8) into a file of mode 0600."""

    certificate: bytes
    key_pem: bytes

    def __repr__(self) -> str:
        return f"TransportIdentity({sha256(self.certificate).hexdigest()[:16]}...)"  # never the key


class HandshakeRefused(Exception):
    """One side closed the door; `code` says why, `by_peer` which side."""

    def __init__(self, code: RefusalCode, text: str, by_peer: bool = False) -> None:
        super().__init__(f"{'refused by peer' if by_peer else 'refused'}: {code.name}: {text}")
        self.code: Final = code
        self.text: Final = text
        self.by_peer: Final = by_peer


def create_identity(name: str, seed: bytes) -> TransportIdentity:
    """The Ed25519 key of a 32-byte seed and its self-signed certificate; equal arguments give equal bytes."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes_raw()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name[:40]} {sha256(public).hexdigest()[:16]}")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(sha256(b"serial" + public).digest()[:16], "big") | 1)
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    certificate = builder.sign(key, None).public_bytes(Encoding.DER)
    return TransportIdentity(certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def identity_of(name: str, key_pem: bytes) -> TransportIdentity:
    """The identity of a node's key file; the certificate is a function of name and key. Raises: ValueError."""
    key = load_pem_private_key(key_pem, None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"a {type(key).__name__}")
    return create_identity(name, key.private_bytes_raw())


def _context(protocol: int, identity: TransportIdentity, trusted: Iterable[bytes]) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.check_hostname = False  # names prove nothing here: the certificate itself is compared
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    _accept(context, trusted)
    with tempfile.TemporaryDirectory() as folder:  # mode 0700; the ssl module reads keys from files only
        path = Path(folder) / "transport.pem"
        path.touch(mode=0o600)
        path.write_bytes(identity.key_pem + ssl.DER_cert_to_PEM_cert(identity.certificate).encode())
        context.load_cert_chain(path)
    return context


def _accept(context: ssl.SSLContext, certificates: Iterable[bytes]) -> None:
    """One by one: the rules only look at a certificate's first byte, and what is no certificate must keep nobody but
    its own member out."""
    for certificate in certificates:
        try:
            context.load_verify_locations(cadata=certificate)
        except (ssl.SSLError, ValueError) as error:
            LOG.warning("a member's transport certificate is none, it cannot connect: %s", error)


def trust(context: ssl.SSLContext, members: ValidatorSet) -> None:
    """Accept the certificates of these members too. Nothing is taken away: who may come in is compared anew in every
    greeting, byte for byte (node_of_certificate)."""
    _accept(context, (member.transport_certificate for member in members.members()))


def server_context(identity: TransportIdentity, members: ValidatorSet) -> ssl.SSLContext:
    """TLS 1.3 only, a client certificate is demanded, no tickets: every connection proves its key again."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, identity, (m.transport_certificate for m in members.members()))
    context.num_tickets = 0
    return context


def client_context(identity: TransportIdentity, members: ValidatorSet) -> ssl.SSLContext:
    """The same for the side that dials."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, identity, (m.transport_certificate for m in members.members()))


def node_of_certificate(members: ValidatorSet, certificate: bytes | None) -> NodeId | None:
    """The member whose transport certificate these DER bytes are; None if there is no such member."""
    for node in members.nodes:
        if certificate is not None and members.at(node).transport_certificate == certificate:
            return node
    return None


def encode_hello(hello: Hello, version: int = PROTOCOL_VERSION) -> bytes:
    """The greeting's frame. The version stands bare in front, so that any later form of the rest can still be refused
    with VERSION instead of MALFORMED."""
    return encode_frame(FrameClass.CONTROL, version.to_bytes(VERSION_BYTES, "big") + encode(hello))


def check_hello(frame: Frame, me: NodeId, chain_id: bytes, peer: NodeId) -> Hello:
    """The greeting of `peer`, the node that its certificate proved.

    Raises: HandshakeRefused, with the first of MALFORMED, VERSION, CHAIN, SELF, UNKNOWN_NODE that applies.
    """
    if frame.frame_class != FrameClass.CONTROL or len(frame.payload) <= VERSION_BYTES:
        raise HandshakeRefused(RefusalCode.MALFORMED, f"class {frame.frame_class} before the greeting")
    version = int.from_bytes(frame.payload[:VERSION_BYTES], "big")
    if version != PROTOCOL_VERSION:
        raise HandshakeRefused(RefusalCode.VERSION, f"protocol version {version}, this node speaks {PROTOCOL_VERSION}")
    try:
        hello = decode_canonical(_HELLO, frame.payload[VERSION_BYTES:])
    except Malformed as error:
        raise HandshakeRefused(RefusalCode.MALFORMED, str(error)[:150]) from error
    if hello.chain_id != chain_id:
        text = f"chain {hello.chain_id.hex()[:16]}, this node is on {chain_id.hex()[:16]}"
        raise HandshakeRefused(RefusalCode.CHAIN, text)
    if peer == me or (hello.node == me and me != OBSERVER):
        raise HandshakeRefused(RefusalCode.SELF, f"node {me} called itself, or its keys are in use twice")
    if hello.node not in (peer, OBSERVER):  # one that is behind does not know its seat yet
        raise HandshakeRefused(RefusalCode.UNKNOWN_NODE, f"greets as node {hello.node} with the certificate of {peer}")
    return hello

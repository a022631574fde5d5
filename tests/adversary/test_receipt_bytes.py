"""A receipt file proves itself with genesis.json alone, and no other byte sequence proves anything."""

import http.client
from pathlib import Path

import msgpack
import pytest
from click.testing import CliRunner

from cli.main import build
from cli.verdicts import Refusal
from primitives.codec import Malformed, decoder, encode
from primitives.codes import Code
from primitives.genesis import Genesis
from primitives.kinds import BatchOperations, Issue, Transfer
from primitives.proof import ReceiptProof, verify_receipt_proof
from primitives.transaction import decode_transaction
from tests.integration.local_network import PEOPLE_KEYS, Network, SigningKey, address_of


def proof_of(network: Network, raw: bytes) -> bytes:
    """Of a transaction that is executed, from another node than the one that took it."""
    line = network.submit(network.places[0], [raw])[0]
    assert line["height"] is not None, line
    connection = http.client.HTTPConnection("127.0.0.1", network.places[2].http_port, timeout=30)
    try:
        connection.request("GET", f"/v1/transactions/{line['id']}?timeout_ms=9000")
        connection.getresponse().read()
        connection.request("GET", f"/v1/transactions/{line['id']}/proof?timeout_ms=9000")
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def proofs(network: Network) -> list[bytes]:
    """Of a committed issue, of a rejected transfer (its receipt has a detail), and of one of many in a block."""
    bob = address_of(PEOPLE_KEYS["bob"].public_key)
    rejected = network.sign("alice", Transfer("hotel", 1, bob))
    two = tuple(Issue("hotel", bob, 1, f"proof-{n}", "EARN", 100) for n in range(2))
    crowd = [network.issue(f"crowd-{n}") for n in range(40)]
    network.submit(network.places[1], crowd)
    raws = [network.issue("proof"), rejected, network.sign("hotel", BatchOperations(two)), crowd[17]]
    return [proof_of(network, raw) for raw in raws]


def refused(raw: bytes, genesis: Genesis) -> bool:
    try:
        verify_receipt_proof(raw, genesis)
    except Malformed:
        return True
    return False


def test_every_changed_byte_is_refused(network: Network, proofs: list[bytes]) -> None:
    for proof in proofs:
        proven = verify_receipt_proof(proof, network.genesis)
        assert len(proven.signers) == 3
        for position, byte in enumerate(proof):
            for other in (byte ^ 1, byte ^ 0x80):
                changed = proof[:position] + bytes([other]) + proof[position + 1 :]
                assert refused(changed, network.genesis), f"byte {position} of {len(proof)} is bound by nothing"


def test_every_other_length_is_refused(network: Network, proofs: list[bytes]) -> None:
    proof = proofs[0]
    for position in range(len(proof) + 1):
        assert refused(proof[:position] + b"\x00" + proof[position:], network.genesis), position
        if position < len(proof):
            assert refused(proof[:position], network.genesis), position
            assert refused(proof[:position] + proof[position + 1 :], network.genesis), position
    assert refused(proof * 2, network.genesis) and refused(proof + bytes(1_000_000), network.genesis)


def test_every_field_of_another_true_proof_is_refused(network: Network, proofs: list[bytes]) -> None:
    """Each part is genuine; together they prove nothing."""
    mine, other = (decoder(ReceiptProof).decode(proof) for proof in (proofs[0], proofs[3]))
    fields = ReceiptProof.__struct_fields__
    for name in fields:
        mixed = ReceiptProof(*(getattr(other if field == name else mine, field) for field in fields))
        assert mixed == mine or refused(encode(mixed), network.genesis), name


def test_the_same_proof_in_another_spelling_is_refused(network: Network, proofs: list[bytes]) -> None:
    plain = msgpack.unpackb(proofs[0])
    assert msgpack.packb(plain) == proofs[0], "an independent encoder agrees on the canonical spelling"
    long_integer = b"\xcf" + plain[0].to_bytes(8, "big")
    assert proofs[0][1:2] == msgpack.packb(plain[0])
    assert refused(proofs[0][:1] + long_integer + proofs[0][2:], network.genesis)
    assert refused(b"\xdc\x00" + bytes([len(plain)]) + proofs[0][1:], network.genesis), "a long array header"
    as_map = msgpack.packb(dict(zip(ReceiptProof.__struct_fields__, plain, strict=True)))
    assert refused(as_map, network.genesis)


def test_another_genesis_proves_nothing(network: Network, proofs: list[bytes]) -> None:
    genesis = network.genesis
    fields = genesis.__struct_fields__
    later = Genesis(*(getattr(genesis, f) + (1 if f == "time" else 0) if f == "time" else getattr(genesis, f)
                      for f in fields))  # fmt: skip
    assert refused(proofs[0], later)


def test_one_signature_cannot_be_respelled(network: Network, proofs: list[bytes]) -> None:
    """S + L verifies under a lax rule; libsodium's refuses it (T16), or the file would have a second spelling."""
    order = 2**252 + 27742317777372353535851937790883648493
    proof = decoder(ReceiptProof).decode(proofs[0])
    signature = decode_transaction(proof.transaction).transaction.signatures[0].sig
    for one in (signature, *proof.certificate.signatures):
        scalar = int.from_bytes(one[32:], "little") + order
        respelled = one[:32] + scalar.to_bytes(32, "little")
        assert proofs[0].count(one) == 1
        assert refused(proofs[0].replace(one, respelled), network.genesis)


def test_the_command_itself(network: Network, proofs: list[bytes], tmp_path: Path) -> None:
    path, genesis = tmp_path / "r.hnproof", network.devnet.directory / "genesis.json"
    arguments = ["wallet", "receipt", "verify", str(path), "--genesis", str(genesis), "-o", "json"]
    path.write_bytes(proofs[0])
    done = CliRunner().invoke(build(), arguments)
    assert done.exit_code == 0 and '"verified":true' in done.output, done.output
    path.write_bytes(proofs[0][:-1] + bytes([proofs[0][-1] ^ 1]))
    done = CliRunner().invoke(build(), arguments, standalone_mode=False)
    assert isinstance(done.exception, Refusal)
    assert (int(done.exception.verdict), done.exception.code) == (1, Code.BAD_PROOF_FILE)


def test_a_stranger_with_the_same_members_names_cannot_certify(network: Network, proofs: list[bytes]) -> None:
    """A network of other keys: its certificate has the right shape and proves nothing here."""
    proof = decoder(ReceiptProof).decode(proofs[0])
    fake = tuple(SigningKey.from_seed(bytes([n]) * 32).sign(proof.certificate.digest) for n in range(3))
    certificate = type(proof.certificate)(
        *(fake if f == "signatures" else getattr(proof.certificate, f) for f in proof.certificate.__struct_fields__)
    )
    forged = ReceiptProof(*(certificate if f == "certificate" else getattr(proof, f)
                            for f in ReceiptProof.__struct_fields__))  # fmt: skip
    assert refused(encode(forged), network.genesis)

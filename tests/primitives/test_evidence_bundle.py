"""A bundle holds what its maker saw, and nothing in it can be changed, left out or put elsewhere unseen."""

from collections.abc import Callable
from random import Random

import pytest
from msgspec.structs import replace

from chainnode.proofs import build_receipt_proof, handovers_from
from primitives.codec import Malformed, decode_canonical, decoder, encode
from primitives.evidence_bundle import EvidenceBundle, build_bundle, manifest_digest, verify_bundle
from primitives.keys import SigningKey, address_of
from primitives.proof import encode_proof
from tests.chainnode.solo import make_genesis
from tests.cli.lying_node import EpochTown

AUDITOR = SigningKey.from_seed(bytes([7]) * 32)
_BUNDLE = decoder(EvidenceBundle)


class Case:
    """Two epochs with a payment in each, one of them refused, and the bundle of all receipts."""

    def __init__(self) -> None:
        self.town = EpochTown()
        self.ids = [self.town.run(self.town.issue("o1")), self.town.run(self.town.redeem("b1", 100))]
        self.town.swap("w3", "w4")
        for _ in range(3):
            self.town.node.flush()
        self.ids += [self.town.run(self.town.redeem("b2", 30)), self.town.run(self.town.redeem("b3", 99_999))]
        for _ in range(4):
            self.town.node.flush()
        chain = self.town.node.chain
        found = [build_receipt_proof(chain, id, 0) for id in self.ids]
        self.proofs = [encode_proof(proof) for proof in found if proof is not None]
        self.handovers = handovers_from(chain, 0, 1)
        self.raw = self.make(self.proofs)

    def make(self, proofs: list[bytes]) -> bytes:
        chain = self.town.chain_id
        return build_bundle(chain, 1_760_000_000, "case 7", address_of(AUDITOR.public_key), AUDITOR, self.handovers,
                            proofs)  # fmt: skip

    def resigned(self, change: Callable[[EvidenceBundle], EvidenceBundle]) -> bytes:
        """A forger who signs again with the auditor's own key: what the chain certified still binds it."""
        bundle = change(decode_canonical(_BUNDLE, self.raw))
        return encode(replace(bundle, signature=AUDITOR.sign(manifest_digest(bundle.manifest))))


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


def test_a_bundle_proves_receipts_of_several_epochs(case: Case) -> None:
    found = verify_bundle(case.raw, case.town.genesis)
    assert [proven.receipt.tx for proven in found.receipts] == case.ids
    assert [proven.epoch for proven in found.receipts] == sorted(proven.epoch for proven in found.receipts)
    assert {proven.epoch for proven in found.receipts} == {0, 1}
    assert [proven.receipt.code for proven in found.receipts][:3] == [0, 0, 0]
    assert found.receipts[3].receipt.code
    assert (found.manifest.matter, found.manifest.key) == ("case 7", AUDITOR.public_key)


def test_the_order_and_repetitions_of_what_is_put_in_do_not_matter(case: Case) -> None:
    assert case.make([*reversed(case.proofs), case.proofs[0]]) == case.raw


def test_every_flipped_byte_is_refused(case: Case) -> None:
    """Each byte once, with a random bit; then cut and lengthened at every tenth place."""
    random = Random(7)
    for position in range(len(case.raw)):
        raw = bytearray(case.raw)
        raw[position] ^= 1 << random.randrange(8)
        with pytest.raises(Malformed):
            verify_bundle(bytes(raw), case.town.genesis)
    for length in range(0, len(case.raw), 10):
        with pytest.raises(Malformed):
            verify_bundle(case.raw[:length], case.town.genesis)
    with pytest.raises(Malformed):
        verify_bundle(case.raw + b"\x00", case.town.genesis)


def test_another_chain_is_another_matter(case: Case) -> None:
    other = replace(make_genesis(), name="other", validators=case.town.genesis.validators)
    with pytest.raises(Malformed, match="another chain"):
        verify_bundle(case.raw, other)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda b: replace(b, proofs=b.proofs[:-1]), "3 proofs, the manifest names 4"),
        (lambda b: replace(b, proofs=(b.proofs[1], b.proofs[0], *b.proofs[2:])), "proof 0 is not the one"),
        (lambda b: replace(b, manifest=replace(b.manifest, items=b.manifest.items[::-1])), "proof 0 is not the one"),
        (lambda b: replace(b, manifest=replace(b.manifest, items=b.manifest.items[::-1]), proofs=b.proofs[::-1]),
         "not in the order of the chain"),
        (lambda b: replace(b, manifest=replace(b.manifest, items=(b.manifest.items[0],) * 2),
                           proofs=(b.proofs[0],) * 2), "not in the order of the chain"),
        (lambda b: replace(b, handovers=()), "handovers are not those"),
        (lambda b: replace(b, manifest=replace(b.manifest, matter="a\x1b[2J")), "control characters"),
        (lambda b: replace(b, manifest=replace(b.manifest, format=2)), "bundle format 2"),
        (lambda b: replace(b, manifest=replace(b.manifest, items=(
            replace(b.manifest.items[0], tx=b.manifest.items[1].tx), *b.manifest.items[1:]))), "proof 0 is of"),
    ],
)  # fmt: skip
def test_a_forger_with_the_auditors_key_cannot_change_what_happened(
    case: Case, change: Callable[[EvidenceBundle], EvidenceBundle], why: str
) -> None:
    with pytest.raises(Malformed, match=why):
        verify_bundle(case.resigned(change), case.town.genesis)


def test_an_epoch_without_its_handover_is_not_believed(case: Case) -> None:
    bare = build_bundle(case.town.chain_id, 1, "", address_of(AUDITOR.public_key), AUDITOR, (), case.proofs)
    with pytest.raises(Malformed, match="epoch"):
        verify_bundle(bare, case.town.genesis)

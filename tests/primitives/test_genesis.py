"""Genesis: the chain id is the hash of its meaning, and a bad one is refused with the path of the field."""

from typing import Any

import msgspec
import pytest

from primitives.address import encode_address
from primitives.codec import Malformed
from primitives.genesis import (
    FORMAT,
    Genesis,
    GenesisAccount,
    GenesisClass,
    GenesisMerchant,
    chain_id,
    genesis_text,
    load_genesis,
    validator_set,
)
from primitives.keys import SigningKey, address_of
from primitives.kinds import AccountKey, ClassCreate
from primitives.validators import Validator

KEYS = [SigningKey.from_seed(bytes([i + 1]) * 32) for i in range(8)]
HOTEL = address_of(KEYS[4].public_key)


def genesis(**changes: Any) -> Genesis:
    base = Genesis(
        FORMAT, "test-net", 1_759_913_600,
        tuple(Validator(f"v{i}", KEYS[i].public_key, bytes([i + 1])) for i in range(4)),
        (
            GenesisAccount((AccountKey(KEYS[4].public_key),), "merchant"),
            GenesisAccount((AccountKey(KEYS[5].public_key),)),
        ),
        (GenesisMerchant(HOTEL, "HOTEL", "酒店", "Hotel", reserve=400_000, validator="v0"),),
        (GenesisClass(HOTEL, ClassCreate("hA", 10_000, 365)),),
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def plain() -> Any:
    return msgspec.json.decode(genesis_text(genesis()))


def test_a_genesis_comes_back_and_keeps_its_chain_id() -> None:
    assert load_genesis(genesis_text(genesis())) == genesis()
    assert chain_id(load_genesis(genesis_text(genesis()))) == chain_id(genesis())
    assert validator_set(genesis()).quorum == 3


def test_the_chain_id_is_of_the_meaning_not_of_the_spelling() -> None:
    shuffled = dict(reversed(plain().items()))
    assert chain_id(load_genesis(msgspec.json.encode(shuffled))) == chain_id(genesis())


def test_a_left_out_default_gives_the_same_chain() -> None:
    shorter = plain()
    del shorter["parameters"]["fee_bps"]
    del shorter["test_clock"]
    assert chain_id(load_genesis(msgspec.json.encode(shorter))) == chain_id(genesis())


def test_every_field_is_part_of_the_chain_id() -> None:
    """T25: two networks that differ in anything are two chains."""
    ids = {chain_id(genesis())}
    base = genesis()
    variants = [
        {"name": "other"}, {"time": 1}, {"test_clock": True}, {"filing": "x"}, {"validators": base.validators[::-1]},
        {"accounts": base.accounts[:1]}, {"merchants": ()}, {"classes": ()},
        {"parameters": msgspec.structs.replace(base.parameters, fee_bps=51)},
        {"limits": msgspec.structs.replace(base.limits, window=9)},
    ]  # fmt: skip
    for change in variants:
        ids.add(chain_id(genesis(**change)))
    assert len(ids) == len(variants) + 1


def broken(path: str, value: Any) -> Any:
    """The plain genesis with the value at a dotted path replaced."""
    found = plain()
    at = found
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        at = at[step]
    if value is KeyError:
        del at[last]
    else:
        at[last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("validators.2.vote_key", "00" * 32, "$.validators[2].vote_key"),
        ("validators.2.vote_key", KEYS[0].public_key.hex(), "$.validators[2].vote_key: the same as $.validators[0]"),
        ("validators.1.name", "v0", "$.validators[1].name"),
        ("validators.1.transport_certificate", "AQ==", "$.validators[1].transport_certificate"),
        ("validators", [], "$.validators: 0"),
        ("accounts.0.keys.0.key", "01" + "00" * 31, "$.accounts[0].keys[0].key"),
        ("accounts.0.threshold", 2, "$.accounts[0].threshold"),
        ("accounts.1.tier", 3, "$.accounts[1].tier"),
        ("accounts.1.keys.0.key", KEYS[4].public_key.hex(), "$.accounts[1].keys[0]"),
        ("accounts.1.keys", [], "$.accounts[1].keys"),
        ("accounts.1.role", "king", "$.accounts[1].role"),
        ("merchants.0.account", encode_address(address_of(KEYS[5].public_key)), "$.merchants[0].account"),
        ("merchants.0.account", "hn1nonsense", "$.merchants[0].account"),
        ("merchants.0.validator", "v9", "$.merchants[0].validator"),
        ("merchants.0.reserve", "-5", "$.merchants[0].reserve"),
        ("merchants.0.reserve", 1.5, "$.merchants[0].reserve"),
        ("merchants.0.category", "BANK", "$.merchants[0].category"),
        ("classes.0.issuer", encode_address(address_of(KEYS[5].public_key)), "$.classes[0].issuer"),
        ("classes.0.create.uv", 10_001, "$.classes[0].create.uv"),
        ("classes.0.create.validity_days", 1096, "$.classes[0].create.validity_days"),
        ("limits.window", 33, "$.limits.window"),
        ("limits.block_bytes", 5000, "$.limits.block_bytes"),
        ("parameters.fee_bps", 10_001, "$.parameters.fee_bps"),
        ("parameters.reserve_ratio_bps", 0, "$.parameters.reserve_ratio_bps"),
        ("parameters.settle_days", 0, "$.parameters.settle_days"),
        ("parameters.settle_days", 31, "$.parameters.settle_days"),
        ("parameters.refund_window_days", 0, "$.parameters.refund_window_days"),
        ("parameters.refund_window_days", 3_651, "$.parameters.refund_window_days"),
        ("parameters.attestation_days", 0, "$.parameters.attestation_days"),
        ("parameters.waterfall", 3, "$.parameters.waterfall"),
        ("parameters.loss_share_bps", 10_001, "$.parameters.loss_share_bps"),
        ("parameters.operator_validators", 2, "$.parameters.operator_validators"),
        ("format", 2, "$.format"),
        ("time", 0, "$.time"),
        ("time", -1, "$.time"),
        ("time", KeyError, "$.time: missing"),
        ("parameters.fee_bsp", 1, "$.parameters.fee_bsp: unknown field"),
        ("name", "two words", "$.name"),
    ],
)
def test_a_bad_field_is_refused_with_its_path(path: str, value: Any, said: str) -> None:
    with pytest.raises(Malformed) as refusal:
        load_genesis(msgspec.json.encode(broken(path, value)))
    assert said in str(refusal.value), refusal.value


def test_a_member_shares_its_key_with_nobody() -> None:
    """It would vote twice, or stand aside whenever the other account likes (2.12)."""
    own, second, shared = (AccountKey(KEYS[i].public_key) for i in (6, 7, 5))
    member = GenesisAccount((own,), "committee", weight=1)
    for other in (GenesisAccount((shared, own)), GenesisAccount((second, own), "committee", weight=1)):
        with pytest.raises(Malformed, match=r"\$.accounts\[\d\].keys\[\d\].key: a member's key, also in"):
            load_genesis(genesis_text(genesis(accounts=(*genesis().accounts[:1], member, other))))
    accounts = (*genesis().accounts, member, GenesisAccount((second, shared), "committee"))  # has no weight, no voice
    assert load_genesis(genesis_text(genesis(accounts=accounts))).accounts == accounts


def test_three_validators_are_no_network_but_one_may_play_scenarios() -> None:
    few = genesis(validators=genesis().validators[:3])
    with pytest.raises(Malformed, match="validators: 3"):
        load_genesis(genesis_text(few))
    one = genesis(validators=genesis().validators[:1], test_clock=True)
    assert load_genesis(genesis_text(one)) == one


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_genesis_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        load_genesis(text)

"""Netting against brute force: nothing lost, nothing invented, few payments, the same on every node (2.9, INV-6)."""

from itertools import product
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from points.settlement import match_legs, round_nets

NETS = st.lists(st.integers(-60_000, 60_000), min_size=1, max_size=6).map(lambda nets: [*nets, -sum(nets)])


def participants(nets: list[int]) -> dict[bytes, int]:
    return {bytes([i]) * 20: net for i, net in enumerate(nets)}


@given(NETS)
def test_rounding_is_exact_and_as_near_as_any(nets: list[int]) -> None:
    """10,000 fen + carry = net for each, both sum to 0, and no other rounding to neighbouring fen carries less."""
    parties = participants(nets)
    rounded = round_nets(parties)
    assert all(fen * 10_000 + carry == parties[who] and abs(carry) < 10_000 for who, (fen, carry) in rounded.items())
    assert sum(fen for fen, _ in rounded.values()) == sum(carry for _, carry in rounded.values()) == 0
    floors = [net // 10_000 for net in nets]
    best = min(
        sum((net - 10_000 * (floor + up)) ** 2 for net, floor, up in zip(nets, floors, ups, strict=True))
        for ups in product((0, 1), repeat=len(nets))
        if sum(floors) + sum(ups) == 0
    )
    assert sum(carry**2 for _, carry in rounded.values()) == best


@given(NETS, st.randoms(use_true_random=False))
def test_netting_does_not_depend_on_order(nets: list[int], shuffle: Random) -> None:
    parties = participants(nets)
    keys = list(parties)
    shuffle.shuffle(keys)
    other = {key: parties[key] for key in keys}
    assert round_nets(other) == round_nets(parties)
    assert match_legs(other) == match_legs(parties)


@given(NETS)
def test_payments_settle_everybody_with_few_transfers(fen: list[int]) -> None:
    """Each pays and gets exactly its net, nobody does both, and there are at most participants - 1 payments."""
    parties = participants(fen)
    legs = match_legs(parties)
    moved = dict.fromkeys(parties, 0)
    for payer, payee, amount in legs:
        assert amount > 0
        moved[payer] -= amount
        moved[payee] += amount
    assert moved == parties
    assert {payer for payer, _, _ in legs}.isdisjoint(payee for _, payee, _ in legs)
    assert len(legs) <= max(0, sum(1 for net in fen if net) - 1)
    assert len({(payer, payee) for payer, payee, _ in legs}) == len(legs)


@given(st.lists(NETS, min_size=1, max_size=8))
def test_carries_over_many_windows_lose_nothing(windows: list[list[int]]) -> None:
    """What was paid over all windows and the last carry are together what was owed."""
    carry: dict[bytes, int] = {}
    owed: dict[bytes, int] = {}
    paid: dict[bytes, int] = {}
    for nets in windows:
        parties = participants(nets)
        for who, net in parties.items():
            owed[who] = owed.get(who, 0) + net
        rounded = round_nets({who: parties.get(who, 0) + carry.get(who, 0) for who in {*parties, *carry}})
        for who, (fen, left) in rounded.items():
            paid[who] = paid.get(who, 0) + fen * 10_000
            carry[who] = left
    assert {who: paid[who] + carry[who] for who in owed} == owed

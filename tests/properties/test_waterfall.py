"""Defaults against an independent calculation in fractions: nothing lost, nothing invented, each its share (2.9).

Whatever is owed among creditors because of a default sums to zero for each of them once every late payment came.
"""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from points import queries, queries_clearing
from points.invariants import violations
from points.waterfall import split
from primitives.genesis import Parameters
from primitives.kinds import Issue, LegConfirm, LegPaid, ReserveAttest, WindowClose
from tests.properties.small_market import DAY, START
from tests.properties.world import World

NAMES = ["A", "B", "C", "D", "E"]
CLASSES = {f"h{name}": (name, {"uv": 10_000, "validity_days": 365}) for name in NAMES}
debts = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(1, 300)), min_size=1, max_size=10
)
weights = st.dictionaries(st.binary(min_size=1, max_size=2), st.integers(0, 50), max_size=6)


@given(weights, st.integers(0, 400))
def test_a_split_is_exact_and_as_near_as_whole_fen_can_be(parts: dict[bytes, int], total: int) -> None:
    whole = sum(parts.values())
    total = min(total, whole)
    found = split(total, parts)
    assert sum(found.values()) == (total if whole else 0)
    for who, part in found.items():
        exact = Fraction(total * parts[who], whole) if whole else Fraction(0)
        assert abs(part - exact) < 1
        assert 0 <= part <= parts[who]


def spend(world: World, owed: list[tuple[str, str, int]]) -> None:
    for n, (issuer, payee, fen) in enumerate(owed):
        body = Issue(f"h{issuer}", world.address["u"], fen, f"i{n}", "EARN", fen)
        assert world.code(issuer, body) == "OK"
        assert world.redeem("u", payee, f"o{n}", fen) == "OK"


def attest(world: World, reserves: dict[str, int]) -> None:
    for name, fen in reserves.items():
        body = ReserveAttest(world.address[name], fen, world.now, bytes(32))
        assert world.code("bank", body, ("bank", name)) == "OK"


@settings(max_examples=60)
@given(
    debts, st.lists(st.integers(0, 200), min_size=5, max_size=5), st.sampled_from([0, 1000]),
    st.sampled_from([10_000, 1_000]), st.data(),
)  # fmt: skip
def test_every_fen_of_a_default_is_borne_and_comes_back(
    owed: list[tuple[str, str, int]], reserves: list[int], fee_bps: int, bound: int, data: st.DataObject
) -> None:
    """A reserve covers what is issued, and falls before the window closes."""
    rules = Parameters(fee_bps=fee_bps, loss_share_bps=bound)
    world = World(START, dict.fromkeys(NAMES, 10**7), ["u"], CLASSES, rules)  # type: ignore[arg-type]
    spend(world, owed)
    attest(world, dict(zip(NAMES, reserves, strict=True)))
    assert world.code("op", WindowClose()) == "OK"
    told = queries.window(world.memory, world.now, 1)
    legs = {tuple(map(world.name_text, pair.split("->"))): fen for pair, fen in told["instructions"].items()}
    for pair in sorted(legs):
        if data.draw(st.booleans(), label=f"{pair} pays"):
            settle(world, *pair)
    due = [pair for pair, fen in legs.items() if state_of(world, pair) == "DUE"]
    world.run(at=world.now + 2 * DAY)
    assert violations(world.memory, world.now) == []
    check_default(world, legs, due, dict(zip(NAMES, reserves, strict=True)), bound)
    for pair in data.draw(st.permutations(due), label="late"):
        assert world.code(pair[0], LegPaid(1, world.leg(*pair), bytes(32))) == "OK"
        assert world.code("bank" if pair[1] == "FUND" else pair[1], LegConfirm(1, world.leg(*pair))) == "OK"
        assert violations(world.memory, world.now) == []
    assert queries.window(world.memory, world.now, 1)["state"] == "SETTLED"
    nets: dict[str, int] = {}  # the fund's advances are owed back to it, everything else cancels out
    for name, fen in queries.window(world.memory, world.now, 1)["advanced"].items():
        payee = world.name_text(name.split("->")[1])
        nets[payee], nets["FUND"] = nets.get(payee, 0) + fen * 10_000, nets.get("FUND", 0) - fen * 10_000
    for (debtor, creditor), value in world.gross(queries.window(world.memory, world.now)["window"] + 1).items():
        nets[debtor], nets[creditor] = nets.get(debtor, 0) - value, nets.get(creditor, 0) + value
    assert not any(nets.values()), nets


def settle(world: World, payer: str, payee: str) -> None:
    assert world.code("bank" if payer == "FUND" else payer, LegPaid(1, world.leg(payer, payee), bytes(32))) == "OK"
    assert world.code("bank" if payee == "FUND" else payee, LegConfirm(1, world.leg(payer, payee))) == "OK"


def state_of(world: World, pair: tuple[str, ...]) -> str:
    state: str = queries.window(world.memory, world.now, 1)["legs"][world.leg(pair[0], pair[1])]
    return state


def check_default(
    world: World, legs: dict[tuple[str, ...], int], due: list[tuple[str, ...]], reserves: dict[str, int], bound: int
) -> None:
    """Reserves give what they have; the rest is borne by all merchants that are creditors, by their claims.

    Nobody helps with more than its bound; then those who lost more than their share keep what is left.
    """
    told = queries.window(world.memory, world.now, 1)
    drawn = {pair: told["drawn"].get(world.leg(pair[0], pair[1]), 0) for pair in due}
    for payer in {pair[0] for pair in due}:
        own = sum(legs[pair] for pair in due if pair[0] == payer)
        got = sum(fen for pair, fen in drawn.items() if pair[0] == payer)
        assert got == min(reserves[payer], own)
        for pair in due:
            if pair[0] == payer:
                assert abs(drawn[pair] - Fraction(got * legs[pair], own)) < 1
    advanced = {pair: told["advanced"].get(world.leg(pair[0], pair[1]), 0) for pair in due}
    lost = {pair: legs[pair] - drawn[pair] - advanced[pair] for pair in due if pair[1] != "FUND"}
    claims: dict[str, int] = {}
    for pair, fen in legs.items():
        if pair[1] != "FUND":
            claims[pair[1]] = claims.get(pair[1], 0) + fen
    alone = {who: sum(fen for pair, fen in lost.items() if pair[1] == who) for who in claims}
    borne = dict(alone)
    shared = queries_clearing.losses(world.memory, world.now, 1)
    for name, fen in shared["helped"].items():
        helper, payee = map(world.name_text, name.split("->"))
        borne[helper], borne[payee] = borne[helper] + fen, borne[payee] - fen
    for who, claim in claims.items():
        share = Fraction(sum(lost.values()) * claim, sum(claims.values()))
        if bound == 10_000:
            assert abs(borne[who] - share) < 1, who
        elif borne[who] > alone[who]:
            most = Fraction(claim * bound, 10_000)
            assert borne[who] - alone[who] <= most and borne[who] > min(share, alone[who] + most) - 1, who
        else:
            assert share - 1 < borne[who] <= alone[who] or borne[who] == alone[who], who
    assert len(shared["helped"]) < max(1, len(claims))

"""Three merchants, two tourists, six classes: the market of the named money tests."""

from primitives.genesis import Parameters
from primitives.kinds import Issue
from tests.properties.world import World

START = 1_759_913_600
DAY = 86_400
MIDNIGHT = START - (START + 28_800) % DAY + DAY
UY = 10_000

CLASSES = {
    "hA": ("A", {"uv": 10_000, "validity_days": 365, "transferable": True}),
    "a2": ("A", {"uv": 2_000, "validity_days": 30, "transferable": True}),
    "a1": ("A", {"uv": 10_000, "validity_days": 1, "grace_days": 5, "transferable": True}),
    "hB": ("B", {"uv": 10_000, "validity_days": 365, "transferable": True}),
    "b9": ("B", {"uv": 9_999, "validity_days": 20, "transferable": True}),
    "b1": ("B", {"uv": 10_000, "validity_days": 1, "refund_policy": "FORFEIT"}),
}


def new_world(parameters: Parameters | None = None) -> World:
    reserves = {"A": 4_000_000, "B": 4_000_000, "C": 400_000}
    return World(START, reserves, ["u", "v"], CLASSES, parameters or Parameters())  # type: ignore[arg-type]


def issue(world: World, class_id: str, to: str, units: int, order_id: str) -> str:
    body = Issue(class_id, world.address[to], units, order_id, "EARN", units)
    return world.code(CLASSES[class_id][0], body)


def value_of(world: World, name: str) -> int:
    """uY of everything that somebody has."""
    uv = {class_id: int(str(fields["uv"])) for class_id, (_, fields) in CLASSES.items()}
    return sum(sum(world.units(name, class_id)) * uv[class_id] for class_id in CLASSES)


def owed(world: World, window: int = 1) -> int:
    """Net claim of each participant summed over all of them; 0 unless money came from nowhere."""
    nets: dict[str, int] = {}
    for (debtor, creditor), value in world.gross(window).items():
        nets[debtor] = nets.get(debtor, 0) - value
        nets[creditor] = nets.get(creditor, 0) + value
    return sum(nets.values())

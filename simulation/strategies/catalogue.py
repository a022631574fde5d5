"""Every role and its strategy. Read `simulation.strategy` first, then the families one by one."""

from typing import Final

from simulation.roles import Role
from simulation.strategies import bodies, changing, general, leading, proposing, serving, voting
from simulation.strategy import Seat, Strategy

STRATEGIES: Final[dict[Role, Strategy]] = {
    **general.STRATEGIES,
    **proposing.STRATEGIES,
    **leading.STRATEGIES,
    **voting.STRATEGIES,
    **changing.STRATEGIES,
    **serving.STRATEGIES,
    **bodies.STRATEGIES,
    Role.AMNESIAC: Strategy(
        "S9: loses its disk at every power cut, comes back under the old key and votes again (pitfall 44)",
        seat=Seat.LAST, forgets=True,
    ),
}  # fmt: skip

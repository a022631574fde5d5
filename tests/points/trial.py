"""A market with a committee and a sandbox "lab" of merchant A: u is on its list, its points pay at A and B.

max_value 1,000 fen, max_accounts 2, loss reserve 400 fen (the network's ratio of it), class sA.
"""

from typing import Any

from points.keys import merchant_key, sandbox_key
from points.queries_sandboxes import sandbox as sandbox_query
from points.sandbox_records import Over, Sandbox
from primitives.codes import Code
from primitives.kinds import ReserveAttest
from primitives.kinds_sandbox import SandboxEnrol, SandboxOpen
from tests.points.council import Council
from tests.points.market import ADDRESS, DAY, START, address, class_of

LAB = "lab"
ENDS = START + 30 * DAY


def opening(name: str = LAB, **fields: Any) -> SandboxOpen:
    """A payload."""
    terms: dict[str, Any] = {
        "merchant": ADDRESS["A"], "max_accounts": 2, "max_value": 1000, "starts": START, "ends": ENDS,
        "loss_reserve": 400, "exit_hash": bytes(32), "merchants": (ADDRESS["B"],), "accounts": (ADDRESS["u"],),
    }  # fmt: skip
    return SandboxOpen(name, **(terms | fields))


class Trial(Council):
    """`lab` runs from the second day on; its class is sA."""

    def __init__(self, opened: SandboxOpen | None = None, parameters: dict[str, int] | None = None, **fields: Any):
        super().__init__(**(parameters or {}))
        self.decide(opened or opening(), "open")
        assert self.proposal("open").failure == 0, Code(self.proposal("open").failure).name
        self.ok("A", class_of("sA", sandbox=LAB, **fields))

    def grant(self, units: int, to: str = "u") -> Code:
        """A issues points of the sandbox."""
        self._nonce += 1
        return self.issue("sA", units, f"s-{self._nonce}", to)

    def enrol(self, *names: str, by: str = "A", name: str = LAB) -> Code:
        """A puts accounts on the list."""
        return self.do(by, SandboxEnrol(name, tuple(address(who) for who in names)))

    def attest(self, fen: int) -> None:
        """The reserve of A is another one."""
        self.ok("A", ReserveAttest(ADDRESS["A"], fen, self.time, bytes(32)), ["A", "custodian"])

    @property
    def lab(self) -> Sandbox:
        """The stored record."""
        found: Sandbox = self.view.get(sandbox_key(LAB))
        return found

    @property
    def over(self) -> Over:
        """Why it is over."""
        return self.lab.over

    def report(self) -> dict[str, Any]:
        """The query."""
        plain: dict[str, Any] = sandbox_query(self.view, self.time, LAB)
        return plain

    def listed(self) -> tuple[str, ...]:
        """The sandboxes of A."""
        names: tuple[str, ...] = self.view.get(merchant_key(ADDRESS["A"])).sandboxes
        return names

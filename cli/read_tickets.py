"""Read tickets from a wallet: made when a node asks for one or the user says --as, kept for the command only."""

import ipaddress
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from cli.client import exchange
from cli.keystore import Unlocked
from cli.language import t
from cli.network_file import Network
from cli.output import say
from primitives.keys import Address
from primitives.read_ticket import ReadTicket, sign_ticket, ticket_text

TICKET_SECONDS: Final = 600  # a tenth of what nodes take: for a command, not for a day
RENEW_SECONDS: Final = 60  # a stream outlives its ticket


class Opener(Protocol):
    """A wallet that can be opened, which may ask for its passphrase."""

    @property
    def address(self) -> Address: ...

    def unlock(self) -> Unlocked: ...


@dataclass(frozen=True, slots=True)
class Successor:
    """An opened wallet whose key may be a key of another account than its own: of one that was recovered."""

    wallet: Unlocked
    address: Address

    def unlock(self) -> Unlocked:
        """See Opener."""
        return replace(self.wallet, address=self.address)


class TicketBook:
    """Implements cli.client.Tickets. One ticket serves all nodes of the chain."""

    def __init__(self, network: Network, choose: Callable[[str], Opener | None], asked: bool = False) -> None:
        """`choose`: the wallet for a question (path and query), None if there is none."""
        self.asked: Final = asked
        self._network: Final = network
        self._choose: Final = choose
        self._warned: Final[set[str]] = set()
        self._opened: Final[dict[bytes, Unlocked]] = {}
        self._kept: Final[dict[bytes, tuple[float, str]]] = {}  # by address: when to renew it, its text

    def header(self, node: str, target: str) -> Mapping[str, str]:
        """See cli.client.Tickets. Raises: Refusal for a wallet that does not open; as exchange."""
        opener = self._choose(target)
        if opener is None:
            return {}
        self._warn(node)
        return {"Authorization": f"Bearer {self.text(opener, node)}"}

    def _warn(self, node: str) -> None:
        """Commands speak plain HTTP: whoever listens on the way reads as long as the ticket lasts."""
        if node not in self._warned and not _is_loopback(node):
            self._warned.add(node)
            say(t(f"! a read ticket goes to {node} unencrypted; a tunnel to it would keep it from others",
                  f"! 查询凭条将以明文发往 {node}；建议通过加密隧道连接"))  # fmt: skip

    def text(self, opener: Opener, node: str) -> str:
        """The ticket of this wallet's account, a fresh one if the last is about to expire."""
        address = opener.address
        renew, text = self._kept.get(address, (0.0, ""))
        if time.monotonic() < renew:
            return text
        text = ticket_text(self.issue(opener, node, TICKET_SECONDS))
        self._kept[address] = time.monotonic() + TICKET_SECONDS - RENEW_SECONDS, text
        return text

    def issue(self, opener: Opener, node: str, seconds: int) -> ReadTicket:
        """A new ticket from now on."""
        chain, now = self._moment(node)
        wallet = self._opened.get(opener.address) or opener.unlock()
        self._opened[opener.address] = wallet
        return sign_ticket(chain, wallet.address, now + seconds, wallet.key)

    def _moment(self, node: str) -> tuple[bytes, int]:
        """The chain, and the second that counts there: this machine's, but on a network with a test clock, which
        listens on loopback only, the node's. A distant node cannot talk a wallet into tickets for later."""
        status = exchange(node, "GET", "/v1/status").body
        known = status if isinstance(status, dict) else {}
        now = int(time.time())
        if known.get("test_clock") is True and _is_loopback(node):
            now = max(_number(known.get("clock_ms")), _number(known.get("block_time_ms"))) // 1000
        if self._network.file is not None:
            return bytes.fromhex(self._network.file.chain_id), now
        return bytes.fromhex(str(known.get("chain_id", ""))), now


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else 0


def _is_loopback(node: str) -> bool:
    host = urlsplit(node).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

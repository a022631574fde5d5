"""The stage of the demo: a fresh network, its people, and what each act leaves behind."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chainnode.devnet import Devnet, wait_for
from cli.client import Client
from cli.devnet_wallets import demo_wallets
from cli.keystore import Unlocked
from cli.language import t
from cli.output import say
from cli.receipts import download_proof
from cli.submission import block_time, settle, sign
from cli.verdicts import Refusal, Verdict, code_name
from primitives.address import FUND_ADDRESS, encode_address
from primitives.codes import Code
from primitives.genesis import Genesis, chain_id
from primitives.keys import Address
from primitives.kinds import Body, kind_of
from primitives.proof import verify_receipt_proof

TIMEOUT_SECONDS: Final = 20.0
VALID_SECONDS: Final = 300
AGREE_SECONDS: Final = 15.0


class StoryFailed(Exception):
    """Something in the demo is not as it must be."""


@dataclass(slots=True)
class Record:
    """What happened, for the JSON answer and the final checks."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    transactions: list[tuple[str, str]] = field(default_factory=list)  # (id, code name), in order
    verified: int = 0


class Stage:
    """One run of the demo. Every act goes to the next node in turn: any validator will do."""

    def __init__(self, network: Devnet, genesis: Genesis, tell: Callable[[str], None]) -> None:
        self.network: Final = network
        self.genesis: Final = genesis
        self.chain_id: Final = chain_id(genesis)
        self.people: Final[dict[str, Unlocked]] = demo_wallets(bytes.fromhex(network.file.seed))
        self.record: Final = Record()
        self._names: Final = {encode_address(w.address): name for name, w in self.people.items()}
        self._names[encode_address(FUND_ADDRESS)] = "FUND"
        self._urls: Final = [place.url for place in network.places]
        self._turn = 0
        self._chapters = 0
        self._tell: Final = tell
        self.now: int = genesis.time

    def address(self, name: str) -> Address:
        """Of a person or FUND."""
        return FUND_ADDRESS if name == "FUND" else self.people[name].address

    def name(self, text: str) -> str:
        """The person behind an address text."""
        return self._names.get(text, text)

    def client(self) -> Client:
        """To the node whose turn it is; the others stand by."""
        return Client(self._urls[self._turn :] + self._urls[: self._turn])

    def done(self, text: str, **facts: Any) -> None:
        """One line of the story."""
        self.record.steps.append({"text": text, **facts})
        self._tell(f"  ✓ {text}")

    def title(self, text: str) -> None:
        """What the whole is about."""
        self._tell(f"\n{text}")

    def chapter(self, english: str, chinese: str) -> None:
        """A heading with its number."""
        self._chapters += 1
        self._tell(t(f"\n{self._chapters}. {english}", f"\n{_numeral(self._chapters)}、{chinese}"))

    def act(self, who: str, body: Body, *cosigners: str, expect: Code = Code.OK) -> Any:
        """Send a transaction and wait for its outcome; the receipt, None if it was refused before any block.

        Raises: StoryFailed unless the code is `expect`.
        """
        self._turn = (self._turn + 1) % len(self._urls)
        client = self.client()
        keys = [self.people[name].key for name in (who, *cosigners)]
        signed = sign(self.chain_id, self.address(who), body, keys, block_time(client) + VALID_SECONDS)
        receipt: Any = None
        try:
            receipt = settle(client.submit(signed, True, TIMEOUT_SECONDS), signed.id)
            code = int(receipt["number"])
        except Refusal as refusal:
            if refusal.verdict is not Verdict.REJECTED:
                raise StoryFailed(f"{kind_of(body)}: {refusal.detail}") from refusal
            receipt, code = refusal.more.get("receipt"), refusal.code
        if code != expect:
            detail = receipt["detail"] if receipt else ""
            raise StoryFailed(f"{kind_of(body)}: {code_name(code)} {detail}, expected {expect.name}")
        if receipt is not None:
            self.record.transactions.append((receipt["tx"], code_name(code)))
        return receipt

    def read(self, path: str) -> Any:
        """An answer of the API."""
        return self.client().get(path)

    def balance(self, name: str) -> Any:
        """The account's summary."""
        return self.read(f"/v1/accounts/{encode_address(self.address(name))}")

    def expect_spendable(self, name: str, fen: int) -> None:
        """Raises: StoryFailed for another balance."""
        found = int(self.balance(name)["spendable"])
        if found != fen:
            raise StoryFailed(f"{name}: spendable {found}, expected {fen}")

    def set_time(self, seconds: int) -> None:
        """Move every node's clock; one block carries the new time to all."""
        for place in self.network.places:
            self.network.admin(place, "POST", "/admin/clock", {"time_ms": seconds * 1000})
        arrived = wait_for(lambda: all(self._block_time(url) >= seconds for url in self._urls), AGREE_SECONDS)
        if not arrived:
            raise StoryFailed(f"no block at time {seconds} within {AGREE_SECONDS:.0f} s")
        self.now = seconds

    def _block_time(self, url: str) -> int:
        return int(Client([url]).get("/v1/status")["block_time_ms"]) // 1000

    def verify_receipts(self, genesis_path: Path, folder: Path) -> int:
        """Download every receipt of the story and prove it from the genesis file alone; how many bytes in all.

        Raises: Malformed or StoryFailed for the first that does not hold.
        """
        from cli.network import Network, read_genesis

        genesis = read_genesis(genesis_path)  # as an outsider: from the file, not from memory
        octets = 0
        for number, (identity, code) in enumerate(self.record.transactions):
            self._turn = (self._turn + 1) % len(self._urls)
            raw = download_proof(Network((self._urls[self._turn], *self._urls), None, None), identity)
            path = folder / f"{number:02d}-{identity[:16]}.hnproof"
            path.write_bytes(raw)
            proven = verify_receipt_proof(path.read_bytes(), genesis)
            if proven.receipt.tx.hex() != identity or code_name(proven.receipt.code) != code:
                raise StoryFailed(f"receipt {identity}: another one was proven")
            self.record.verified += 1
            octets += len(raw)
        return octets

    def agree(self) -> tuple[int, str]:
        """The height and state root on which all nodes agree. Raises: StoryFailed if they do not within 15 s."""
        found: list[tuple[int, str]] = []

        def equal() -> bool:
            statuses = [Client([url]).get("/v1/status") for url in self._urls]
            found[:] = [(int(status["height"]), str(status["state_root"])) for status in statuses]
            return len(set(found)) == 1

        if not wait_for(equal, AGREE_SECONDS):
            raise StoryFailed(f"the nodes differ: {found}")
        return found[0]

    def violations(self) -> list[str]:
        """Broken invariants, as every node computes them from its own state."""
        found: list[str] = []
        for place in self.network.places:
            answer = self.network.admin(place, "GET", "/admin/invariants")
            found += [f"{place.name}: {sentence}" for sentence in answer["violations"]]
        return found

    def mourn(self, error: Exception) -> None:
        """What is needed to look into a failed run."""
        say(f"✗ {error}")
        for place in self.network.places:
            say(f"  {place.name}: {self.network.state(place)}: {self.network.last_words(place)}")
        say(t(f"  kept for inspection: {self.network.directory}", f"  现场保留于：{self.network.directory}"))


_DIGITS: Final = "零一二三四五六七八九"


def _numeral(number: int) -> str:
    """1 to 99 as Chinese headings count."""
    tens, ones = divmod(number, 10)
    head = "" if not tens else "十" if tens == 1 else f"{_DIGITS[tens]}十"
    return head + (_DIGITS[ones] if ones else "")

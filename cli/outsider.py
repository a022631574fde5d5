"""A wallet among nodes that may lie: it asks several, believes proofs only, and names who told something else.

f + 1 nodes are asked where age or completeness matters, so that one of them is honest; each answer must prove itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from cli.client import Answer, NoAnswer, NotSent, is_denied, problem_refusal, read, unreachable
from cli.language import t
from cli.network import Network
from cli.output import say
from cli.trust_store import TrustStore
from cli.verdicts import Refusal, Verdict
from primitives.block import Header
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.genesis import Genesis
from primitives.handover import Handover
from primitives.json_form import from_plain
from primitives.light_client import IDLE_MS, Conflict, TrustedEpochs
from primitives.state_evidence import StateEvidence, check_evidence

T = TypeVar("T")
Plain = Any
Kind = Literal["lying", "stale", "unproven"]
PAGES_MAX: Final = 64  # of handovers, 256 each


class Lie(Malformed):
    """A node said one thing, and what it gave as proof says another."""

    def __init__(self, said: str, proven: str) -> None:
        super().__init__(f"said {said}; proven: {proven}")
        self.said: Final = said
        self.proven: Final = proven


class Unproven(Exception):
    """The node gives no proof, and says why: behind, pruned, not ready. Not believed, not blamed."""


class Denied(Unproven):
    """The node shows this only to those whom it concerns."""


@dataclass(frozen=True, slots=True)
class Distrusted:
    """A node that was not believed. stale: true, but older than what another proved."""

    node: str
    kind: Kind
    said: str
    proven: str

    def plain(self) -> dict[str, str]:
        """For JSON answers."""
        return {"node": self.node, "verdict": self.kind, "said": self.said, "proven": self.proven}


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A proven answer. `header`: the certified one that it rests on."""

    node: str
    header: Header
    value: T


class Outsider:
    """Holds what is trusted while a command runs; `close` keeps it for the next."""

    def __init__(self, network: Network, genesis: Genesis, store: TrustStore, trusted: TrustedEpochs) -> None:
        self.nodes: Final = network.nodes
        self.genesis: Final = genesis
        self.trusted: Final = trusted
        self.distrusted: Final[list[Distrusted]] = []
        self._store: Final = store
        self._before: Final = trusted.record()
        self._silent: Final[list[Exception]] = []
        self._tickets: Final = network.tickets
        self._denied: Refusal | None = None  # the last node that shows it only to those whom it concerns

    def gather(
        self, read: Callable[[str], Reading[T]], enough: int | None = None, first: str = ""
    ) -> list[Reading[T]]:
        """The proven answers of `enough` nodes (default f + 1, or as many as there are), the newest first; the node
        `first` is asked before the others.

        Raises: Refusal: LYING_NODE (exit 1) if none of them proved anything and one lied, NOT_READY (exit 3) if they
        had no proof or an old one only, unreachable (exit 4).
        """
        good: list[Reading[T]] = []
        for node in sorted(self.nodes, key=lambda node: node != first):
            reading = self.hear(node, read)
            if reading is not None:
                good.append(reading)
            if len(good) >= (self.trusted.members.faulty + 1 if enough is None else enough):
                break
        fresh = [again for reading in good if (again := self._fresh(reading, read)) is not None]
        self.keep()
        if not fresh:
            raise self._nothing()
        self._say_age(fresh)
        return sorted(fresh, key=lambda reading: -reading.header.height)

    def hear(self, node: str, read: Callable[[str], Reading[T]]) -> Reading[T] | None:
        """What one node proves; None if it is not believed, or silent. Raises: Refusal for a fork."""
        try:
            return read(node)
        except Conflict as conflict:
            raise self._fork(node, conflict) from conflict
        except Lie as lie:
            self.distrust(node, "lying", lie.said, lie.proven)
        except Malformed as error:
            self.distrust(node, "lying", t("a proof that does not hold", "无效的证明"), str(error))
        except Denied:
            pass  # the node keeps to its rule, and `_nothing` says it once
        except Unproven as error:
            self.distrust(node, "unproven", str(error), "")
        except (NotSent, NoAnswer) as error:
            self._silent.append(error)
        return None

    def check(self, node: str, plain: Plain) -> tuple[Header, Any]:
        """The proven header and values of a StateEvidence in JSON. Raises: Malformed, Conflict, Unproven."""
        evidence = from_plain(StateEvidence, plain)
        self._advance(node, evidence)
        certificate = evidence.certified.certificate
        if certificate is not None and certificate.epoch < self.trusted.epoch:
            self.learn_epochs(node)  # a node that is behind is no liar: check what it proves, then see its age
        return check_evidence(evidence, self.trusted)

    def learn_epochs(self, node: str) -> None:
        """The members of every epoch that is over, by its handovers from genesis on. Raises: as check."""
        epoch = 0
        while not all(self.trusted.knows(number) for number in range(self.trusted.epoch)):
            found = self._handovers(node, epoch)
            epoch += len(found)
            if not found or epoch > self.trusted.epoch:
                raise Unproven(f"it has no handovers from epoch {epoch} on")

    def take_handovers(self, node: str) -> None:
        """All that this node has, from genesis on, whether known or not. Raises: as check."""
        epoch = 0
        while epoch <= self.trusted.epoch and (found := self._handovers(node, epoch)):
            epoch += len(found)

    def ask(self, node: str, target: str, accept: str = "") -> Answer:
        """One GET of one node. Raises: Unproven for 429, 5xx and where a ticket is missing, NoAnswer, NotSent."""
        answer = read(self._tickets, node, "GET", target, accept=accept)
        if is_denied(answer):
            self._denied = problem_refusal(answer)
            raise Denied(self._denied.detail)
        if answer.status in (410, 429) or answer.status >= 500:
            raise Unproven(problem_refusal(answer).detail)
        return answer

    def object_at(self, node: str, target: str) -> Plain:
        """The JSON object that one node answers. Raises: Malformed if it answers anything else; as ask."""
        answer = self.ask(node, target)
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise Malformed(f"HTTP {answer.status} for {target} of {node}")
        return answer.body

    def now_s(self, header: Header) -> int:
        """The second as of which the wallet tells a balance: its own clock, but not before the proven block."""
        proven = header.time_ms // 1000
        return proven if self.genesis.test_clock else max(proven, int(time.time()))

    def distrust(self, node: str, kind: Kind, said: str, proven: str) -> None:
        """Name it, once per thing said, on stderr at once."""
        found = Distrusted(node, kind, said[:400], proven[:400])
        if found not in self.distrusted:
            self.distrusted.append(found)
            label = {"lying": t("LYING NODE", "节点说谎"), "stale": t("stale node", "节点数据陈旧"),
                     "unproven": t("no proof from", "节点未给出证明")}[kind]  # fmt: skip
            say(f"✗ HN-{int(Code.LYING_NODE)} {label} {node}: {found.said}" if kind == "lying"
                else f"! {label} {node}: {found.said}")  # fmt: skip
            if proven:
                say(f"    {t('proven', '证明')}: {found.proven}")

    def keep(self) -> None:
        """Store what was proven, if it is more than before."""
        if self.trusted.record() != self._before:
            self._store.keep_record(self.trusted.record())

    def plain(self) -> dict[str, Plain]:
        """What JSON answers say about the nodes."""
        return {"distrusted": [one.plain() for one in self.distrusted]}

    # ---- inside

    def _fresh(self, reading: Reading[T], read: Callable[[str], Reading[T]]) -> Reading[T] | None:
        """The reading, or a newer one of the same node if the chain has moved on since; None if that is stale too."""
        if not self.trusted.is_stale(reading.header):
            return reading
        again = self.hear(reading.node, read)
        if again is None or not self.trusted.is_stale(again.header):
            return again
        newest = self.trusted.newest
        assert newest is not None, "something newer was proven"
        behind = self.trusted.age_behind_newest_ms(again.header) // 1000
        said = t(f"block {again.header.height}, {behind} s behind", f"区块 {again.header.height}，落后 {behind} 秒")
        self.distrust(reading.node, "stale", said, t(f"block {newest.headers[0].height}",
                                                     f"区块 {newest.headers[0].height}"))  # fmt: skip
        return None

    def _say_age(self, fresh: list[Reading[T]]) -> None:
        """One node alone can be silent about what came later: say how old its answer is."""
        newest_ms = max(reading.header.time_ms for reading in fresh)
        age_ms = int(time.time() * 1000) - newest_ms
        if not self.genesis.test_clock and len(fresh) <= self.trusted.members.faulty and age_ms > IDLE_MS:
            say(t(f"proven as of {age_ms // 1000} s ago; one more --node would tell whether the chain is idle since",
                  f"证明截至 {age_ms // 1000} 秒前；再指定一个 --node 可确认其后是否有新区块"))  # fmt: skip

    def _advance(self, node: str, evidence: StateEvidence) -> None:
        """Pages of handovers where the answer could not hold all that are missing here."""
        certificate, told = evidence.certified.certificate, evidence.handovers
        for _ in range(PAGES_MAX):
            last = told[-1].header.epoch + 1 if told else self.trusted.epoch
            if certificate is None or certificate.epoch <= max(self.trusted.epoch, last):
                return
            if not self._handovers(node, self.trusted.epoch):
                return

    def _handovers(self, node: str, epoch: int) -> list[Plain]:
        answer = self.ask(node, f"/v1/handovers?from={epoch}")
        found = answer.body.get("handovers") if isinstance(answer.body, dict) else None
        if not isinstance(found, list):
            raise Malformed(f"HTTP {answer.status} without a list of handovers")
        for item in found:
            self.trusted.advance(from_plain(Handover, item))
        return found

    def _fork(self, node: str, conflict: Conflict) -> Refusal:
        path = self._store.keep_fork(self.trusted.chain_id, conflict)
        fix = t(f"stop paying; give {path} to the operator and the regulator",
                f"停止付款；将 {path} 交给运营方和监管方")  # fmt: skip
        return Refusal(Verdict.REJECTED, Code.LYING_NODE, str(conflict), fix, node=node, evidence=str(path))

    def _nothing(self) -> Refusal:
        lying = [one for one in self.distrusted if one.kind == "lying"]
        if lying:
            names = ", ".join(dict.fromkeys(one.node for one in lying))
            detail = t(f"no node proved an answer; lying: {names}", f"没有节点给出可证明的回答；说谎：{names}")
            return Refusal(Verdict.REJECTED, Code.LYING_NODE, detail, **self.plain())
        if self._denied is not None:
            return self._denied
        if self.distrusted:
            detail = t("no node proves an answer that is new enough", "没有节点能证明足够新的结果")
            return Refusal(Verdict.UNKNOWN, Code.NOT_READY, detail, **self.plain())
        return unreachable(self.nodes, self._silent[-1] if self._silent else None)


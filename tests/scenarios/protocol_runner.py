"""The protocol scripts: text files that say who hears what, and the golden lines of what the real cores then did.

A script is a comment with the rule and its source, then groups of commands, each with `----` and its output:

    nodes 4 traitors 3 [window 8]       first line; without it 4 nodes, all honest. Only honest ones have a core.
    pending 0 1 [oldest a]              these nodes hold a batch (arms timers, lets a leader build)
    build 0 X1                          leader 0 answers its request with a block, from now on called X1
    block Y1 on genesis by 0 [field=n]  a block that nobody proposed yet; fields may be spoiled; body=other;
                                        `closes`: the close block; `opens v1`: with the last NEWVIEW of view 1
    deliver 0->1 0->2 [kind ...]        what waits on these links (kinds: propose prepare commit viewchange newview
                                        certificate status request blocks; none: all but status); `*` is everybody
    drop 0->1 [kind ...]                the same, lost; what is neither delivered nor dropped waits on
    look 0->1 [kind ...]                what waits there
    settle 0 1 2                        deliver among these until only STATUS is left
    wait 1 950 / timeout 1              ms of time for a node / as long as it takes to leave its view
    restart 1 [rotated | records 2]     from its whole journal, a rotated one, or its first records
    slow 1 / check 1 h2 yes             from now on the script answers the checks of blocks
    pen 3 -> 1,2: prepare v0 X1         the key of 3 signs anything: propose, prepare, commit, or
                  viewchange v1 [PHASE vN BLOCK [by 0,1,2]]
                  newview v1 of 0,1,3 [without | PHASE vN BLOCK]   (summaries as they were sent)
                  certificate PHASE vN BLOCK [by 0,1,2] / blocks X2 X1 / request X1 h0 / status v0 h0
    show 1                              where a core stands

HNCHAIN_REWRITE=1 writes the output that comes instead of comparing it.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from consensus.events import Pending
from consensus.messages import (
    BlockReply,
    BlockRequest,
    CertificateMessage,
    Message,
    NewView,
    Proposal,
    Status,
    ViewChange,
    Vote,
)
from primitives.block import Block, batches_root, header_digest, new_view_hash
from primitives.certificate import Certificate, Phase, build_certificate
from primitives.codec import encode
from primitives.hashing import Digest, tagged_hash
from primitives.keys import Signature
from tests.scenarios.protocol_narration import effects_words, message_words
from tests.simulation.stage import Stage

RULE: Final = "----"
TIMEOUT_STEP_MS: Final = 500
TIMEOUT_STEPS: Final = 200
KINDS: Final[dict[str, Callable[[Message], bool]]] = {
    "propose": lambda m: isinstance(m, Proposal),
    "prepare": lambda m: isinstance(m, Vote) and m.phase is Phase.PREPARE,
    "commit": lambda m: isinstance(m, Vote) and m.phase is Phase.COMMIT,
    "viewchange": lambda m: isinstance(m, ViewChange),
    "newview": lambda m: isinstance(m, NewView),
    "certificate": lambda m: isinstance(m, CertificateMessage),
    "status": lambda m: isinstance(m, Status),
    "request": lambda m: isinstance(m, BlockRequest),
    "blocks": lambda m: isinstance(m, BlockReply),
}


class ScriptError(Exception):
    """A line that the language does not know, with its place."""


@dataclass
class Group:
    """Commands and the lines that must come out."""

    commands: list[str]
    golden: list[str]


@dataclass
class Script:
    """A parsed file: its first comment and its groups."""

    header: list[str]
    groups: list[Group] = field(default_factory=list)

    def text(self) -> str:
        """The file as it should be."""
        parts = ["\n".join(self.header)]
        parts += ["\n".join([*group.commands, RULE, *group.golden]) for group in self.groups]
        return "\n\n".join(parts) + "\n"


def parse(text: str) -> Script:
    """Paragraphs: the first is the comment, every other one commands, the rule, output."""
    paragraphs = [paragraph.splitlines() for paragraph in text.strip("\n").split("\n\n")]
    script = Script(paragraphs[0])
    if not all(line.startswith("#") for line in script.header):
        raise ScriptError("a script begins with a comment that cites its rule")
    for lines in paragraphs[1:]:
        place = lines.index(RULE) if RULE in lines else len(lines)
        script.groups.append(Group(lines[:place], lines[place + 1 :]))
    return script


def repeated(lines: list[str]) -> Iterator[tuple[str, int]]:
    """Runs of equal lines with their lengths."""
    for line, run in groupby(lines):
        yield line, len(list(run))


def nodes_of(word: str, everybody: Iterable[int]) -> list[int]:
    """`0,2`, or `*` for everybody."""
    return list(everybody) if word == "*" else [int(number) for number in word.split(",")]


class Play:
    """One script on one stage."""

    def __init__(self) -> None:
        self._stage: Stage | None = None
        self._blocks: dict[str, Block] = {}
        self._names: dict[Digest, str] = {}
        self._view_changes: dict[tuple[int, int], ViewChange] = {}
        self._new_views: dict[int, NewView] = {}  # the last one of each view
        self._told = 0
        self._marks = 0
        self._lines: list[str] = []

    @property
    def stage(self) -> Stage:
        """The stage; four honest nodes unless the script said otherwise."""
        if self._stage is None:
            self._open(["4"])
        assert self._stage is not None
        return self._stage

    def run(self, commands: Iterable[str]) -> list[str]:
        """The output of a group."""
        for command in commands:
            if not command.startswith("#"):
                self._command(command)
        lines, self._lines = self._lines, []
        return [f"{line} ({count} times)" if count > 1 else line for line, count in repeated(lines)]

    def _open(self, words: list[str]) -> None:
        options = dict(zip(words[1::2], words[2::2], strict=True))
        size, traitors = int(words[0]), nodes_of(options["traitors"], ()) if "traitors" in options else []
        honest = [node for node in range(size) if node not in traitors]
        self._stage = Stage(size, honest, int(options.get("window", "8")))
        self._call("genesis", self._stage.genesis)
        self._told = len(self._stage.history)

    def _call(self, name: str, block: Block) -> None:
        self._blocks[name], self._names[header_digest(block.header)] = block, name

    def _name(self, digest: bytes) -> str:
        return self._names.get(Digest(digest), "an unnamed block")

    def _command(self, command: str) -> None:
        verb, *words = command.split()
        if verb == "nodes":
            self._open(words)
            return
        action = getattr(self, f"_do_{verb}", None)
        if action is None:
            raise ScriptError(f"no such command: {command}")
        action(words)
        self._narrate()

    def _narrate(self) -> None:
        stage = self.stage
        for node, effects in stage.history[self._told :]:
            for _, message in effects.send:
                if isinstance(message, ViewChange) and message.summary.signer == node:
                    self._view_changes[message.summary.view, node] = message
                if isinstance(message, NewView) and self.stage.context.leader(message.view) == node:
                    self._new_views[message.view] = message
            self._lines += effects_words(node, effects, self._name)
        self._told = len(stage.history)

    # What happens to the nodes.

    def _do_pending(self, words: list[str]) -> None:
        oldest = None
        if "oldest" in words:
            place = words.index("oldest")
            words, oldest = words[:place], tagged_hash(b"script", words[place + 1].encode())
        for word in words:
            self.stage.step(int(word), Pending(1, oldest))

    def _do_build(self, words: list[str]) -> None:
        node, name = int(words[0]), words[1]
        if node not in self.stage.builds:
            raise ScriptError(f"node {node} asked for no block")
        self._marks += 1
        request = self.stage.builds[node]
        self._call(name, self.stage.child(request, node, self._marks))
        self.stage.build(node, self._marks)

    def _do_block(self, words: list[str]) -> None:
        name, parent = words[0], self._blocks[words[2]]
        options = [word for word in words[3:] if "=" in word]
        proposer = int(words[words.index("by") + 1])
        self._marks += 1
        block = block_on(self.stage, parent, proposer, self._marks)
        changes = dict(option.split("=") for option in options)
        body = changes.pop("body", None)
        if body == "other":
            block = replace(block, batch_digests=(Digest(bytes(32)),))
        if "closes" in words:
            closing = replace(block.header, next_valset_hash=tagged_hash(b"script", b"next"))
            empty = replace(closing, batches_root=batches_root(()))
            block = replace(block, header=closing) if body == "kept" else Block(empty, (), None)
        if "opens" in words:
            raw = encode(self._new_views[_number(words[words.index("opens") + 1])])
            block = replace(block, header=replace(block.header, new_view_hash=new_view_hash(raw)), new_view=raw)
        self._call(name, replace(block, header=replace(block.header, **{k: int(v) for k, v in changes.items()})))

    def _links(self, words: list[str]) -> Iterator[tuple[int, int, list[Message]]]:
        """Take the named kinds off the named links; the rest waits on."""
        everybody = range(self.stage.context.members.size)
        kinds = [KINDS[word] for word in words if "->" not in word]
        for word in words:
            if "->" not in word:
                continue
            senders, receivers = word.split("->")
            for sender in nodes_of(senders, everybody):
                for receiver in nodes_of(receivers, everybody):
                    queue = self.stage.links.get((sender, receiver), deque())
                    taken = [m for m in queue if any(k(m) for k in kinds) or (not kinds and not KINDS["status"](m))]
                    self.stage.links[sender, receiver] = deque(m for m in queue if m not in taken)
                    yield sender, receiver, taken

    def _do_deliver(self, words: list[str]) -> None:
        for sender, receiver, messages in list(self._links(words)):
            for message in messages:
                self._hear(sender, receiver, message)

    def _do_drop(self, words: list[str]) -> None:
        list(self._links(words))

    def _do_look(self, words: list[str]) -> None:
        for sender, receiver, messages in list(self._links(words)):
            self.stage.links[sender, receiver].extendleft(reversed(messages))
            self._lines += [f"{sender} -> {receiver} waits: {message_words(m, self._name)}" for m in messages]

    def _hear(self, sender: int, receiver: int, message: Message) -> None:
        if receiver in self.stage.replicas:
            fault = self.stage.hear(receiver, sender, message)
            if fault is not None:
                self._narrate()
                self._lines.append(f"{receiver} refuses {message_words(message, self._name)}: {fault}")

    def _do_settle(self, words: list[str]) -> None:
        self.stage.settle([int(word) for word in words])

    def _do_wait(self, words: list[str]) -> None:
        self.stage.wait(int(words[0]), int(words[1]))

    def _do_timeout(self, words: list[str]) -> None:
        node = int(words[0])
        view = self.stage.replicas[node].view
        self.stage.step(node, Pending(1))
        for _ in range(TIMEOUT_STEPS):
            if self.stage.replicas[node].view > view:
                return
            self.stage.wait(node, TIMEOUT_STEP_MS)
        self._narrate()
        self._lines.append(f"{node} waits on in v{view}")

    def _do_restart(self, words: list[str]) -> None:
        node, stage = int(words[0]), self.stage
        if words[1:] == ["rotated"]:
            stage.journals[node] = list(stage.replicas[node].journal_snapshot())
        elif words[1:2] == ["records"]:
            stage.journals[node] = stage.journals[node][: int(words[2])]
        stage.restart(node)

    def _do_slow(self, words: list[str]) -> None:
        self.stage.slow_checks.add(int(words[0]))

    def _do_check(self, words: list[str]) -> None:
        self.stage.answer(int(words[0]), int(words[1][1:]), words[2] == "yes")

    def _do_show(self, words: list[str]) -> None:
        for word in words:
            replica = self.stage.replicas[int(word)]
            activity = "active" if replica.active else "inactive"
            undecided = [self._name(header_digest(block.header)) for block in replica.undecided()]
            behind = ", behind" if replica.behind else ""
            chain = " ".join(undecided) or "nothing"
            place = f"v{replica.view} {activity}, decided h{replica.decided}, undecided: {chain}{behind}"
            self._lines.append(f"{word} stands in {place}")

    # What a key signs.

    def _do_pen(self, words: list[str]) -> None:
        signer = int(words[0])
        receivers = nodes_of(words[2].rstrip(":"), self.stage.replicas)
        message = self._penned(signer, words[3], words[4:])
        if isinstance(message, ViewChange):
            self._view_changes[message.summary.view, signer] = message
        if isinstance(message, NewView):
            self._new_views[message.view] = message
        for receiver in receivers:
            self._hear(signer, receiver, message)

    def _penned(self, signer: int, kind: str, words: list[str]) -> Message:
        villain = self.stage.villain(signer)
        match kind:
            case "propose":
                return villain.proposal(_number(words[0]), self._blocks[words[1]])
            case "prepare" | "commit":
                block = self._blocks[words[1]]
                phase = Phase[kind.upper()]
                return villain.vote(phase, _number(words[0]), block.header.height, header_digest(block.header))
            case "viewchange":
                return villain.view_change(_number(words[0]), self._certificate(words[1:]))
            case "newview":
                view, signers = _number(words[0]), nodes_of(words[2], ())
                chosen = [self._view_changes[view, node] for node in signers]
                highest = max(chosen, key=lambda m: (m.summary.high_view, m.summary.high_height)).certificate
                spoken = words[3:]
                certificate = highest if not spoken else self._certificate([w for w in spoken if w != "without"])
                return villain.new_view(view, chosen, certificate)
            case "certificate":
                certificate = self._certificate(words)
                assert certificate is not None, "a certificate names a phase, a view and a block"
                return CertificateMessage(certificate)
            case "blocks":
                return BlockReply(tuple(self._blocks[word] for word in words))
            case "request":
                return BlockRequest(header_digest(self._blocks[words[0]].header), _number(words[1]))
            case "status":
                return Status(0, _number(words[0]), True, _number(words[1]), 0, ())
        raise ScriptError(f"a key signs no {kind}")

    def _certificate(self, words: list[str]) -> Certificate | None:
        if not words:
            return None
        phase, view, block = Phase[words[0].upper()], _number(words[1]), self._blocks[words[2]]
        if len(words) < 4:
            return self.stage.certificate(phase, view, block)
        height, digest = block.header.height, header_digest(block.header)
        votes = {
            node: Signature(self.stage.villain(node).vote(phase, view, height, digest).signature)
            for node in nodes_of(words[4], ())
        }
        return build_certificate(phase, 0, view, height, digest, votes, len(votes))


def _number(word: str) -> int:
    """The number in v3 or h7."""
    return int(word[1:])


def block_on(stage: Stage, parent: Block, proposer: int, mark: int) -> Block:
    """A legal child of any block; it names no certificate, which is legal for the first W heights."""
    header = parent.header
    body = (Digest(mark.to_bytes(32, "big")),)
    child = replace(
        header, epoch=0, height=header.height + 1, parent=header_digest(header), batches_root=batches_root(body),
        tx_root=body[0], exec_height=0, cert_height=0, valset_hash=stage.context.members.hash,
        time_ms=header.time_ms + 1, proposer=proposer, next_valset_hash=None, new_view_hash=None,
    )  # fmt: skip
    return Block(child, body, None)


def check_file(path: Path) -> None:
    """Plays a script; AssertionError where its output differs, unless HNCHAIN_REWRITE is set."""
    script, play = parse(path.read_text()), Play()
    for group in script.groups:
        output = play.run(group.commands)
        if os.environ.get("HNCHAIN_REWRITE"):
            group.golden = output
        said = "\n".join(group.commands)
        assert output == group.golden, f"{path.name}: after\n{said}\ncame\n" + "\n".join(output)
    if os.environ.get("HNCHAIN_REWRITE"):
        path.write_text(script.text())

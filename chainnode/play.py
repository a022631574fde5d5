"""Runs a scenario file step by step on an engine and compares every expectation; one JSON line per step.

    python -m chainnode.play FILE [--engine instant]

Steps and queries do not move time. A step is one block (also a repeated one); `at` and `advance` commit an empty one.
Exit codes: 0 all met, 1 an expectation failed (both values are printed), 2 the file is refused.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from chainnode.play_engine import Engine, Outcome
from chainnode.play_expect import Mismatch, mismatch
from chainnode.play_identities import Cast, build_genesis, play_chain_id
from chainnode.play_instant import open_instant
from chainnode.play_scenario import (
    NOTHING,
    BlockStep,
    CheckStep,
    MoveStep,
    QueryStep,
    Scenario,
    TransactionStep,
    load_scenario,
)
from chainnode.play_transactions import Composed, Composer, Place
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.genesis import Genesis
from primitives.json_form import BadAmount
from primitives.receipt import Receipt, status_of
from primitives.receipt_form import receipt_to_plain
from primitives.validators import Validator

Plain = Any
BuildGenesis = Callable[[tuple[Validator, ...]], Genesis]
OpenEngine = Callable[[BuildGenesis], Engine]
Emit = Callable[[Plain], None]

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
SECONDS_MAX: Final = 253_402_300_799  # the end of the year 9999


class Player:
    """One run of one scenario."""

    def __init__(self, scenario: Scenario, open_engine: OpenEngine, emit: Emit) -> None:
        """Raises: Malformed if the identities, classes and parameters do not make a genesis."""
        self._scenario, self._emit = scenario, emit
        self._cast = Cast(scenario.identities)
        genesis: list[Genesis] = []

        def build(validators: tuple[Validator, ...]) -> Genesis:
            genesis.append(build_genesis(scenario, self._cast, validators))
            return genesis[-1]

        self.engine: Final = open_engine(build)
        self._composer = Composer(scenario.name, self._cast, play_chain_id(genesis[-1]))
        self._now = scenario.start

    def run(self) -> Mismatch | None:
        """Run every step until the first mismatch. Raises: Malformed for a step that names what does not exist."""
        for number, step in enumerate(self._scenario.steps):
            match step:
                case BlockStep():
                    fault = self._run_block(number, step)
                case MoveStep():
                    fault = self._move(number, step)
                case QueryStep():
                    fault = self._query(number, step)
                case CheckStep():
                    fault = self._check(number)
            if fault is not None:
                self._emit({"step": number, "failed": fault.path, "expected": fault.expected, "found": fault.found})
                return fault
        return None

    def _run_block(self, number: int, step: BlockStep) -> Mismatch | None:
        mentions: list[tuple[TransactionStep, Composed | Outcome]] = []
        for item in step.items:
            for repetition in range(1, item.count + 1):
                suffix = f"-{repetition}" if item.count > 1 else ""
                mentions.append((item, self._compose(item, Place(number, len(mentions), suffix))))
        raws = [made.raw for _, made in mentions if isinstance(made, Composed)]
        answers = iter(self.engine.submit_block(raws) if raws else ())
        outcomes = [next(answers) if isinstance(made, Composed) else made for _, made in mentions]
        results = [self._outcome_plain(outcome) for outcome in outcomes]
        single = not step.explicit and (len(outcomes) == 1 or len({o.code for o in outcomes}) == 1)
        codes = [outcome.code.name for outcome in outcomes]
        height = next((o.receipt.height for o in outcomes if o.receipt is not None), None)
        shown = results[0] if len(results) == 1 and not step.explicit else results
        self._line(number, codes[0] if single else codes, height, shown)
        for (item, made), outcome, result in zip(mentions, outcomes, results, strict=True):
            fault = self._compare(item, result)
            if fault is not None:
                return fault
            self._save(item, made, outcome)
        return None

    def _compose(self, item: TransactionStep, place: Place) -> Composed | Outcome:
        """The bytes, or what the JSON edge of a node answers to a body without a canonical form."""
        try:
            return self._composer.compose(item, place, self._now)
        except BadAmount as error:
            return Outcome(Code.BAD_AMOUNT, str(error))
        except Malformed as error:
            return Outcome(Code.DECODE, str(error))

    def _compare(self, item: TransactionStep, result: Plain) -> Mismatch | None:
        expected = item.expect
        if isinstance(expected, str):
            expected = {"code": expected}
        expected = {"code": "OK", **self._composer.resolve(expected, f"{item.path}.expect")}
        return mismatch(expected, result, f"{item.path}.{item.kind}")

    def _save(self, item: TransactionStep, made: Composed | Outcome, outcome: Outcome) -> None:
        if item.save is None:
            return
        if outcome.receipt is not None:
            self._composer.saved[item.save] = created_id(outcome.receipt)
        elif isinstance(made, Composed):
            self._composer.saved[item.save] = made.identity.hex()

    def _move(self, number: int, step: MoveStep) -> Mismatch | None:
        self._now = self._now + step.advance if step.at is None else step.at
        if self._now > SECONDS_MAX:
            raise Malformed(f"$.steps[{number}]: second {self._now}, expected at most {SECONDS_MAX}")
        try:
            self.engine.set_time(self._now)
        except ValueError as error:
            raise Malformed(f"$.steps[{number}]: {error}") from error
        self._line(number, None, self.engine.height, {"time": self._now})
        return None

    def _query(self, number: int, step: QueryStep) -> Mismatch | None:
        parts = [] if step.of is None else step.of.split("/")
        of = "/".join(str(self._composer.resolve(part, f"{step.path}.of")) for part in parts) or None
        found = self.engine.state_root.hex() if step.name == "state_root" else self._ask(step.name, of)
        self._line(number, None, self.engine.height, found)
        if step.save is not None:
            self._composer.saved[step.save] = found
        if step.expect is NOTHING:
            return None
        return mismatch(self._composer.resolve(step.expect, f"{step.path}.expect"), found, f"{step.path}.{step.name}")

    def _ask(self, name: str, of: str | None) -> Plain:
        if of is not None:
            parts = of.split("/")
            names = parts if name == "alert" else parts[:1]  # an order's id may look like a name
            of = "/".join([*(self._cast.text_of(part) or part for part in names), *parts[len(names) :]])
        return self._renamed(self.engine.query(name, of))

    def _check(self, number: int) -> Mismatch | None:
        violations = self.engine.violations()
        self._line(number, None, self.engine.height, {"violations": violations})
        return Mismatch(f"$.steps[{number}].check", [], violations) if violations else None

    def _line(self, number: int, code: Plain, height: int | None, result: Plain) -> None:
        root = self.engine.state_root.hex()
        self._emit({"step": number, "code": code, "height": height, "state_root": root, "result": result})

    def _outcome_plain(self, outcome: Outcome) -> Plain:
        if outcome.receipt is None:
            return {
                "code": outcome.code.name, "number": int(outcome.code), "status": status_of(outcome.code),
                "detail": outcome.detail, "height": None,
            }  # fmt: skip
        return self._renamed(receipt_to_plain(outcome.receipt))

    def _renamed(self, value: Plain) -> Plain:
        """Addresses of the cast become names, also in keys like "A->B"."""
        if isinstance(value, str):
            return "->".join(self._cast.name_of(part) or part for part in value.split("->"))
        if isinstance(value, dict):
            return {self._renamed(key): self._renamed(item) for key, item in value.items()}
        return [self._renamed(item) for item in value] if isinstance(value, list) else value


def created_id(receipt: Receipt) -> str:
    """The hold that the transaction opened or the recovery that it started, else its own id; hex."""
    for event in receipt.events:
        created = {"HoldOpened": "hold", "RecoveryStarted": "recovery"}.get(event.kind)
        if created is not None:
            return dict(event.hashes)[created].hex()
    return receipt.tx.hex()


def play_file(path: Path, open_engine: OpenEngine, emit: Emit) -> int:
    """Play one file. Returns the exit code; what is wrong with a refused file, or both values of a failed expectation,
    go to stderr."""
    try:
        scenario = load_scenario(path.stem, path.read_bytes())
        fault = Player(scenario, open_engine, emit).run()
    except OSError as error:
        print(f"{path}: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE
    except Malformed as error:
        print(f"{path}: {error}", file=sys.stderr)
        return EXIT_USAGE
    if fault is None:
        return EXIT_DONE
    print(f"{path}: {fault.path}: expected {_json(fault.expected)}, found {_json(fault.found)}", file=sys.stderr)
    return EXIT_FAILED


def _json(value: Plain) -> str:
    return msgspec.json.encode(value).decode()


def print_line(line: Plain) -> None:
    """One JSON document on one line of stdout."""
    sys.stdout.write(_json(line) + "\n")
    sys.stdout.flush()


ENGINES: Final[dict[str, OpenEngine]] = {"instant": open_instant}


def main(arguments: list[str] | None = None) -> int:
    """The command; see the top of this file."""
    parser = argparse.ArgumentParser(prog="play", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--engine", choices=sorted(ENGINES), default="instant")
    options = parser.parse_args(arguments)
    return play_file(options.file, ENGINES[options.engine], print_line)


if __name__ == "__main__":
    raise SystemExit(main())

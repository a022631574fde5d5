"""Runs the tests that carry a number of a pitfall and prints a row for each number.

    python -m tests.pitfalls.run [NUMBER ...]

Exit code 1 if a test fails, is skipped, or a number has none.
"""

import sys

import pytest

from tests.pitfalls.marked import ROOT, happened, marked_tests, titles


class Outcomes:
    """A pytest plugin that remembers the worst outcome of every test function."""

    def __init__(self) -> None:
        self.worst: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one case of a test."""
        for name in {report.nodeid, report.nodeid.partition("[")[0]}:
            if report.outcome != "passed":
                self.worst[name] = report.outcome
            else:
                self.worst.setdefault(name, "passed")


def main(arguments: list[str]) -> int:
    """The command."""
    wanted = {int(number) for number in arguments} or set(titles())
    tests = [test for test in marked_tests() if wanted & set(test.numbers)]
    outcomes = Outcomes()
    nodes = [str(ROOT / test.node_id) for test in tests]
    code = pytest.main(["-q", "--no-header", f"--rootdir={ROOT}", *nodes], plugins=[outcomes])
    sound = code == pytest.ExitCode.OK
    for number in sorted(wanted):
        mine = [test for test in tests if number in test.numbers]
        results = [outcomes.worst.get(test.node_id, "not run") for test in mine]
        verdict = "passed" if results and set(results) == {"passed"} else ", ".join(sorted(set(results))) or "NO TEST"
        sound = sound and verdict == "passed"
        mark = "*" if number in happened() else " "
        print(f"{number:3}{mark} {titles()[number]:52} {verdict}")
        for test, result in zip(mine, results, strict=True):
            print(f"       {result:8} {test.node_id}")
    print(f"{len(wanted)} pitfalls, {len(tests)} tests; * happened in a real system")
    return 0 if sound else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""The rows of the tables beside this file; one TOML file per room.

[[mutant]]
name = "what the bug would be, in words"
file = "consensus/votes.py"
old = "text that stands exactly once in the file"
new = "what replaces it"
test = "tests/simulation/test_votes.py::test_quorum"   # the narrowest that must turn red; more than one: blanks
rule = "S10"                                           # left out where the name begins with it: "S10: quorum 2f"
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """One planted bug. `tests` are pytest arguments."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    rule: str = ""  # the rule or pitfall that the bug breaks, "" if it is none of the numbered ones
    table: str = ""  # name of the TOML file

    def applied_to(self, text: str) -> str:
        """The text with the bug in it; ValueError unless `old` stands in it exactly once."""
        found = text.count(self.old)
        if found != 1:
            raise ValueError(f"the old text stands {found} times in {self.file}")
        return text.replace(self.old, self.new)


def load_mutants(folder: Path) -> list[Mutant]:
    """All rows of all tables, in order of file name; ValueError for a row with another set of fields."""
    mutants = []
    for path in sorted(folder.glob("*.toml")):
        for row in tomllib.loads(path.read_text())["mutant"]:
            if set(row) - {"rule"} != {"name", "file", "old", "new", "test"}:
                raise ValueError(f"{path.name}: a row has the fields {sorted(row)}")
            rule = row.get("rule") or rule_of(row["name"])
            tests = tuple(row["test"].split())
            mutants.append(Mutant(row["name"], row["file"], row["old"], row["new"], tests, rule, path.stem))
    return mutants


def rule_of(name: str) -> str:
    """The rule with which a name begins: S10, C7, T26, D8, INV-7, 2.6, or a pitfall."""
    found = re.match(r"(INV-\d+|[A-Z]\d+|\d+\.\d+|pitfall \d+)\b", name)
    return found[1] if found else ""

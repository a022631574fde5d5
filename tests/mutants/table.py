"""The rows of the tables beside this file; one TOML file per room.

[[mutant]]
name = "what the bug would be, in words"
file = "consensus/votes.py"
old = "text that stands exactly once in the file"
new = "what replaces it"
test = "tests/simulation/test_votes.py::test_quorum"   # the narrowest that must turn red; more than one: blanks
"""

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
            if set(row) != {"name", "file", "old", "new", "test"}:
                raise ValueError(f"{path.name}: a row has the fields {sorted(row)}")
            mutants.append(Mutant(row["name"], row["file"], row["old"], row["new"], tuple(row["test"].split())))
    return mutants

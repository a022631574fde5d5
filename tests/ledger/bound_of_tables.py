"""A database that is not opened, only asked how much of it is to be mapped."""

from pathlib import Path

from ledger.failures import LedgerDamaged


class AskedStore:
    """Stands for LevelDbStore; `asked`: the bounds in MiB, in order."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def open(self, path: Path, mapped_mib: int) -> None:
        """Raises: LedgerDamaged, always."""
        self.asked.append(mapped_mib)
        raise LedgerDamaged(f"{path} is only looked at")

"""The voting keys of a node on disk: the present one, and the next one while a change of keys is under way.

A change begins with `<vote_key>.next` and a validator_rekey transaction. When the epoch that names the new key begins,
the old file is overwritten and replaced: who steals the disk later cannot sign for a past epoch (pitfall 65).
"""

import os
from pathlib import Path
from typing import Final

from chainnode.config import read_secret
from primitives.keys import SigningKey

NEXT: Final = ".next"


def next_path(path: Path) -> Path:
    """Where the next key lies beside the present one."""
    return path.with_name(path.name + NEXT)


def read_keys(path: Path) -> tuple[SigningKey, ...]:
    """The present key, then the next one if its file is there. Raises: BadConfiguration."""
    keys = [SigningKey(read_secret(str(path), "vote key"))]
    following = next_path(path)
    if following.exists():
        keys.append(SigningKey(read_secret(str(following), "next vote key")))
    return tuple(keys)


def adopt_key(path: Path, key: SigningKey) -> bool:
    """If `key` is the one in the next file, it becomes the present one and the old one is erased. Whether it was so.

    Overwriting is what a program can do; a file system with copies or a worn flash cell may keep more.
    """
    following = next_path(path)
    if not following.exists() or SigningKey(read_secret(str(following), "next vote key")).public_key != key.public_key:
        return False
    with open(path, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())
    os.replace(following, path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True

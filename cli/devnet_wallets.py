"""The demo identities of a local network as wallets: encrypted, with a passphrase that everybody knows."""

from pathlib import Path
from typing import Final

from chainnode.devnet import write_private
from chainnode.devnet_layout import PEOPLE, person_entropy
from cli.keystore import LIGHT, Unlocked, seal, unlocked, write_keystore
from cli.wallets import DEMO_PASSPHRASE_FILE, SUFFIX, WALLETS
from primitives.address import encode_address

DEMO_PASSPHRASE: Final = "demo"  # noqa: S105  (public by design)


def demo_wallets(seed: bytes) -> dict[str, Unlocked]:
    """All demo identities of a network's seed, by name."""
    return {person.name: unlocked(person_entropy(seed, person.name)) for person in PEOPLE}


def write_wallets(directory: Path, wallets: dict[str, Unlocked]) -> None:
    """DIR/wallets/NAME.json and the file with the passphrase beside them."""
    for name, wallet in wallets.items():
        write_keystore(directory / WALLETS / f"{name}{SUFFIX}", seal(wallet, DEMO_PASSPHRASE.encode(), LIGHT))
    write_private(directory / WALLETS / DEMO_PASSPHRASE_FILE, DEMO_PASSPHRASE.encode() + b"\n")


def addresses(wallets: dict[str, Unlocked]) -> dict[str, str]:
    """Their addresses as text."""
    return {name: encode_address(wallet.address) for name, wallet in wallets.items()}

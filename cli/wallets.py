"""Which wallet signs: keystore files by name, in the user's folder and, for its demo identities, in the devnet's."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from cli.keystore import Unlocked, read_keystore, unseal
from cli.language import t
from cli.network_file import Network, home
from cli.passphrase import PassphraseSource
from cli.read_tickets import TicketBook
from cli.verdicts import Refusal, Verdict, usage
from primitives.address import FUND_ADDRESS, decode_address, encode_address
from primitives.codec import Malformed
from primitives.keys import Address

F = TypeVar("F", bound=Callable[..., Any])
WALLETS: Final = "wallets"
DEMO_PASSPHRASE_FILE: Final = "passphrase"  # noqa: S105  (a file's name, only in a devnet's folder)
SUFFIX: Final = ".json"
ACCOUNT_SUFFIX: Final = ".account"  # beside a keystore: the recovered account that its key signs for
NAME_CHARS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class WalletFile:
    name: str
    path: Path
    demo: bool


@dataclass(frozen=True, slots=True)
class Signer:
    """A wallet that the command may open once it knows that it needs to."""

    wallet: WalletFile
    source: PassphraseSource

    def unlock(self) -> Unlocked:
        """Raises: Refusal, exit 5 for a wrong passphrase or damaged file; it names the wallet."""
        try:
            return self._unlock()
        except Refusal as refusal:
            if refusal.verdict is not Verdict.KEYSTORE:
                raise
            raise Refusal(refusal.verdict, refusal.code, f"{self.wallet.name}: {refusal.detail}") from refusal

    def _unlock(self) -> Unlocked:
        file = read_keystore(self.wallet.path)
        source = self.source
        demo = self.wallet.path.parent / DEMO_PASSPHRASE_FILE
        if self.wallet.demo and source == PassphraseSource(None, None) and demo.is_file():
            source = PassphraseSource(None, demo)
        opened = unseal(file, source.read(t(f"Passphrase of {self.wallet.name}", f"{self.wallet.name} 的口令")))
        return replace(opened, address=self.address)

    @property
    def address(self) -> Address:
        """Without opening it."""
        return wallet_address(self.wallet)


def wallet_folder() -> Path:
    """Of the user."""
    return home() / WALLETS


def check_name(name: str) -> str:
    """A wallet's name; Refusal (exit 2) unless it is letters, digits, - and _."""
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.replace("-", "").replace("_", "").isalnum():
        raise usage(t(f"not a wallet's name: {name[:80]!r}", f"不是合法的钱包名：{name[:80]!r}"))
    return name


def all_wallets(network: Network) -> list[WalletFile]:
    """The user's own first, then the devnet's."""
    folders = [(wallet_folder(), False)]
    if network.directory is not None:
        folders.append((network.directory / WALLETS, True))
    return [
        WalletFile(path.stem, path, demo)
        for folder, demo in folders
        if folder.is_dir()
        for path in sorted(folder.glob(f"*{SUFFIX}"))
    ]


def find_wallet(name: str | None, network: Network) -> WalletFile:
    """The wallet of that name, or the only one there is; Refusal (exit 2) that names them otherwise."""
    wallets = all_wallets(network)
    names = ", ".join(dict.fromkeys(wallet.name for wallet in wallets)) or t("none", "无")
    if name is None:
        own = [wallet for wallet in wallets if not wallet.demo]
        if len(own) == 1:
            return own[0]
        raise usage(t(f"which wallet? There are: {names}", f"请指明钱包，现有：{names}"), "--as NAME")
    for wallet in wallets:
        if wallet.name == name:
            return wallet
    raise usage(t(f"no wallet {name!r}; there are: {names}",
                  f"没有钱包 {name!r}，现有：{names}"), "hnchain wallet new NAME")


def wallet_address(wallet: WalletFile) -> Address:
    """The account that a wallet adopted, else the address in its keystore's header."""
    adopted = wallet.path.with_suffix(ACCOUNT_SUFFIX)
    try:
        if adopted.is_file():
            return decode_address(adopted.read_text(encoding="ascii").strip())
        return decode_address(read_keystore(wallet.path).header.address)
    except (Malformed, UnicodeDecodeError) as error:
        raise usage(f"{wallet.path}: {error}") from error


def adopt_account(wallet: WalletFile, address: Address) -> None:
    """From now on the wallet's key signs for this account, which a recovery gave to it."""
    adopted = wallet.path.with_suffix(ACCOUNT_SUFFIX)
    fresh = adopted.with_suffix(".new-account")
    fresh.write_text(encode_address(address) + "\n", encoding="ascii")
    fresh.replace(adopted)


def resolve(party: str, network: Network) -> Address:
    """The address of a bech32m text, a wallet's or demo identity's name, or FUND; Refusal (exit 2) otherwise."""
    if party == "FUND":
        return FUND_ADDRESS
    try:
        if party.startswith("hn1"):
            return decode_address(party)
        if network.file is not None and party in network.file.identities:
            return decode_address(network.file.identities[party])
    except Malformed as error:
        raise usage(str(error)) from error
    return wallet_address(find_wallet(party, network))


def name_of(address: str, network: Network) -> str:
    """The demo identity's name of an address text if it has one, else the text itself."""
    if network.file is not None:
        for name, known in network.file.identities.items():
            if known == address:
                return name
    return address


def passphrase_options(command: F) -> F:
    """Adds --passphrase-fd and --passphrase-file; the command gets `source`."""

    @click.option("--passphrase-fd", type=int, metavar="N",
                  help=t("Read the passphrase from this file descriptor.", "从该文件描述符读取口令。"))  # fmt: skip
    @click.option("--passphrase-file", type=click.Path(path_type=Path), metavar="FILE",
                  help=t("Read the passphrase from this file of mode 0600.",
                         "从该文件（权限 0600）读取口令。"))  # fmt: skip
    @functools.wraps(command)
    def wrapper(*args: Any, passphrase_fd: int | None, passphrase_file: Path | None, **kwargs: Any) -> Any:
        return command(*args, source=PassphraseSource(passphrase_fd, passphrase_file), **kwargs)

    return wrapper  # type: ignore[return-value]  # adds options only


def with_signer(command: F) -> F:
    """Adds --as and the passphrase options; the command gets `signer`. Stands below with_network."""

    @click.option("--as", "wallet_name", metavar="NAME", help=t("The wallet that signs.", "签名的钱包。"))
    @passphrase_options
    @functools.wraps(command)
    def wrapper(
        *args: Any, network: Network, wallet_name: str | None, source: PassphraseSource, **kwargs: Any
    ) -> Any:
        signer = Signer(find_wallet(wallet_name, network), source)
        network = replace(network, tickets=TicketBook(network, lambda _target: signer))
        return command(*args, network=network, signer=signer, **kwargs)

    return wrapper  # type: ignore[return-value]  # adds options only


def reading_as(network: Network, name: str | None, source: PassphraseSource) -> Network:
    """The network, read as the wallet of that name; without one as the wallet whose address is asked for, or the user's
    only one, and only where a node answers that it needs to know."""

    def choose(target: str) -> Signer | None:
        if name is not None:
            return Signer(find_wallet(name, network), source)
        wallets = all_wallets(network)
        own = [wallet for wallet in wallets if not wallet.demo]
        named = [wallet for wallet in wallets if _is_asked_for(wallet, target)]
        found = named or (own if len(own) == 1 else [])
        return Signer(found[0], source) if found else None

    return replace(network, tickets=TicketBook(network, choose, asked=name is not None))


def _is_asked_for(wallet: WalletFile, target: str) -> bool:
    try:
        return encode_address(wallet_address(wallet)) in target
    except Refusal:  # a damaged file: not this one
        return False


def subject(party: str | None, network: Network) -> Address:
    """Whom a read is about: the named party, else the only own wallet."""
    if party is not None:
        return resolve(party, network)
    return wallet_address(find_wallet(None, network))



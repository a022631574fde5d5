"""A throw-away network of ours as one of the systems: four validators, signed transactions, binary ingress."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.machine import Hardware
from benchmarks.network import Network, throwaway_network
from benchmarks.peers.figures import Entry, Load, Measured
from benchmarks.peers.systems import SystemFailed
from benchmarks.report import Result, Settings
from benchmarks.run import RunFailed, measure
from chainnode.failures import NodeFailure

NAME: Final = "hnchain"
VALIDATORS: Final = 4
PROFILE: Final = "mixed"  # a redemption: debit the payer's points, credit what is owed, keep the order, for good


def entry(machine: Hardware) -> Entry:
    """It does all of it. Its version: the commit, + where the checkout differs from it, and whether it is compiled."""
    version = f"{machine.commit[:12]}{'+' * machine.modified} {machine.code}".strip()
    return Entry(NAME, version, "journal and ledger synced by 3 of 4 validators", ())


@contextmanager
def running(accounts: int, folder: Path) -> Iterator[Network]:
    """Raises: SystemFailed if it does not come up."""
    try:
        with throwaway_network(VALIDATORS, accounts, folder) as network:
            yield network
    except NodeFailure as error:
        raise SystemFailed(f"{NAME}: {error}") from error


def measured(network: Network, load: Load) -> Measured:
    """One load. Raises: SystemFailed."""
    settings = Settings(
        PROFILE, "ingress", 0.0, load.duration, load.warmup, load.outstanding, VALIDATORS, load.accounts
    )  # fmt: skip
    try:
        return measured_of(measure(network, settings, PROFILE, lambda _what, _part: None))
    except (RunFailed, OSError) as error:
        raise SystemFailed(f"{NAME}: {error}") from error


def measured_of(result: Result) -> Measured:
    """The same figures out of the result of `hnchain bench run`."""
    duration = result.settings.duration
    found = [f"{result.chain.lost} answered committed, then lost"] if result.chain.lost else []
    found += [f"{result.endings[name]} {name}" for name in ("rejected", "refused", "expired", "unresolved")
              if result.endings[name]]  # fmt: skip
    found += [] if result.chain.agreed else ["the nodes do not agree"]
    found += result.chain.invariants or ()
    latency = result.latency["all"]
    return Measured(
        result.committed_per_s, latency.p50, latency.p99, round(result.committed_per_s * duration),
        result.cost.nodes_cores * duration, result.cost.generator_cores * duration, result.endings, tuple(found),
        result.histograms["all"],
    )  # fmt: skip

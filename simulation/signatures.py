"""Keys of a simulated network: real Ed25519, or a model that costs a tenth and that nobody in the run can forge."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Protocol

from primitives import keys
from primitives.keys import PublicKey, Signature, SigningKey

Sign = Callable[[bytes], Signature]


class Scheme(Protocol):
    """One run's signatures. Verdicts are cached: a run shows every node the same bytes."""

    def public_key(self, node: int) -> PublicKey:
        """The voting key of a node."""
        ...

    def signer(self, node: int) -> Sign:
        """The secret of a node, as a function."""
        ...

    def verify(self, key: PublicKey, message: bytes, signature: Signature) -> bool:
        """Whether the holder of `key` signed `message`."""
        ...


class Modelled:
    """Signature = keyed hash under a secret that only this object holds; it stands in for unforgeability."""

    def __init__(self, seed: int) -> None:
        self._secret = blake2b(f"model {seed}".encode(), digest_size=32).digest()

    def public_key(self, node: int) -> PublicKey:
        """See Scheme."""
        return PublicKey(blake2b(node.to_bytes(2, "big"), key=self._secret, digest_size=32).digest())

    def signer(self, node: int) -> Sign:
        """See Scheme."""
        key = self.public_key(node)
        return lambda message: self._signature(key, message)

    def verify(self, key: PublicKey, message: bytes, signature: Signature) -> bool:
        """See Scheme."""
        return self._signature(key, message) == signature

    def _signature(self, key: PublicKey, message: bytes) -> Signature:
        return Signature(blake2b(key + message, key=self._secret, digest_size=64).digest())


class Ed25519:
    """The product's own signatures."""

    def __init__(self, seed: int, nodes: int) -> None:
        self._keys = [
            SigningKey.from_seed(blake2b(f"key {seed} {node}".encode(), digest_size=32).digest())
            for node in range(nodes)
        ]
        self._verdicts: dict[tuple[bytes, bytes, bytes], bool] = {}  # one run, a few thousand entries

    def public_key(self, node: int) -> PublicKey:
        """See Scheme."""
        return self._keys[node].public_key

    def signer(self, node: int) -> Sign:
        """See Scheme."""
        return self._keys[node].sign

    def verify(self, key: PublicKey, message: bytes, signature: Signature) -> bool:
        """See Scheme."""
        case = (key, message, signature)
        verdict = self._verdicts.get(case)
        if verdict is None:
            verdict = self._verdicts[case] = keys.verify(key, message, signature)
        return verdict

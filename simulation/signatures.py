"""Keys of a simulated network: real Ed25519, or a model that costs a tenth and that nobody in the run can forge."""

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Protocol

from primitives import keys
from primitives.keys import PublicKey, Signature, SigningKey

Sign = Callable[[bytes], Signature]
_SECRET: Final = blake2b(b"model", digest_size=32).digest()


@lru_cache(maxsize=256)
def real_key(name: str) -> SigningKey:
    """The Ed25519 key of a name, the same in every run."""
    return SigningKey.from_seed(blake2b(f"key {name}".encode(), digest_size=32).digest())


class ModelKey(SigningKey):
    """A real public key, for what enters the state; its signatures are those of the model."""

    __slots__ = ()

    def sign(self, message: bytes) -> Signature:
        """A keyed hash under a secret that only this module holds."""
        return _model_signature(self.public_key, message)


@lru_cache(maxsize=256)
def model_key(name: str) -> ModelKey:
    """The key of the same name that signs by the model."""
    return ModelKey(real_key(name).seed)


def _model_signature(key: PublicKey, message: bytes) -> Signature:
    return Signature(blake2b(key + message, key=_SECRET, digest_size=64).digest())


class Scheme(Protocol):
    """One run's signatures. A node's voting key is that of "vote/<number>"."""

    def key(self, name: str) -> SigningKey:
        """The key of a name."""
        ...

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
    """Signature = keyed hash under a secret of this module; it stands in for unforgeability."""

    def key(self, name: str) -> SigningKey:
        """See Scheme."""
        return model_key(name)

    def public_key(self, node: int) -> PublicKey:
        """See Scheme."""
        return real_key(f"vote/{node}").public_key

    def signer(self, node: int) -> Sign:
        """See Scheme."""
        return model_key(f"vote/{node}").sign

    def verify(self, key: PublicKey, message: bytes, signature: Signature) -> bool:
        """See Scheme."""
        return _model_signature(key, message) == signature


class Ed25519:
    """The product's own signatures. Verdicts are cached: a run shows every node the same bytes."""

    def __init__(self) -> None:
        self._verdicts: dict[tuple[bytes, bytes, bytes], bool] = {}  # one run, a few thousand entries

    def key(self, name: str) -> SigningKey:
        """See Scheme."""
        return real_key(name)

    def public_key(self, node: int) -> PublicKey:
        """See Scheme."""
        return real_key(f"vote/{node}").public_key

    def signer(self, node: int) -> Sign:
        """See Scheme."""
        return real_key(f"vote/{node}").sign

    def verify(self, key: PublicKey, message: bytes, signature: Signature) -> bool:
        """See Scheme."""
        case = (key, message, signature)
        verdict = self._verdicts.get(case)
        if verdict is None:
            verdict = self._verdicts[case] = keys.verify(key, message, signature)
        return verdict

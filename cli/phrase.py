"""Recovery phrases: 12 or 24 words for 16 or 32 random bytes (BIP 39), and the signing key behind them (SLIP 10).

The Chinese phrase is another spelling of the same bytes, so both spellings restore the same account.
"""

import hmac
from functools import cache
from hashlib import sha512
from typing import Final, Literal

from mnemonic import Mnemonic

from cli.language import t
from cli.verdicts import Refusal, usage
from primitives.keys import SigningKey

PhraseLanguage = Literal["en", "zh"]
ENTROPY_BYTES: Final = {12: 16, 24: 32}
PURPOSE: Final = 44
COIN: Final = 1717  # of this project; unregistered
HARDENED: Final = 1 << 31
_LISTS: Final[dict[PhraseLanguage, str]] = {"en": "english", "zh": "chinese_simplified"}


@cache
def _words(language: PhraseLanguage) -> Mnemonic:
    return Mnemonic(_LISTS[language])


def phrase_of(entropy: bytes, language: PhraseLanguage) -> str:
    """The words; Chinese ones are single characters."""
    text: str = _words(language).to_mnemonic(entropy)
    return text


def entropy_of(phrase: str) -> bytes:
    """The bytes of a phrase in either language; Chinese characters may stand without blanks.

    Raises: Refusal (exit 2) for a wrong count, an unknown word or a bad checksum.
    """
    words = phrase.lower().split()
    languages: tuple[PhraseLanguage, ...] = ("en",) if phrase.isascii() else ("zh",)
    if languages == ("zh",):
        words = [char for word in words for char in word]
    if len(words) not in ENTROPY_BYTES:
        raise usage(t(f"a recovery phrase has 12 or 24 words, not {len(words)}",
                      f"助记词应为 12 或 24 个，收到 {len(words)} 个"))
    for language in languages:
        if _words(language).check(" ".join(words)):
            return bytes(_words(language).to_entropy(words))
    raise _mistyped(words, languages[0])


def _mistyped(words: list[str], language: PhraseLanguage) -> Refusal:
    unknown = [i + 1 for i, word in enumerate(words) if word not in _words(language).wordlist]
    if unknown:  # positions only: the words are secret
        return usage(t(f"unknown words at {unknown}", f"第 {unknown} 个词不在词表中"))
    return usage(t("the phrase's checksum is wrong: a word is mistyped or misplaced", "校验不符：有词写错或顺序有误"))


def derive_key(entropy: bytes, index: int = 0) -> SigningKey:
    """Key number `index` of a phrase: SLIP 10 for Ed25519 at m/44'/1717'/index', from the English words' seed."""
    seed = Mnemonic.to_seed(phrase_of(entropy, "en"), "")
    node = hmac.digest(b"ed25519 seed", seed, sha512)
    for number in (PURPOSE, COIN, index):
        data = b"\x00" + node[:32] + (HARDENED | number).to_bytes(4, "big")
        node = hmac.digest(node[32:], data, sha512)
    return SigningKey.from_seed(node[:32])

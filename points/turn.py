"""One transaction's turn: what its rule reads, and the draft into which it writes.

A rule returns a Code. Everything else that a receipt tells is left here: detail, the first of a repetition, events.
A rule may write before it has checked everything: the caller rolls the draft back on any code but OK.
"""

from collections.abc import Callable
from typing import Any, Final

from points.days import DAY_SECONDS, date_of, day_of
from points.keys import HEAD_KEY, PARAMS_KEY, PAUSE_KEY, class_key
from points.state import NOBODY, Account, Class, Frozen
from points.view import Overlay, Remembered
from primitives.codec import U64_MAX
from primitives.codes import Code
from primitives.genesis import Parameters
from primitives.keys import PublicKey, Signature
from primitives.kinds import AccountKey
from primitives.receipt import Event, First

Fields = tuple[tuple[str, int | str], ...]  # of an Event
Verify = Callable[[PublicKey, bytes, Signature], bool]  # whether the key signed the message


class Turn:
    """The transaction being applied. One object serves a whole block; `begin` resets it for the next transaction.

    `verify` checks signatures inside bodies (requests, pay codes, sponsors); None where admission did.
    """

    __slots__ = (
        "_classes", "account", "chain_id", "class_of", "day", "detail", "draft", "events", "first", "get", "height",
        "index", "obligations", "operation", "overflow", "params", "paused_until", "programs", "put", "row",
        "sender", "signers", "time", "tx", "verify", "window", "year",
    )  # fmt: skip

    def __init__(self, draft: Overlay, time_s: int, height: int, chain_id: bytes, verify: Verify | None) -> None:
        self.draft: Final = draft
        self.get: Final = draft.get
        self.put: Final = draft.put
        self.time: Final = time_s
        self.day: Final = day_of(time_s)
        self.year: Final = date_of(self.day)[0]
        self.height: Final = height
        self.chain_id: Final = chain_id
        self.verify: Final = verify
        self.params: Parameters = draft.get(PARAMS_KEY)
        self.programs: Final[dict[str, Any]] = {}  # by class id; of issuing.program_of alone
        self.paused_until = 0  # no value moves before this second
        self._classes: Final = Remembered(lambda class_id: draft.get(class_key(class_id)))
        # The class of points that somebody holds; it exists. Remembered for the block: every payment asks.
        self.class_of: Final[Callable[[str], Class]] = self._classes.__getitem__
        self.reload()
        self.window = 0
        self.obligations = b""  # the first bytes of every obligation key of the open window
        self.enter_window(draft.get(HEAD_KEY).window)
        self.begin(b"", 0, b"")

    def reload(self) -> None:
        """Call it when the parameters or the pause were written, or writes of a decision were taken back."""
        self._classes.clear()
        self.programs.clear()
        self.params = self.get(PARAMS_KEY)
        pause = self.get(PAUSE_KEY)
        self.paused_until = 0 if pause is None else pause.until

    def enter_window(self, window: int) -> None:
        """Obligations go to this window from now on."""
        self.window = window
        self.obligations = b"Y" + window.to_bytes(8, "big")

    def begin(self, tx: bytes, index: int, sender: bytes) -> None:
        """The next transaction: its id, its position in the block, its sender."""
        self.tx = tx
        self.index = index
        self.operation = 0  # index in a batch envelope
        self.sender = sender
        self.account: Account = NOBODY
        self.signers: tuple[AccountKey, ...] = ()
        self.detail = ""
        self.first: First | None = None
        self.overflow = False
        self.events: list[Event] = []
        self.row: Any = None  # of issues whose sums are not written yet; of issuing.settle alone

    def put_class(self, class_id: str, record: Class) -> None:
        """Write a class; the only way to do so."""
        self._classes.pop(class_id, None)
        self.put(class_key(class_id), record)

    def refuse(self, code: Code, detail: str) -> Code:
        """A reject with the sentence that names the values."""
        self.detail = detail
        return code

    def add(self, total: int, amount: int) -> int:
        """A sum for the state. Beyond 2**64 - 1 the turn ends with OVERFLOW, never with a wrapped number (D17)."""
        total += amount
        assert total >= 0, "a sum of the state fell below zero"
        if total > U64_MAX:
            self.overflow = True
        return total

    def frozen(self) -> bool:
        """Whether the sender is frozen in either mode: it may start nothing (D19)."""
        account = self.account
        return bool(account.frozen) and self.time < account.frozen_until

    def signed(self, key: bytes, digest: Callable[[], bytes], signature: bytes) -> bool:
        """Whether a signature inside a body is valid; the digest is not computed where admission has checked it."""
        return self.verify is None or self.verify(PublicKey(key), digest(), Signature(signature))

    def active(self, record: Any) -> bool:
        """Whether an order record still counts: it leaves the state max(refund, return window) after it was made."""
        return bool(self.time <= record.created + self.retention())

    def retention(self) -> int:
        """Seconds for which an order can still be refunded or reversed (D20)."""
        return max(self.params.refund_window_days, self.params.return_window_days) * DAY_SECONDS

    def repeated(self, same: bool, record: Any) -> Code:
        """The answer to a key that was used before (D2): OK_DUPLICATE with the first, or a conflict."""
        if not same:
            return Code.IDEMPOTENCY_CONFLICT
        self.first = First(record.tx, record.height, record.index)
        return Code.OK_DUPLICATE


_NOT_FROZEN: Final = Frozen.NO
_FROZEN_ALL: Final = Frozen.ALL


def frozen_mode(account: Account, time_s: int) -> Frozen:
    """The freeze in force: it ends by itself at frozen_until."""
    if account.frozen and time_s < account.frozen_until:
        return account.frozen
    return _NOT_FROZEN


def is_shut(account: Account, time_s: int) -> bool:
    """Whether the account is frozen in mode ALL: nothing may come in either (D19)."""
    return account.frozen is _FROZEN_ALL and time_s < account.frozen_until

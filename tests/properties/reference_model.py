"""A second, slow implementation of the points rules, written from their description alone: dicts, names, brute force.

It sweeps every lot when time moves and recomputes sums from scratch. Each operation answers the set of codes that may
be given: more than one where several things are wrong at once, because precedence is tested elsewhere.
"""

from tests.properties.reference_books import Books
from tests.properties.reference_records import (
    FUND,
    UY,
    Codes,
    HoldModel,
    LegModel,
    OrderModel,
    WindowModel,
    choose_legs,
    day_of,
    expiry_of,
    greedy_payments,
    midnight_after,
    round_to_fen,
)


class Model(Books):
    """The operations, each as one method, and time."""

    def issue(self, merchant: str, class_id: str, to: str, units: int, order_id: str, cash: int) -> Codes:
        compared = (to, class_id, units, cash)
        known = self.orders.get((merchant, order_id))
        if known is not None:
            return {"OK_DUPLICATE" if known.kind == "issue" and known.compared == compared else "IDEMPOTENCY_CONFLICT"}
        of = self.classes[class_id]
        faults = set()
        if not units:
            faults.add("BAD_AMOUNT")
        if of.issuer != merchant:
            return faults | {"NOT_ISSUER"}
        if self.outstanding(merchant) + self.payable(merchant) + units * of.uv > self.cap(merchant):
            faults.add("RESERVE_EXCEEDED")
        if faults:
            return faults
        key = (expiry_of(self.today, of.days, of.bucket), class_id, 0, self.today + of.pending if of.pending else 0)
        self._mature(to)
        self._lot(to, key).avail += units
        of.issued += units
        self.orders[merchant, order_id] = OrderModel("issue", compared, self.now, to, lot=key, units=units)
        return {"OK"}

    def reverse(self, merchant: str, order_id: str, units: int) -> Codes:
        known = self.orders.get((merchant, order_id))
        if not units:
            return {"BAD_AMOUNT", "ORDER_UNKNOWN"} if known is None or known.kind != "issue" else {"BAD_AMOUNT"}
        if known is None or known.kind != "issue":
            return {"ORDER_UNKNOWN"}
        if self.now > known.created + 30 * 86_400:
            return {"RETURN_WINDOW"}
        if units > known.units - known.reversed:
            return {"REVERSAL_EXCEEDS"}
        assert known.lot is not None
        self._mature(known.payer)
        own = known.lot if known.lot[3] > self.today else (*known.lot[:3], 0)
        lots = self.lots[known.payer]
        known.reversed += units
        for key in [own, *sorted(k for k in lots if k[1] == own[1] and k != own)]:
            taken = min(units, lots[key].avail) if key in lots else 0
            if taken:
                lots[key].avail -= taken
                self.classes[key[1]].burned += taken
                units -= taken
        return {"OK"}

    def redeem(self, kind: str, payer: str, payee: str, order_id: str, value: int) -> Codes:
        known = self.orders.get((payee, order_id))
        if known is not None:
            return {"OK_DUPLICATE" if known.compared == (kind, payer, value) else "IDEMPOTENCY_CONFLICT"}
        if not value:
            return {"BAD_AMOUNT"}
        legs = self._select(payer, payee, value * UY)
        if legs is None:
            return {"INSUFFICIENT"}
        for leg in legs:
            self.lots[payer][leg.lot].avail -= leg.units
        self._book_payment(payee, legs)
        self.orders[payee, order_id] = OrderModel(kind, (kind, payer, value), self.now, payer, value, legs=legs)
        return {"OK"}

    def authorize(self, payer: str, merchant: str, value: int, ttl: int, hold_id: str) -> Codes:
        if not value:
            return {"BAD_AMOUNT"}
        if sum(hold.payer == payer and hold.state == "OPEN" for hold in self.holds.values()) >= 64:
            return {"HOLD_LIMIT", "INSUFFICIENT"}
        legs = self._select(payer, merchant, value * UY)
        if legs is None:
            return {"INSUFFICIENT"}
        for leg in legs:
            lot = self.lots[payer][leg.lot]
            lot.avail, lot.held = lot.avail - leg.units, lot.held + leg.units
        self.holds[hold_id] = HoldModel(payer, merchant, value, self.now + ttl, legs)
        return {"OK"}

    def capture(self, merchant: str, hold_id: str, value: int, order_id: str) -> Codes:
        known = self.orders.get((merchant, order_id))
        if known is not None:
            same = known.compared == ("capture", hold_id, value)
            return {"OK_DUPLICATE" if same else "IDEMPOTENCY_CONFLICT"}
        hold = self.holds[hold_id]
        faults = set() if value else {"BAD_AMOUNT"}
        if self._is_forgotten(hold):
            return faults | {"HOLD_UNKNOWN"}
        if hold.merchant != merchant:
            return faults | {"NOT_AUTHORISED"}
        if hold.state != "OPEN":
            faults.add("HOLD_NOT_OPEN")
        if value > hold.value:
            faults.add("CAPTURE_EXCEEDS_HOLD")
        if faults:
            return faults
        legs = choose_legs([(leg.lot, leg.units) for leg in hold.legs], self._uv, value * UY)
        assert legs is not None, "a hold pays every value up to its own"
        used = {leg.lot: leg.units for leg in legs}
        for leg in hold.legs:
            self._lot(hold.payer, leg.lot).held -= used.get(leg.lot, 0)
            self._give_back(hold.payer, leg.lot, leg.units - used.get(leg.lot, 0))
        self._book_payment(merchant, legs)
        hold.state, hold.closed = "CAPTURED", self.now
        compared = ("capture", hold_id, value)
        self.orders[merchant, order_id] = OrderModel("capture", compared, self.now, hold.payer, value, legs=legs)
        return {"OK"}

    def _release(self, hold: HoldModel, state: str) -> None:
        for leg in hold.legs:
            self._give_back(hold.payer, leg.lot, leg.units)
        hold.state, hold.closed = state, self.now

    def _is_forgotten(self, hold: HoldModel) -> bool:
        return hold.state != "OPEN" and self.now > hold.closed + 180 * 86_400

    def void(self, sender: str, hold_id: str) -> Codes:
        hold = self.holds[hold_id]
        if self._is_forgotten(hold):
            return {"HOLD_UNKNOWN"}
        if sender != hold.merchant:
            return {"NOT_AUTHORISED"}
        if hold.state != "OPEN":
            return {"HOLD_NOT_OPEN"}
        self._release(hold, "VOIDED")
        return {"OK"}

    def refund(self, merchant: str, order_id: str, refund_id: str, value: int) -> Codes:
        done = self.refunds.get((merchant, order_id, refund_id))
        if done is not None:
            return {"OK_DUPLICATE" if done == value else "IDEMPOTENCY_CONFLICT"}
        order = self.orders.get((merchant, order_id))
        faults = set() if value else {"BAD_AMOUNT"}
        if order is None or order.kind == "issue":
            return faults | {"ORDER_UNKNOWN"}
        if value > order.value - order.refunded:
            faults.add("REFUND_EXCEEDS")
        if faults:
            return faults
        left = value * UY
        self._mature(order.payer)
        for leg in reversed(order.legs):
            part = min(left, leg.pay - leg.refunded)
            if part:
                self._refund_leg(merchant, order.payer, leg, leg.refunded + part)
                left -= part
        order.refunded += value
        self.refunds[merchant, order_id, refund_id] = value
        return {"OK"}

    def _cumulative(self, leg: LegModel, uv: int) -> tuple[int, int, int, int]:
        """D7 at the present `refunded`: units, m->i, FUND->i, m->FUND."""
        c, whole = leg.refunded, leg.refunded == leg.pay
        units = leg.units if whole else c // uv
        goods = leg.pay if whole else units * uv
        fee_back = leg.fee * goods // leg.pay
        return units, goods - fee_back, fee_back + (leg.over if whole else 0), c - goods

    def _refund_leg(self, merchant: str, payer: str, leg: LegModel, upto: int) -> None:
        of = self.classes[leg.lot[1]]
        before = self._cumulative(leg, of.uv)
        leg.refunded = upto
        units, to_issuer, from_fund, to_fund = (
            after - old for after, old in zip(self._cumulative(leg, of.uv), before, strict=True)
        )
        self._owe(merchant, of.issuer, to_issuer)
        self._owe(FUND, of.issuer, from_fund)
        self._owe(merchant, FUND, to_fund)
        of.restored += units
        bucket, class_id, ext, _ = leg.lot
        if bucket > self.now:
            self._lot(payer, (bucket, class_id, ext, 0)).avail += units
        elif of.policy == "GRACE" and not ext:
            self._lot(payer, (midnight_after(self.today + of.grace), class_id, -1, 0)).avail += units
        else:
            of.expired += units

    def exchange(self, payer: str, class_id: str, units: int, to_class: str, min_out: int) -> Codes:
        if class_id == to_class:
            return {"BAD_CLASS", "BAD_AMOUNT"} if not units else {"BAD_CLASS"}
        source, target = self.classes[class_id], self.classes[to_class]
        value = units * source.uv
        fee = -(-value * self.exchange_bps // 10_000)
        out = (value - fee) // target.uv
        dust = value - fee - out * target.uv
        self._mature(payer)
        lots = self.lots[payer]
        keys = sorted(key for key in lots if key[1] == class_id and not key[3] and lots[key].avail)
        faults = set() if units else {"BAD_AMOUNT"}
        if sum(lots[key].avail for key in keys) < units:
            faults.add("INSUFFICIENT")
        if out < 1:
            faults.add("AMOUNT_TOO_SMALL")
        elif out < min_out:
            faults.add("MIN_OUT")
        load = self.outstanding(target.issuer) + self.payable(target.issuer) + out * target.uv
        if source.issuer == target.issuer:
            load -= value
        if load > self.cap(target.issuer):
            faults.add("RESERVE_EXCEEDED")
        if faults:
            return faults
        earliest, ext, left = keys[0][0], 0, units
        for key in keys:
            taken = min(left, lots[key].avail)
            lots[key].avail -= taken
            left -= taken
            ext = min(ext, key[2]) if taken else ext
        expiry = min(earliest, expiry_of(self.today, target.days, target.bucket))
        self._lot(payer, (expiry, to_class, ext, 0)).avail += out
        source.burned += units
        target.exch_in += out
        self._owe(source.issuer, target.issuer, out * target.uv)
        self._owe(source.issuer, FUND, fee + dust)
        return {"OK"}

    def transfer(self, sender: str, class_id: str, units: int, to: str) -> Codes:
        if sender == to:
            return {"SELF_TRANSFER"} if units else {"SELF_TRANSFER", "BAD_AMOUNT"}
        self._mature(sender)
        self._mature(to)
        lots = self.lots[sender]
        keys = sorted(key for key in lots if key[1] == class_id and not key[3])
        if not units or sum(lots[key].avail for key in keys) < units:
            return {"BAD_AMOUNT"} if not units else {"INSUFFICIENT"}
        for key in keys:
            taken = min(units, lots[key].avail)
            lots[key].avail -= taken
            self._lot(to, key).avail += taken
            units -= taken
        return {"OK"}

    # ---- windows and time

    def close_window(self, address_of: dict[str, bytes]) -> Codes:
        window = self.windows[-1]
        nets = self.nets()
        fen, self.carry = round_to_fen(nets, address_of)
        window.amounts = greedy_payments(fen, address_of)
        window.legs = dict.fromkeys(window.amounts, "DUE")
        window.closed, window.fen = True, fen
        self.windows.append(WindowModel())
        return {"OK"}

    def advance(self, to: int, address_of: dict[str, bytes]) -> None:
        """Move time: holds end, lots expire, and a window closes if a cut at 02:00 UTC+8 was passed (D10)."""
        before, self.now = self.now, to
        for hold in self.holds.values():
            if hold.state == "OPEN" and hold.expires <= to:
                self._release(hold, "EXPIRED")
        for lots in self.lots.values():
            for key, lot in lots.items():
                if key[0] <= to:
                    self.classes[key[1]].expired += lot.avail
                    lot.avail = 0
        self.orders = {key: order for key, order in self.orders.items() if to <= order.created + 180 * 86_400}
        self.refunds = {key: value for key, value in self.refunds.items() if key[:2] in self.orders}
        if day_of(before - 7200) != day_of(to - 7200):
            self.close_window(address_of)

"""What the demo plays, and what must come of it: orders made up from a seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import msgspec
from order_signals import OrderPlaced, PaymentReceived, Picked, Reviewed, Shipped

from resumable import Signal

OUTCOMES = ("shipped", "late", "refused", "abandoned")
WEIGHTS = (72, 8, 8, 12)

#: Time limits of the orders that run into one. All others have the workflow's own, which are days.
SHORT = timedelta(seconds=8)
#: Over how many seconds the orders come in.
SPREAD = 12.0

ORDERS, PAYMENTS, REPLICA = "orders", "payments", "payments-2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One push of one service. `at` counts in seconds from the beginning; None: after the order was given up."""

    at: float | None
    service: str
    uid: str
    signal: Signal

    def line(self) -> str:
        name, payload = type(self.signal).__name__, msgspec.Raw(msgspec.json.encode(self.signal))
        return msgspec.json.encode({"signal": name, "uid": self.uid, "payload": payload}).decode() + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as it is played. `steps` are the turns its instance takes."""

    order_id: str
    outcome: str
    paid: Decimal
    steps: int
    pushes: Sequence[Push]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the input implies."""

    outcomes: dict[str, int]
    signals: int
    pushes: int
    steps: int
    too_late: int

    @property
    def duplicates(self) -> int:
        return self.pushes - self.signals


def orders(count: int, seed: int) -> list[Order]:
    chance = random.Random(seed)  # noqa: S311 - a play, not a secret
    outcomes = chance.choices(OUTCOMES, WEIGHTS, k=count)
    outcomes[: len(OUTCOMES)] = OUTCOMES  # each at least once
    return [order(chance, f"A{number:04}", outcome) for number, outcome in enumerate(outcomes, 1)]


def order(chance: random.Random, order_id: str, outcome: str) -> Order:
    at = chance.uniform(1.0, SPREAD)
    parts = [Decimal(chance.randint(100, 9999)) / 100 for _ in range(chance.randint(1, 4))]
    missing = Decimal("0.01") if outcome == "abandoned" else Decimal(0)
    placed = OrderPlaced(order_id=order_id, total=sum(parts, missing), **limits(outcome))
    pushes = [Push(at=at, service=ORDERS, uid=f"{order_id}/placed", signal=placed)]
    for number, amount in enumerate(parts, 1):
        pushes += payment(chance, at, f"{order_id}/payment/{number}", PaymentReceived(order_id=order_id, amount=amount))
    if outcome == "abandoned":
        last = PaymentReceived(order_id=order_id, amount=missing)
        pushes.append(Push(at=None, service=PAYMENTS, uid=f"{order_id}/payment/late", signal=last))
        steps = 1 + len(parts) + 1
    else:
        handling = handled(order_id, outcome)
        for kind, signal in handling:
            pushes.append(
                Push(at=at + chance.uniform(0.0, 4.0), service=ORDERS, uid=f"{order_id}/{kind}", signal=signal)
            )
        steps = 1 + len(parts) + len(handling) + (outcome == "late")
    return Order(order_id=order_id, outcome=outcome, paid=sum(parts, Decimal(0)), steps=steps, pushes=pushes)


def limits(outcome: str) -> dict[str, timedelta]:
    if outcome == "abandoned":
        return {"pay_within": SHORT}
    return {"ship_within": SHORT} if outcome == "late" else {}


def payment(chance: random.Random, at: float, uid: str, signal: PaymentReceived) -> Iterator[Push]:
    """One part: some before the order itself, some told twice by one machine or by two."""
    when = at + chance.uniform(-1.0, 1.5)
    yield Push(at=when, service=PAYMENTS, uid=uid, signal=signal)
    if chance.random() < 0.15:
        yield Push(at=when + chance.uniform(0.0, 2.0), service=PAYMENTS, uid=uid, signal=signal)
    if chance.random() < 0.15:
        yield Push(at=when + chance.uniform(0.0, 2.0), service=REPLICA, uid=uid, signal=signal)


def handled(order_id: str, outcome: str) -> list[tuple[str, Signal]]:
    found: list[tuple[str, Signal]] = [
        ("picked", Picked(order_id=order_id, boxes=1)),
        ("reviewed", Reviewed(order_id=order_id, approved=outcome != "refused")),
    ]
    if outcome == "shipped":
        found.append(("shipped", Shipped(order_id=order_id, carrier="post")))
    return found


def expected(played: Sequence[Order]) -> Expected:
    pushes = [push for each in played for push in each.pushes]
    return Expected(
        outcomes=dict(Counter(each.outcome for each in played)),
        signals=len({push.uid for push in pushes}),
        pushes=len(pushes),
        steps=sum(each.steps for each in played),
        too_late=sum(push.at is None for push in pushes),
    )

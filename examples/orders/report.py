"""Looks into the engine's tables: how far the orders are, and whether they came out as they must."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Counts of what the engine has; `matched` are the signals that matching has passed."""

    orders: int
    ended: int
    signals: int
    matched: int
    steps: int

    @property
    def waiting(self) -> int:
        return self.orders - self.ended


def progress() -> Progress:
    from apps.instances.models import History, Instance
    from apps.signals.models import Cursor, Signal

    position = Cursor.objects.values_list("position", flat=True).first() or 0
    return Progress(
        orders=Instance.objects.count(),
        ended=Instance.objects.filter(ended_at__isnull=False).count(),
        signals=Signal.objects.count(),
        matched=Signal.objects.filter(pk__lte=position).count(),
        steps=History.objects.count(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What became of one order."""

    outcome: str
    paid: Decimal
    steps: int


def came() -> dict[str, Came]:
    from apps.instances.models import History, Instance

    last = {each.instance_id: each for each in History.objects.order_by("seq")}
    return {
        each.key: Came(
            outcome=each.result if each.status == "completed" else each.status,
            paid=Decimal(last[each.pk].state["paid"]["$decimal"]),
            steps=each.revision,
        )
        for each in Instance.objects.all()
    }


def show(orders: Sequence[plan.Order], expected: plan.Expected, *, killed: int, seconds: float) -> bool:
    """Print what happened next to what the input implies; whether they agree, order by order."""
    now, became = progress(), came()
    outcomes = Counter(each.outcome for each in became.values())
    rows = [
        ("orders", len(became), len(orders)),
        *((f"  {name}", outcomes[name], expected.outcomes.get(name, 0)) for name in plan.OUTCOMES),
        ("signals", now.signals, expected.signals),
        ("duplicates ignored", expected.pushes - now.signals, expected.duplicates),
        ("payments too late", too_late(), expected.too_late),
        ("steps", now.steps, expected.steps),
        ("workers killed", killed, 1),
    ]
    print(f"\n{'':20} {'came':>8} {'expected':>8}")
    for name, is_so, should in rows:
        print(f"{name:20} {is_so:8} {should:8}{'' if is_so == should else '   <-- differs'}")
    print(f"{'seconds':20} {seconds:8.1f}")
    wrong = differences(orders, became)
    print("\n".join(["", *wrong[:20]]))
    good = not wrong and all(is_so == should for _, is_so, should in rows)
    print("Everything came out as the input implies." if good else "NOT as the input implies.")
    return good


def too_late() -> int:
    """Payments that no instance took."""
    from apps.signals.models import Delivery, Signal

    taken = Delivery.objects.filter(state="consumed").values("signal_id")
    return Signal.objects.filter(name="PaymentReceived").exclude(pk__in=taken).count()


def differences(orders: Sequence[plan.Order], became: dict[str, Came]) -> list[str]:
    """A line for each order that came out otherwise than it must."""
    wrong = []
    for order in orders:
        should = Came(outcome=order.outcome, paid=order.paid, steps=order.steps)
        if became.get(order.order_id) != should:
            wrong.append(f"{order.order_id}: {became.get(order.order_id)}, expected {should}")
    return wrong

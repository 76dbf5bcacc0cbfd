"""The workflows that the rule stories run, on the shell and on the engine alike."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from resumable import (
    Signal,
    WaitCancelled,
    WaitTimeout,
    Workflow,
    WorkflowFailed,
    all_of,
    any_of,
    as_completed,
    cancel_scope,
    now,
    sleep,
    sleep_until,
)


class OrderPlaced(Signal):
    order_id: str
    total: Decimal


class PaymentReceived(Signal):
    order_id: str
    amount: Decimal


class Parcel(Signal):
    order_id: str
    step: int = 0
    weight: Decimal = Decimal(1)
    at: datetime | None = None


class Job(Signal, deliver="one"):
    kind: str
    number: int = 0


class Note(Signal):
    topic: str
    text: str = ""


class Order(Workflow, version="1", starts_on=OrderPlaced, key="order_id"):
    """Collects payments until the total is reached; gives up after three days of silence."""

    paid: Decimal = Decimal(0)

    async def run(self, placed: OrderPlaced) -> str:
        while self.paid < placed.total:
            try:
                payment = await PaymentReceived.match(order_id=placed.order_id).within(days=3)
            except WaitTimeout:
                return "abandoned"
            self.paid += payment.amount
        return "paid"


class Chain(Workflow, starts_on=Note.match(topic="chain")):
    """Starts on a note and waits for more notes of the same topic."""

    texts: list[str] = []

    async def run(self, first: Note) -> str:
        self.texts.append(first.text)
        while len(self.texts) < 3:
            note = await Note.match(topic="chain")
            self.texts.append(note.text)
        return ",".join(self.texts)


class Tracker(Workflow):
    """Takes parcels of one order one after the other."""

    steps: list[int] = []

    async def run(self, order_id: str, count: int) -> str:
        for _ in range(count):
            parcel = await Parcel.match(order_id=order_id).named("next parcel")
            self.steps.append(parcel.step)
        return ",".join(str(step) for step in self.steps)


class Worker(Workflow):
    """Waits for one job of its kind; jobs go to one worker each."""

    taken: int = 0

    async def run(self, kind: str) -> int:
        job = await Job.match(kind=kind)
        self.taken = job.number
        return job.number


class Crew(Workflow):
    """Waits for one job after the other."""

    done: list[int] = []

    async def run(self, kind: str) -> int:
        while len(self.done) < 5:
            job = await Job.match(kind=kind)
            self.done.append(job.number)
        return len(self.done)


class Picky(Workflow):
    """Its `where` looks at state that changes while it waits."""

    least: int = 5
    took: list[int] = []

    async def run(self, order_id: str) -> str:
        heavy = self.heavy(order_id)
        await all_of(heavy, self.lower())
        return ",".join(str(step) for step in self.took)

    async def heavy(self, order_id: str) -> None:
        parcel = await Parcel.match(order_id=order_id).where(self.enough)
        self.took.append(parcel.step)

    async def lower(self) -> None:
        await Note.match(topic="lower")
        self.least = 1

    def enough(self, parcel: Parcel) -> bool:
        return parcel.step >= self.least


class Choosy(Workflow):
    """Takes one job if its predicate, which may be broken, says so."""

    broken: bool = False

    async def run(self, broken: bool) -> int:
        self.broken = broken
        return (await Job.match(kind="choosy").where(self.fits)).number

    def fits(self, job: Job) -> bool:
        if self.broken:
            raise LookupError("the predicate is broken")
        return True


class BrokenWhere(Workflow):
    async def run(self, order_id: str) -> str:
        await Parcel.match(order_id=order_id).where(self.never)
        return "took it"

    def never(self, parcel: Parcel) -> bool:
        raise LookupError("the predicate is broken")


class Frozen(Workflow):
    """A lookup value is a list that changes after the wait was made."""

    wanted: list[str] = ["a"]

    async def run(self) -> str:
        match = Note.match(topic="frozen", text__in=self.wanted)
        self.wanted.append("b")
        note = await match
        return note.text


class Pair(Workflow):
    """Two branches wait for the same thing."""

    log: list[str] = []

    async def run(self, order_id: str) -> str:
        await all_of(self.take("first", order_id), self.take("second", order_id))
        return ",".join(self.log)

    async def take(self, who: str, order_id: str) -> None:
        parcel = await Parcel.match(order_id=order_id)
        self.log.append(f"{who}:{parcel.step}")


class Late(Workflow):
    """Looks back to signals from before its step."""

    async def run(self, order_id: str, window: str) -> str:
        await Note.match(topic="go")
        match = Parcel.match(order_id=order_id).within(days=1)
        if window == "start":
            match = match.since("start")
        elif window == "hour":
            match = match.since(timedelta(hours=1))
        try:
            parcel = await match
        except WaitTimeout:
            return "nothing"
        return str(parcel.step)


class TwoSteps(Workflow):
    """Waits for two different parcels, in order."""

    async def run(self, order_id: str) -> str:
        first = await Parcel.match(order_id=order_id, step=1)
        second = await Parcel.match(order_id=order_id, step=2)
        return f"{first.step},{second.step}"


class Flaky(Workflow):
    """Raises while the world says so; its text is the error to raise."""

    took: int = 0

    async def run(self, order_id: str) -> str:
        parcel = await Parcel.match(order_id=order_id)
        self.took += 1
        if parcel.weight < 0:
            raise ValueError("a parcel cannot weigh less than nothing")
        if parcel.weight > 1000:
            raise ConnectionError("the scale does not answer")
        return "weighed"


class BadStart(Workflow, starts_on=Note.match(topic="bad start")):
    async def run(self, note: Note) -> str:
        raise ValueError("it never begins")


class Refusing(Workflow):
    async def run(self) -> str:
        await Note.match(topic="refuse")
        raise WorkflowFailed("refused by rule")


class Sleeper(Workflow):
    woke: list[str] = []

    async def run(self, seconds: int) -> str:
        begun = now()
        await sleep(seconds=seconds)
        self.woke.append("slept")
        await sleep_until(begun + timedelta(hours=2))
        return f"{(now() - begun) >= timedelta(hours=2)}"


class Racer(Workflow):
    """A payment against a time limit; the loser is cancelled and notes it."""

    log: list[str] = []

    async def run(self, order_id: str) -> str:
        first = await any_of(paid=self.payment(order_id), late=sleep(days=1))
        return f"{first.name}:{','.join(self.log)}"

    async def payment(self, order_id: str) -> str:
        try:
            payment = await PaymentReceived.match(order_id=order_id)
        except WaitCancelled:
            self.log.append("cancelled")
            await Note.match(topic="never")
        finally:
            self.log.append("finally")
        return str(payment.amount)


class Compensating(Workflow):
    """On cancellation it still waits for a refund."""

    log: list[str] = []

    async def run(self, order_id: str) -> str:
        try:
            await Parcel.match(order_id=order_id)
        except WaitCancelled:
            self.log.append("refunding")
            await Note.match(topic="refunded")
            self.log.append("refunded")
            return "swallowed"
        finally:
            self.log.append("closed")
        return "shipped"


class Scoped(Workflow):
    """One part of it can be cancelled alone."""

    log: list[str] = []

    async def run(self, order_id: str) -> str:
        async with cancel_scope("reminders") as reminders:
            while True:
                await sleep(days=1)
                self.log.append("reminder")
        self.log.append(f"cancelled={reminders.cancelled}")
        note = await Note.match(topic=order_id)
        return note.text


class SelfCancelling(Workflow):
    async def run(self) -> str:
        outcome = await all_of(self.remind(), self.stop())
        return f"{outcome[0]}"

    async def remind(self) -> str:
        async with cancel_scope("remind") as scope:
            await sleep(days=100)
        return f"stopped={scope.cancelled}"

    async def stop(self) -> None:
        await Note.match(topic="stop")
        self.cancel("remind")


class Counter(Workflow):
    """Counts parcels for ever; rewound and patched by operators."""

    count: int = 0
    label: str = "plain"

    async def run(self, order_id: str) -> str:
        bonus = 0
        while self.count < 10:
            parcel = await Parcel.match(order_id=order_id)
            self.count += parcel.step + bonus
        return f"{self.label}:{self.count}"


class Collector(Workflow):
    """Takes things as they come, from three sides."""

    got: list[str] = []

    async def run(self, order_id: str) -> str:
        async for done in as_completed(
            parcel=Parcel.match(order_id=order_id),
            note=Note.match(topic=order_id),
            late=sleep(days=2),
        ):
            self.got.append(done.name or "")
            if len(self.got) == 2:
                break
        return ",".join(self.got)


class Amount(Workflow):
    """Matches a decimal and an instant by value."""

    async def run(self, weight: Decimal, at: datetime) -> str:
        parcel = await Parcel.match(weight=weight, at=at)
        return parcel.order_id


class Nothing(Workflow):
    """Matches a null."""

    async def run(self, order_id: str) -> int:
        parcel = await Parcel.match(order_id=order_id, at=None)
        return parcel.step


class Hourly(Workflow, schedule=timedelta(hours=1)):
    async def run(self) -> str:
        return "ran"

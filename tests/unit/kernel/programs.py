"""Random workflow sources: every statement form that may stand around an await.

A program is text, so that it goes through the same compiler as an author's
file. It records what it does in ``self.trace``; two runs of one program with
the same choices must leave the same trace.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from textwrap import indent
from typing import TypeVar

T = TypeVar("T")

#: Sub-functions of each program; one may call those after it, and itself.
FUNCTIONS = 3
#: Nesting of statements within one function.
DEPTH = 3


class Writer:
    """Writes one program. ``groups`` adds what plain Python cannot run natively."""

    def __init__(self, chance: random.Random, *, groups: bool) -> None:
        self._chance = chance
        self._groups = groups
        self._names = 0
        self._function = 0

    def program(self) -> str:
        parts = ["class P(Workflow):", "    trace: list = []", "    total: int = 0"]
        for number in range(FUNCTIONS + 1):
            self._function = number
            parts.append(indent(self._definition(number), "    "))
        return "\n".join(parts) + "\n"

    def _definition(self, number: int) -> str:
        name, arguments = (
            ("run", "self, x=1, lst=None, depth=0, nest=None")
            if not number
            else (
                f"sub{number}",
                "self, x, lst, *, depth=0, nest=None",
            )
        )
        start = "\n".join(
            [
                "lst = [] if lst is None else lst",
                "alias = lst",
                "y = x + 1",
                "d = {'a': x, 'b': y}",
                "held = [lst, alias]",
                "nest = nest or [lst, [lst]]",
            ]
        )
        body = self._block(DEPTH, loop=False, handler=False)
        end = "self.trace.append((x, y, list(lst), alias is lst, held[0] is lst, sorted(d.items())))\nself.trace.append((nest[1][0] is nest[0], len(nest[0])))\nreturn x"
        return f"async def {name}({arguments}):\n" + indent(f"{start}\n{body}\n{end}", "    ")

    def _fresh(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def _block(self, depth: int, *, loop: bool, handler: bool) -> str:
        count = self._chance.randint(1, 3)
        return "\n".join(self._statement(depth, loop=loop, handler=handler) for _ in range(count))

    def _statement(self, depth: int, *, loop: bool, handler: bool) -> str:
        simple: list[Callable[[], str]] = [
            *(self._await,) * 5,
            self._record,
            self._record,
            self._closure,
            self._alias,
            self._raise,
        ]
        if loop:
            simple.append(self._jump)
        if handler:
            simple.append(self._again)
        if self._groups:
            simple += [self._group, self._stream, self._scope, self._named_group]
        if depth == 0:
            return self._pick(simple)()
        nested: list[Callable[[int, bool, bool], str]] = [
            self._if,
            self._while,
            self._for,
            self._try,
            self._try,
            self._match,
        ]
        if self._chance.random() < 0.45:
            return self._pick(nested)(depth - 1, loop, handler)
        return self._pick(simple)()

    def _pick(self, options: Sequence[T]) -> T:
        return self._chance.choice(options)

    def _wait(self) -> str:
        limit = self._pick(["", "", ".within(days=1)"])
        return f"Tick.match(n={self._chance.randint(0, 3)}){limit}"

    def _value(self) -> str:
        """An expression that awaits and gives an int."""
        if self._function < FUNCTIONS and self._chance.random() < 0.35:
            callee = self._chance.randint(self._function + 1, FUNCTIONS)
            given = ["lst", "alias", "[x]", "lst, nest=nest", "nest[0]", "nest[1][0], nest=nest"]
            return f"(await self.sub{callee}(x, {self._pick(given)}))"
        if self._function and self._chance.random() < 0.15:
            return f"(await self.sub{self._function}(y, lst, depth=depth + 1) if depth < 2 else x)"
        return f"(await {self._wait()}).v"

    def _await(self) -> str:
        value = self._value()
        return self._pick(
            [
                f"x = {value}",
                f"await {self._wait()}",
                f"x += {value}",
                f"self.total += {value}",
                f"d['a'] += {value}",
                f"lst.append({value})",
                f"alias.append(plus(x, {value}))",
                f"y = plus(self.total, {value}, *[x, 1], c={self._value()})",
                f"x, y = y, {value}",
                f"lst[len(lst):] = [x, {value}]",
                f"y = {value} if x % 2 else {self._value()}",
                f"y = (x % 2 and {value}) or x",
                f"d['b'] = {value} + {self._value()}",
                f"self.trace.append(f'{{x}}-{{{value}}}')",
                f"y = sum(z for z in [x, {value}])",
                f"y = sum([z + x for z in [{value}, 2]])",
                f"x = -({value}) if {value} > x else y",
                f"assert {value} >= 0, 'negative'",
                f"(y := {value})",
                f"d = {{'a': {value}, 'b': x}}",
                f"x = held[0] is lst and {value}",
            ]
        )

    def _record(self) -> str:
        return f"self.trace.append(({self._chance.randint(0, 99)}, x, y, len(lst)))"

    def _alias(self) -> str:
        return self._pick(
            [
                "alias.append(y)",
                "held.append(alias)",
                "lst = [x]\nalias = lst",
                "alias = held[-1]",
                "nest[1].append(alias)",
            ]
        )

    def _closure(self) -> str:
        name = self._fresh("f")
        simple = f"{name} = lambda z, k=x: z + x + k\n{{}}\ny = {name}(1)"
        nonlocal_ = f"def {name}():\n    nonlocal x\n    x += 1\n    return x\n{{}}\ny = {name}() + {name}()"
        shared = f"{name} = [lambda: lst.append(x), lambda: len(lst)]\n{{}}\n{name}[0]()\ny = {name}[1]()"
        return self._pick([simple, nonlocal_, shared]).format(self._await())

    def _raise(self) -> str:
        error = self._pick(["ValueError", "KeyError", "LookupError"])
        return f"if x % {self._chance.randint(2, 5)} == 0:\n    raise {error}(x)"

    def _jump(self) -> str:
        return f"if x % {self._chance.randint(2, 4)} == 1:\n    {self._pick(['break', 'continue'])}"

    def _again(self) -> str:
        return f"if y % {self._chance.randint(2, 4)} == 0:\n    {self._pick(['raise', 'raise TypeError(y) from None'])}"

    def _inner(self, depth: int, *, loop: bool, handler: bool) -> str:
        return indent(self._block(depth, loop=loop, handler=handler), "    ")

    def _if(self, depth: int, loop: bool, handler: bool) -> str:
        test = self._pick([f"x % {self._chance.randint(2, 3)}", f"{self._value()} % 2", "len(lst) > 2"])
        parts = [f"if {test}:", self._inner(depth, loop=loop, handler=handler)]
        if self._chance.random() < 0.4:
            other = self._pick(["y % 2", f"{self._value()} > x"])
            parts += [f"elif {other}:", self._inner(depth, loop=loop, handler=handler)]
        if self._chance.random() < 0.6:
            parts += ["else:", self._inner(depth, loop=loop, handler=handler)]
        return "\n".join(parts)

    def _while(self, depth: int, loop: bool, handler: bool) -> str:
        counter = self._fresh("n")
        test = self._pick([f"{counter} < 2", f"{counter} < 2 and {self._value()} > -1"])
        body = f"    {counter} += 1\n" + self._inner(depth, loop=True, handler=handler)
        return f"{counter} = 0\nwhile {test}:\n{body}" + self._else(depth, loop, handler)

    def _for(self, depth: int, loop: bool, handler: bool) -> str:
        name = self._fresh("i")
        source, target = self._pick(
            [
                ("range(3)", name),
                ("[x, y, 3]", name),
                ("lst[:3]", name),
                ("enumerate([y, x])", f"({name}, y)"),
                ("zip([1, 2], 'abc')", f"({name}, _)"),
                ("reversed([x, y])", name),
                ("{'k': x, 'l': y}.items()", f"(_, {name})"),
                ("{x: 1, -1: 2}", name),
                ("{7, 8}", name),
                (f"[{self._value()}, 5]", name),
            ]
        )
        body = f"    self.trace.append({name})\n" + self._inner(depth, loop=True, handler=handler)
        return f"for {target} in {source}:\n{body}" + self._else(depth, loop, handler)

    def _else(self, depth: int, loop: bool, handler: bool) -> str:
        if self._chance.random() < 0.7:
            return ""
        return "\nelse:\n" + self._inner(depth, loop=loop, handler=handler)

    def _try(self, depth: int, loop: bool, handler: bool) -> str:
        parts = ["try:", self._inner(depth, loop=loop, handler=handler)]
        kinds = self._chance.sample(
            ["ValueError", "KeyError", "(LookupError, WaitTimeout)", "WaitTimeout", "Exception", "BaseException"],
            self._chance.randint(0, 2),
        )
        for kind in sorted(kinds, key=lambda kind: kind in ("Exception", "BaseException")):
            name = self._fresh("e")
            record = f"    self.trace.append((type({name}).__name__, {name}.args and str({name}.args[0])[:9]))\n"
            named = f"except {kind} as {name}:\n{record}"
            head = self._pick([named, f"except {kind}:\n"])
            parts.append(head + self._inner(depth, loop=loop, handler=True))
        if kinds and self._chance.random() < 0.4:
            parts += ["else:", self._inner(depth, loop=loop, handler=handler)]
        if not kinds or self._chance.random() < 0.5:
            parts += ["finally:", f"    self.trace.append(('finally', x, {self._chance.randint(0, 9)}))"]
        return "\n".join(parts)

    def _match(self, depth: int, loop: bool, handler: bool) -> str:
        subject = self._pick(["x % 3", "(x % 2, y)", f"{self._value()} % 3"])
        first = self._pick(["0", "(0, z)", "[1, *z]"])
        arms = [f"case {first}:", "case other:"]
        return f"match {subject}:\n" + "\n".join(
            f"    {arm}\n{indent(self._inner(depth, loop=loop, handler=handler), '    ')}" for arm in arms
        )

    def _member(self, depth: int) -> str:
        options = [self._wait(), "sleep(hours=2)"]
        if self._function < FUNCTIONS:
            callee = self._chance.randint(self._function + 1, FUNCTIONS)
            options += [f"self.sub{callee}(x, lst)", f"self.sub{callee}(y, alias, nest=nest)"]
            options.append(f"self.sub{callee}(x, nest[1][0])")
        if depth:
            options.append(self._all_or_any(depth - 1))
        return self._pick(options)

    def _all_or_any(self, depth: int) -> str:
        members = [self._member(depth) for _ in range(self._chance.randint(1, 3))]
        kind = self._pick(["all_of(", "any_of(", f"at_least({self._chance.randint(1, len(members))}, "])
        return f"{kind}{', '.join(members)})"

    def _group(self) -> str:
        return f"r = await {self._all_or_any(2)}\nself.trace.append(plain(r))"

    def _named_group(self) -> str:
        limit = self._pick(["", ".within(hours=5)"])
        return f"r = await all_of(a={self._member(1)}, b={self._member(0)}){limit}\nself.trace.append((plain(r.a), plain(r.b)))"

    def _stream(self) -> str:
        members = ", ".join(self._member(1) for _ in range(self._chance.randint(1, 3)))
        after = self._pick(["", "\n    break", f"\n    x = {self._value()}"])
        return (
            f"async for done in as_completed({members}):\n    self.trace.append((done.index, plain(done.value))){after}"
        )

    def _scope(self) -> str:
        name = self._fresh("s")
        cancel = self._pick(["", f"    self.cancel('{name}')\n"])
        return (
            f"async with cancel_scope('{name}') as {name}:\n"
            f"    y = {self._value()}\n{cancel}    x = {self._value()}\n"
            f"self.trace.append({name}.cancelled)"
        )

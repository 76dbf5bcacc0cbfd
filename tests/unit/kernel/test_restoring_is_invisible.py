"""The proof of the kernel: a program cannot tell whether it was saved and restored."""

from __future__ import annotations

import os
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.kernel.programs import Writer
from tests.unit.kernel.runs import compiled, native_run, saved_run, straight_run

#: How many programs each of the two properties is tried on. Together they make at least 2,000.
PROGRAMS = int(os.environ.get("RESUMABLE_PROGRAMS", "1050"))

_choices = st.lists(st.integers(0, 29), min_size=1, max_size=20)
_slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


@settings(max_examples=PROGRAMS, deadline=None, suppress_health_check=_slow)
@given(seed=st.integers(0, 2**32), choices=_choices)
def test_saving_at_every_await_changes_nothing(seed: int, choices: list[int]) -> None:
    source = Writer(random.Random(seed), groups=True).program()
    program = compiled(source)
    assert saved_run(program, choices) == straight_run(program, choices), source


@settings(max_examples=PROGRAMS, deadline=None, suppress_health_check=_slow)
@given(seed=st.integers(0, 2**32), choices=_choices)
def test_the_compiled_program_does_what_python_does(seed: int, choices: list[int]) -> None:
    source = Writer(random.Random(seed), groups=False).program()
    native, saved = native_run(source, choices), saved_run(compiled(source), choices)
    assert (native.trace, native.end) == (saved.trace, saved.end), source
    assert len(native.places) == len(saved.places)

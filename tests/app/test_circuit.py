"""The circuit, with a clock of the test's own."""

import asyncio
from collections.abc import Callable

import pytest

from app.errors import IndexUnavailable
from app.index.circuit import Circuit


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit(failures=3, pause_s=5, clock=clock)


def fail(circuit: Circuit, times: int = 1) -> None:
    for _ in range(times):
        with circuit.attempt() as attempt:
            attempt.failed("connection refused")


def answer(circuit: Circuit) -> None:
    with circuit.attempt() as attempt:
        attempt.answered()


def test_failures_in_a_row_open_it_and_an_answer_between_them_does_not(circuit: Circuit) -> None:
    fail(circuit, 2)
    answer(circuit)
    fail(circuit, 2)
    assert not circuit.is_open
    fail(circuit)
    assert circuit.is_open


def test_an_open_circuit_says_why_and_when_to_come_back(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now_s += 1
    for ask in (lambda: answer(circuit), circuit.check):
        with pytest.raises(IndexUnavailable, match=r"failed 3 times in a row .*connection refused") as refused:
            ask()
        assert refused.value.retry_after_s == 4
    clock.now_s += 4
    circuit.check()  # which is no probe
    answer(circuit)


def test_after_a_pause_one_probe_may_try_and_its_answer_closes_the_circuit(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now_s += 5
    with circuit.attempt() as probe:
        with pytest.raises(IndexUnavailable):
            answer(circuit)
        probe.answered()
    assert not circuit.is_open
    fail(circuit, 2)
    assert not circuit.is_open  # it counts from the start again


def test_a_probe_that_fails_opens_it_for_another_pause(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now_s += 5
    fail(circuit)
    clock.now_s += 4.9
    with pytest.raises(IndexUnavailable):
        answer(circuit)
    clock.now_s += 0.1
    answer(circuit)
    assert not circuit.is_open


def test_what_began_before_it_opened_neither_prolongs_the_pause_nor_is_lost_when_it_is_an_answer(
    circuit: Circuit, clock: Clock
) -> None:
    with circuit.attempt() as late, circuit.attempt() as later:
        fail(circuit, 3)
        clock.now_s += 4
        late.failed("reset")
        clock.now_s += 1
        with circuit.attempt() as probe:
            later.answered()
            assert not circuit.is_open
            probe.failed("reset")
    assert not circuit.is_open


@pytest.mark.parametrize("gone", [asyncio.CancelledError, GeneratorExit, ValueError])
def test_an_attempt_that_tells_nothing_counts_as_neither_and_makes_room_for_the_next_probe(
    circuit: Circuit, clock: Clock, gone: Callable[[], BaseException]
) -> None:
    def leave() -> None:
        with pytest.raises(BaseException), circuit.attempt():  # noqa: B017, a CancelledError is no Exception
            raise gone()

    fail(circuit, 2)
    leave()
    assert not circuit.is_open
    fail(circuit)
    clock.now_s += 5
    leave()
    assert circuit.is_open
    answer(circuit)
    assert not circuit.is_open

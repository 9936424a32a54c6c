"""Signals by themselves: when they interrupt, when they wait, and what they leave behind."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from lumpcli.cli.interrupts import INTERRUPTS, Interrupts

BOTH = [signal.SIGINT, signal.SIGTERM]
DEFAULTS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


@pytest.fixture(autouse=True)
def defaults():
    """Python's own handlers, whatever the tests are run by."""
    before = {number: signal.signal(number, handler) for number, handler in DEFAULTS.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def handlers():
    return {number: signal.getsignal(number) for number in BOTH}


@pytest.mark.parametrize("number", BOTH)
def test_both_signals_interrupt(number):
    interrupts = Interrupts()
    passed = []
    with interrupts.handled():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        passed.append("at once")
    assert (passed, interrupts.seen) == (["at once"], True)
    assert handlers() == DEFAULTS


def test_without_a_signal_nothing_is_seen_and_the_handlers_are_put_back():
    interrupts = Interrupts()
    with interrupts.handled():
        assert all(handlers()[n] != DEFAULTS[n] for n in BOTH)
    assert not interrupts.seen
    assert handlers() == DEFAULTS


def test_handlers_are_put_back_after_an_error():
    with pytest.raises(ValueError, match="mine"), Interrupts().handled():
        raise ValueError("mine")
    assert handlers() == DEFAULTS


@pytest.mark.parametrize("number", BOTH)
def test_what_is_ignored_stays_ignored(number):
    signal.signal(number, signal.SIG_IGN)
    interrupts = Interrupts()
    with interrupts.handled():
        os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_IGN
    assert not interrupts.seen
    assert signal.getsignal(number) is signal.SIG_IGN


def test_handlers_of_somebody_else_stay():
    seen = []
    signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    interrupts = Interrupts()
    with interrupts.handled():
        signal.raise_signal(signal.SIGTERM)
    assert (seen, interrupts.seen) == ([signal.SIGTERM], False)


def test_a_run_starts_without_the_signals_of_the_last():
    interrupts = Interrupts()
    with pytest.raises(KeyboardInterrupt), interrupts.handled():
        signal.raise_signal(signal.SIGINT)
    with interrupts.handled():
        assert not interrupts.seen


@pytest.mark.parametrize("number", BOTH)
def test_deferred_signals_interrupt_at_the_end(number):
    interrupts = Interrupts()
    passed = []

    def work():
        with interrupts.deferred():
            signal.raise_signal(number)
            passed.append("to the end")
        passed.append("not any further")

    with interrupts.handled():
        with pytest.raises(KeyboardInterrupt):
            work()
        assert interrupts.seen
    assert passed == ["to the end"]


def test_deferring_ends():
    interrupts = Interrupts()
    passed = []
    with interrupts.handled():
        with interrupts.deferred():
            pass
        passed.append("no signal, no interrupt")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert passed == ["no signal, no interrupt"]


def test_an_error_while_deferred_ends_deferring_too():
    interrupts = Interrupts()
    with interrupts.handled():
        with pytest.raises(ImportError, match="broken"), interrupts.deferred():
            raise ImportError("broken")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_a_signal_counts_more_than_the_error_made_of_it():
    interrupts = Interrupts()

    def work():
        with interrupts.deferred():
            signal.raise_signal(signal.SIGINT)
            raise ImportError("an extension module gave up")

    with interrupts.handled(), pytest.raises(KeyboardInterrupt) as caught:
        work()
    assert isinstance(caught.value.__context__, ImportError)


def test_other_threads_cannot_handle_signals_and_run_all_the_same():
    interrupts = Interrupts()
    found = []

    def work():
        with interrupts.handled(), interrupts.deferred():
            found.append(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [DEFAULTS]
    assert handlers() == DEFAULTS


def test_there_is_one_for_the_process():
    assert isinstance(INTERRUPTS, Interrupts)
    assert not INTERRUPTS._deferred

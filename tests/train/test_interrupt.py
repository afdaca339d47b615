"""Ctrl-C and warning signals during training."""

import os
import signal

import pytest

from coterie.train.interrupt import InterruptHandler, StoppedBySignal


def test_a_second_ctrl_c_stops_at_once(capfd):
    with InterruptHandler() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.requested and interrupt.number == signal.SIGINT
        assert "Stopping after this step" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt, match="stopped at once"):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_ctrl_c_that_a_launcher_passes_on_counts_once(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with InterruptHandler() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.requested


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGXCPU"])
def test_warning_signals_are_noted_however_often_they_come(capfd, name: str):
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)  # under nohup it is ignored
    with InterruptHandler() as interrupt:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert interrupt.number == number
        assert capfd.readouterr().err == (
            f"\n{name}: Stopping after this step, with a checkpoint.\n"
        )
    assert signal.signal(number, before) is signal.SIG_DFL


def test_a_signal_that_is_ignored_or_handled_stays_so():
    for handler in (signal.SIG_IGN, lambda number, frame: None):
        before = signal.signal(signal.SIGHUP, handler)
        with InterruptHandler():
            assert signal.getsignal(signal.SIGHUP) is handler
        signal.signal(signal.SIGHUP, before)


def test_exit_codes_are_those_of_shells():
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
    for number, code in codes.items():
        assert StoppedBySignal("stopped", number).exit_code == code

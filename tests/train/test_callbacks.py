"""Ctrl-C during training."""

import os
import signal

import pytest

from coterie.train.callbacks import InterruptHandler


def test_a_second_ctrl_c_stops_at_once(capsys):
    with InterruptHandler() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.requested
        assert "Stopping after this step" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt, match="stopped at once"):
            os.kill(os.getpid(), signal.SIGINT)

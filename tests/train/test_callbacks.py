"""Ctrl-C during training, and the losses of a step."""

import os
import signal

import pytest

from coterie.train.callbacks import InterruptHandler, describe_losses
from coterie.train.running_sums import LossSums


def test_a_second_ctrl_c_stops_at_once(capsys):
    with InterruptHandler() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.requested
        assert "Stopping after this step" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt, match="stopped at once"):
            os.kill(os.getpid(), signal.SIGINT)


def test_losses_of_a_step_and_means_of_tasks_over_several():
    first = LossSums(2.0, (6.0, 0.0, 4.0), (2.0, 0.0, 1.0))
    both = LossSums(5.0, (7.0, 0.0, 12.0), (3.0, 0.0, 3.0))
    second = both - first
    assert second == LossSums(3.0, (1.0, 0.0, 8.0), (1.0, 0.0, 2.0))
    # ocr: (6 + 1) / (2 + 1); naming had no item; chart: (4 + 8) / (1 + 2)
    said = describe_losses([first, second], ["ocr", "naming", "chart"])
    assert said == "loss 3 (ocr 2.33, chart 4)"

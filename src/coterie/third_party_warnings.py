"""Warnings and bars of other libraries that are not about anything a user could mend."""

import contextlib
import warnings
from collections.abc import Iterator

from transformers.utils import logging


@contextlib.contextmanager
def suppress_third_party_warnings() -> Iterator[None]:
    """Leaves them out inside."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # PEFT 0.21 asks transformers 5.23 by an old name.
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
            # accelerate wraps the optimizer, so that the schedule cannot see its steps.
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
            # Several processes with a picture each: its one class token is laid out either way.
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket view")
            yield
    finally:
        if shown:
            logging.enable_progress_bar()

"""Warnings and progress bars of other libraries that users cannot act on."""

import contextlib
import warnings
from collections.abc import Iterator

from transformers.utils import logging


@contextlib.contextmanager
def suppress_third_party_warnings() -> Iterator[None]:
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # PEFT 0.21 uses a name that transformers 5.23 deprecates.
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
            # accelerate wraps the optimizer, so that the schedule cannot see its steps.
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
            # Several processes with one image each: the strides of one class token are ambiguous.
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket view")
            # FSDP2, for those who change a model's output in place; Trainer and coterie do not.
            warnings.filterwarnings("ignore", message=r"FSDP2-wrapped module .* returned a view")
            yield
    finally:
        if shown:
            logging.enable_progress_bar()

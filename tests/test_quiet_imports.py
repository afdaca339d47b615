"""Known messages of imported libraries are dropped until `stop`, and no others."""

import logging

from coterie import quiet_imports
from coterie.quiet_imports import ALARMS, FILTER


def make_record(name: str, text: str) -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, "file.py", 1, text, ("_C.so",), None)


def test_what_is_dropped() -> None:
    assert not FILTER.filter(make_record("torchao", "Failed to load %s: it is of another ABI"))
    assert FILTER.filter(make_record("torchao", "%s: this dtype is deprecated"))
    assert FILTER.filter(make_record("torch.utils._pytree", "Failed to load %s"))


def test_all_is_logged_again_once_coterie_is_imported() -> None:
    loggers = [logging.getLogger(name) for name in ALARMS]
    assert not any(FILTER in logger.filters for logger in loggers)
    quiet_imports.stop()  # once more does no harm

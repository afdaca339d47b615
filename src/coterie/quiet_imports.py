"""Drops what other libraries log while `import coterie` imports them, and users cannot act on.

torchao and bitsandbytes, where they are installed, name files that are made for other machines,
and torchao calls what torch deprecates. Nothing is wrong then: what needs such a file says so when
it is used. All other messages are logged as ever. It acts from its import until `stop`.
"""

import logging

ALARMS = {
    "torchao": "Failed to load",
    "bitsandbytes.backends.cpu.ops": "Failed to load CPU gemm_4bit_forward",
    "torch.utils._pytree": "is an Enum subclass and is now natively supported",
}
"""Logger -> a part of its message."""


class AlarmFilter(logging.Filter):
    """Drops a logger's message of ALARMS."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is to be logged."""
        return ALARMS[record.name] not in record.getMessage()


FILTER = AlarmFilter()
for _name in ALARMS:
    logging.getLogger(_name).addFilter(FILTER)


def stop() -> None:
    """Log everything again."""
    for name in ALARMS:
        logging.getLogger(name).removeFilter(FILTER)

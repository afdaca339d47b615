"""Child processes that need no imports."""

import os
from collections.abc import Callable


def forked(work: Callable[[], object]) -> int:
    """Has a child process do it; returns its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def status(child: int) -> int:
    """How the child ended: 0 done, below 0 the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

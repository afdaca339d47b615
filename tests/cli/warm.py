"""Run as a script: the installed command many times, each time in a fork of one warm process.

What a call costs is mostly its imports, ten seconds of them; here they are paid once. Each line of
standard input is a call, {"arguments", "folder", "stdin"}; its exit code is printed, and what it
says is in the folder's files `out` and `err`.
"""

import atexit
import gc
import json
import os
import runpy
import sys
import traceback
from pathlib import Path

import torch

import coterie
import coterie.cli.train_config
import coterie.diagnose
import coterie.evaluate
import coterie.report
import coterie.serve.engine
import coterie.train.stage_runner  # noqa: F401

torch.set_num_threads(1)
gc.freeze()  # forks share what is not collected
atexit.register(gc.unfreeze)  # or libraries report it as leaked
script = sys.argv[1]


def become(arguments: list[str], folder: Path, stdin: str) -> None:
    """Makes this process one that was started so."""
    (folder / "in").write_text(stdin)
    for number, name, mode in ((0, "in", os.O_RDONLY), (1, "out", os.O_WRONLY | os.O_CREAT),
                               (2, "err", os.O_WRONLY | os.O_CREAT)):  # fmt: skip
        os.dup2(os.open(folder / name, mode), number)
    sys.stdin = open(folder / "in")  # the old one has read ahead
    sys.argv = [script, *arguments]


for line in iter(sys.stdin.readline, ""):
    call = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            become(call["arguments"], Path(call["folder"]), call["stdin"])
            runpy.run_path(script, run_name="__main__")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # to take down all that was imported takes four seconds
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)

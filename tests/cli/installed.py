"""The installed command, called as a user's shell does."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.calls import Called

SCRIPT = Path(sys.executable).parent / "coterie"
WARM = Path(__file__).with_name("warm.py")


class Installed:
    """`get_installed_version(...)` runs the console script in a process of its own, in a folder."""

    def __init__(self, warm: "subprocess.Popen[str]", folder: Path) -> None:
        self.warm = warm
        self.folder = folder
        self.calls = 0

    def __call__(self, *arguments: str, stdin: str = "") -> Called:
        self.calls += 1
        own = self.folder / f".call-{self.calls}"
        own.mkdir()
        call = {"arguments": arguments, "folder": str(own), "stdin": stdin}
        assert self.warm.stdin is not None and self.warm.stdout is not None
        print(json.dumps(call), file=self.warm.stdin, flush=True)
        code = int(self.warm.stdout.readline())
        return Called(code, (own / "out").read_text(), (own / "err").read_text())


@contextmanager
def installed(folder: Path) -> Iterator[Installed]:
    """The command, whose calls run in `folder`; see warm.py for how they share their imports."""
    command = [sys.executable, str(WARM), str(SCRIPT)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True) as warm:
        yield Installed(warm, folder)
        assert warm.stdin is not None
        warm.stdin.close()

"""Starts the `coterie` command without running the library first: help does not wait for torch."""

import sys
from importlib.util import find_spec, module_from_spec


def main() -> int:
    """Runs the command on the process's arguments; the exit code."""
    if "coterie" in sys.modules:
        from coterie.cli.main import main as command

        return command()
    spec = find_spec("coterie")
    assert spec is not None and spec.loader is not None
    # The package as an import would make it, but run only by a verb that needs it: `coterie.cli`
    # is found through it, and `coterie/__init__.py` imports torch.
    package = module_from_spec(spec)
    sys.modules["coterie"] = package
    run = spec.loader.exec_module

    from coterie.cli.main import main as command

    return command(library=lambda: run(package))

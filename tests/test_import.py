"""Importing coterie costs no more than importing PEFT: nothing heavy comes with it."""

import subprocess
import sys

PROGRAM = """
import sys, peft
before = set(sys.modules)
import coterie
print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))
"""


def test_nothing_heavy_is_imported_with_coterie():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert set(done.stdout.split()) <= {"coterie", "jaxtyping", "numpy"}, done.stderr


def test_every_name_of_the_public_surface_is_there():
    import coterie

    for name in coterie.__all__:
        assert getattr(coterie, name) is not None

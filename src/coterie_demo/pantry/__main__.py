"""Writes the data card of the pantry: `python -m coterie_demo.pantry docs/data-card.md`."""

import shutil
import sys

from coterie.paths import get_cache_dir
from coterie_demo.pantry.build import build

if __name__ == "__main__":
    shutil.copyfile(build(get_cache_dir() / "pantry") / "CARD.md", sys.argv[1])

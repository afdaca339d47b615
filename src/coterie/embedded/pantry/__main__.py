"""Writes the data card of the pantry: `python -m coterie.embedded.pantry docs/data-card.md`."""

import shutil
import sys

from coterie.embedded.home import get_cache_dir
from coterie.embedded.pantry.building import build

if __name__ == "__main__":
    shutil.copyfile(build(get_cache_dir() / "pantry") / "CARD.md", sys.argv[1])

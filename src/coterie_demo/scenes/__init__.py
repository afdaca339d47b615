"""A renderer of 3-D scenes with exact labels for dense tasks, and the data set that reads them."""

from coterie_demo.scenes.render_dataset import make_scenes

__all__ = ["make_scenes"]

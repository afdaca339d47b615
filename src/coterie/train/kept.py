"""What frozen parts of an omni model compute once a sample: features, and lower layers' answers."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from peft import PeftModel
from torch import nn

from coterie.tuner.layer import CoterieLayer

if TYPE_CHECKING:
    from coterie.omni.trunk import HiddenStateCache

ENCODER_TOWERS = ("vision", "audio")


def cache_encoder_features(model: nn.Module, processor: Any) -> None:
    """Has an omni model's encoders run once a picture or sound, and not once a step.

    They do not where they learn, nor where a mixture sits in them: its decision, and with it the
    features, may depend on the task, and nobody would see it.

    Args:
        model: grafted or not.
        processor: the one that makes its batches.
    """
    host: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    if host.config.model_type != "coterie_omni":
        return
    from coterie.embedded.home import get_cache_dir
    from coterie.omni.cache import FeatureCache

    processor.features = None
    if has_tower_mixtures(model):
        return
    with contextlib.suppress(ValueError):  # an encoder learns, so nothing can be kept
        processor.features = FeatureCache(host, get_cache_dir() / "features")


def has_tower_mixtures(model: nn.Module) -> bool:
    """Whether any mixture sits in an encoder."""
    return any(
        site.layer_site.tower in ENCODER_TOWERS
        for module in model.modules()
        if isinstance(module, CoterieLayer)
        for site in module.coterie_site.values()
    )


@contextlib.contextmanager
def cache_hidden_states(model: PeftModel) -> Iterator["HiddenStateCache | None"]:
    """Within, an omni model's layers below the first trained one run once a sample."""
    host: Any = model.get_base_model()
    if host.config.model_type != "coterie_omni":
        yield None
        return
    from coterie.embedded.home import get_cache_dir
    from coterie.omni.trunk import use_hidden_state_cache

    with use_hidden_state_cache(model, get_cache_dir() / "trunk") as trunk:
        yield trunk

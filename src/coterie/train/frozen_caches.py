"""Caches of what frozen parts of an omni model compute: encoder features and hidden states."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from peft import PeftModel
from torch import nn

from coterie.graft import graft
from coterie.paths import get_cache_dir
from coterie.progress import Progress
from coterie.train.batch_sampler import MultiTaskDataset, StageBatchSampler
from coterie.train.config import RunConfig
from coterie.train.trainable import make_stage_mixtures, select_trainable
from coterie.tuner.layer import CoterieLayer

if TYPE_CHECKING:
    from coterie.models.omni.hidden_state_cache import HiddenStateCache

FEATURES = "feature_cache"
"""The attribute of an omni model's processor that holds its feature cache."""


def cache_encoder_features(model: nn.Module, processor: Any) -> None:
    """Make an omni model's encoders run once per image or audio instead of once per step.

    Features are not cached where an encoder is trained or contains a mixture, whose routing, and
    with it the features, may depend on the task. `processor` makes the model's batches.
    """
    base_model: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    if base_model.config.model_type != "coterie_omni":
        return
    from coterie.models.omni.feature_cache import FeatureCache

    processor.feature_cache = None
    if has_tower_mixtures(model):
        return
    with suppress(ValueError):  # an encoder is trained, so features change
        processor.feature_cache = FeatureCache(base_model, get_cache_dir() / "features")


def has_tower_mixtures(model: nn.Module) -> bool:
    """Return whether any mixture is in an encoder."""
    return any(
        site.layer_site.tower not in ("text", "connector")
        for module in model.modules()
        if isinstance(module, CoterieLayer)
        for site in module.coterie_site.values()
    )


def cache_hidden_states(model: PeftModel) -> AbstractContextManager["HiddenStateCache | None"]:
    """Run an omni model's layers below the first trained one once per sample, within the block."""
    base_model: Any = model.get_base_model()
    if base_model.config.model_type != "coterie_omni":
        return nullcontext()
    from coterie.models.omni.hidden_state_cache import use_hidden_state_cache

    return use_hidden_state_cache(model, get_cache_dir() / "trunk")


def precompute_caches(config: RunConfig) -> int:
    """Run an omni model's frozen encoders and lower layers over the samples of a first stage.

    Training fills missing entries itself. Filling the caches first makes training times of runs
    over the same samples comparable: otherwise only the first run pays for them.
    Returns the number of samples, each counted once.
    """
    samples, base = MultiTaskDataset(config, config.load_sample_check()), config.load_base()
    stage = config.resolve_stages(samples.sizes)[0]
    mixtures = make_stage_mixtures(config.recipe.mixtures, stage)
    model = graft(base.model, mixtures, tasks=config.task_names)
    select_trainable(model, stage)
    cache_encoder_features(model, base.processor)
    collate = config.make_collator(base.processor)
    order = StageBatchSampler(config, stage, samples, 0)
    # Without seeds: a sample that occurs twice is prepared once.
    places = list(dict.fromkeys((task, row, 0) for batch in order for task, row, _ in batch))
    size = config.get_global_batch_size(stage)
    starts = range(0, len(places), size)
    with cache_hidden_states(model) as trunk:
        progress = Progress(len(starts), "run the frozen layers", unit="batch")
        for start in progress.count(starts):
            batch = collate([samples[place] for place in places[start : start + size]])
            if trunk is not None:
                trunk.precompute(batch)
    return len(places)


@contextmanager
def disable_feature_cache(processor: Any) -> Iterator[None]:
    """Make the processor return images and audio instead of cached features, within the block."""
    attributes = vars(processor)
    cached = {FEATURES: attributes.pop(FEATURES)} if FEATURES in attributes else {}
    try:
        yield
    finally:
        attributes.update(cached)

"""Caches of what frozen parts of an omni model compute: encoder features and hidden states."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from peft import PeftModel
from torch import nn

from coterie.graft import graft
from coterie.paths import get_cache_dir
from coterie.progress import Progress
from coterie.train.batch_sampler import StageBatchSampler
from coterie.train.config import RunConfig
from coterie.train.datasets import MultiTaskDataset, SampleIndex
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


def precompute_caches(*configs: RunConfig) -> int:
    """Run an omni model's frozen encoders and lower layers over the samples of first stages.

    Training fills missing entries itself. Filling the caches first makes training times of runs
    comparable: otherwise the first run with a sample pays for it. The runs have one base model, and
    train the same layers as the first of them.
    Returns the number of samples, each counted once.
    """
    first = configs[0]
    base, check = first.load_base(), first.load_sample_check()
    datasets = [MultiTaskDataset(each, check) for each in configs]
    stage = first.resolve_stages(datasets[0].sizes)[0]
    mixtures = make_stage_mixtures(first.recipe.mixtures, stage)
    model = graft(base.model, mixtures, tasks=first.task_names)
    select_trainable(model, stage)
    cache_encoder_features(model, base.processor)
    known: set[tuple[str, int]] = set()
    collators = [each.make_collator(base.processor) for each in configs]
    batches = [
        (collate, samples, places)
        for config, collate, samples in zip(configs, collators, datasets, strict=True)
        for places in _list_new_samples(config, samples, known)
    ]
    with cache_hidden_states(model) as trunk:
        progress = Progress(len(batches), "run the frozen layers", unit="batch")
        for collate, samples, places in progress.count(batches):
            batch = collate([samples[place] for place in places])
            if trunk is not None:
                trunk.precompute(batch)
    return len(known)


def _list_new_samples(
    config: RunConfig, samples: MultiTaskDataset, known: set[tuple[str, int]]
) -> Iterator[list[SampleIndex]]:
    """Yield batches of a run's first samples, without those that are known, and add them."""
    stage = config.resolve_stages(samples.sizes)[0]
    # One data set that all tasks share has one name.
    names = config.task_names if len(samples.sizes) == len(config.task_names) else ("",)
    places: list[SampleIndex] = []
    for batch in StageBatchSampler(config, stage, samples, 0):
        for task, row, _ in batch:
            if (names[task], row) not in known:
                known.add((names[task], row))
                places.append((task, row, 0))  # without a seed: twice the same is prepared once
    size = config.get_global_batch_size(stage)
    for start in range(0, len(places), size):
        yield places[start : start + size]


@contextmanager
def disable_feature_cache(processor: Any) -> Iterator[None]:
    """Make the processor return images and audio instead of cached features, within the block."""
    attributes = vars(processor)
    cached = {FEATURES: attributes.pop(FEATURES)} if FEATURES in attributes else {}
    try:
        yield
    finally:
        attributes.update(cached)

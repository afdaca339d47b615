"""`prepare`: what frozen parts give of a run's samples, computed before the run and not in it."""

from coterie.graft import graft
from coterie.train import assembly
from coterie.train.batches import MultiTaskDataset
from coterie.train.kept import cache_encoder_features, cache_hidden_states
from coterie.train.plan import RunConfig
from coterie.train.stages import make_stage_mixtures, select_trainable


def precompute_caches(config: RunConfig) -> int:
    """Has an omni model's frozen encoders and lower layers run over the samples of a first stage.

    Training does it by itself where it is missing. Done before, training times of runs over the
    same samples can be compared: else the first of them fills what the others find.

    Returns the number of samples, each counted once.
    """
    lesson = assembly.make_task_set(config)
    base = lesson.load_model()
    samples = MultiTaskDataset(lesson.load_training_rows(), lesson.transform)
    stage = config.resolve_stages(samples.sizes)[0]
    model = graft(base.model, make_stage_mixtures(config.recipe.mixtures, stage), tasks=config.task_names)
    select_trainable(model, stage)
    cache_encoder_features(model, base.processor)
    collate = lesson.make_collator(base.processor)
    order = assembly.make_batch_sampler(config, stage, samples.sizes, 0)
    # Without lots: a sample that comes twice is prepared once.
    places = list(dict.fromkeys((task, row, 0) for batch in order for task, row, _ in batch))
    size = config.get_global_batch_size(stage)
    with cache_hidden_states(model) as trunk:
        for start in range(0, len(places), size):
            batch = collate([samples[place] for place in places[start : start + size]])
            if trunk is not None:
                trunk.precompute(batch)
    return len(places)

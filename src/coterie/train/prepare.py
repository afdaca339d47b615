"""`prepare`: what frozen parts give of a run's samples, computed before the run and not in it."""

from coterie.graft import graft
from coterie.train import assembly
from coterie.train.batches import Samples
from coterie.train.kept import keep_features, keep_trunk
from coterie.train.plan import Plan
from coterie.train.stages import mixtures_of, select


def prepare(plan: Plan) -> int:
    """Has an omni model's frozen encoders and lower layers run over the samples of a first stage.

    Training does it by itself where it is missing. Done before, training times of runs over the
    same samples can be compared: else the first of them fills what the others find.

    Returns the number of samples, each counted once.
    """
    lesson = assembly.lesson(plan)
    base = lesson.load()
    samples = Samples(lesson.training_rows(), lesson.drawn)
    stage = plan.stages(samples.sizes)[0]
    model = graft(base.model, mixtures_of(plan.recipe.mixtures, stage), tasks=plan.names)
    select(model, stage)
    keep_features(model, base.processor)
    collate = lesson.collator(base.processor)
    order = assembly.order(plan, stage, samples.sizes, 0)
    # Without lots: a sample that comes twice is prepared once.
    places = list(dict.fromkeys((task, row, 0) for batch in order for task, row, _ in batch))
    size = plan.samples_a_step(stage)
    with keep_trunk(model) as trunk:
        for start in range(0, len(places), size):
            batch = collate([samples[place] for place in places[start : start + size]])
            if trunk is not None:
                trunk.fill(batch)
    return len(places)

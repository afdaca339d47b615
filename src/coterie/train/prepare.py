"""`prepare`: what frozen parts give of a run's samples, computed before the run and not in it."""

from coterie.data.collate import Collator
from coterie.graft import graft
from coterie.pretrained import load
from coterie.train import assembly
from coterie.train.batches import Samples
from coterie.train.kept import keep_features, keep_trunk
from coterie.train.plan import Plan
from coterie.train.run import PRECISION
from coterie.train.stages import mixtures_of, select


def prepare(plan: Plan) -> int:
    """Has an omni model's frozen encoders and lower layers run over the samples of a first stage.

    Training does it by itself where it is missing. Done before, training times of runs over the
    same samples can be compared: else the first of them fills what the others find.

    Returns the number of samples, each counted once.
    """
    base = load(plan.base, dtype=PRECISION[plan.precision])
    rows = [task.samples("train", skip_bad_rows=plan.skip_bad_rows) for task in plan.tasks]
    samples = Samples(rows)
    stage = plan.stages(samples.sizes)[0]
    names = [task.name for task in plan.tasks]
    model = graft(base.model, mixtures_of(plan.recipe.mixtures, stage), tasks=names)
    select(model, stage)
    keep_features(model, base.processor)
    collate = Collator(
        base.processor, names, max_length=plan.max_length, skip_long=plan.skip_bad_rows
    )
    order = assembly.order(plan, stage, samples.sizes, 0)
    places = list(dict.fromkeys(place for batch in order for place in batch))
    size = plan.samples_a_step(stage)
    with keep_trunk(model) as trunk:
        for start in range(0, len(places), size):
            batch = collate([samples[place] for place in places[start : start + size]])
            if trunk is not None:
                trunk.fill(batch)
    return len(places)

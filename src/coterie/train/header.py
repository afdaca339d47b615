"""What is said of a training: a header before it, and a sentence after it."""

from coterie.devices import describe_device
from coterie.train.finished_stages import read_finished_stages
from coterie.train.run import Run
from coterie.train.stage_context import StageContext


def describe_training(context: StageContext) -> str:
    """Return a stage's header; with the base, the rows and the device before the first stage."""
    config, stage, model = context.config, context.stage, context.model
    trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
    total = sum(each.numel() for each in model.parameters())
    size = config.get_global_batch_size(stage)
    lines = [
        f"stage {context.number + 1} of {len(config.recipe.stages)}, {stage.name}: "
        f"{stage.steps:,} steps of {size} samples, learning rate {stage.learning_rate:.3g}; "
        f"trains {format_count(trained)} of {format_count(total)} parameters "
        f"({100 * trained / total:.3g} %)"
    ]
    if context.number == 0:
        lines.insert(0, describe_run(context))
    return "\n".join(lines)


def describe_run(context: StageContext) -> str:
    """Return the recipe, the base with its precision and device, and the rows of each task."""
    config, dataset = context.config, context.dataset
    quantized = f", quantised to {config.quantize}" if config.quantize else ""
    device = describe_device(context.device)
    if len(dataset.sizes) == len(config.task_names):
        counts = zip(config.task_names, dataset.sizes, strict=True)
        rows = ", ".join(f"{name} {count:,}" for name, count in counts)
    else:  # all tasks share the samples
        rows = f"{len(dataset):,} for {', '.join(config.task_names)}"
    return (
        f"recipe {config.recipe.name} on {config.base}, {config.precision}{quantized}, {device}\n"
        f"training samples: {rows}"
    )


def describe_finished(run: Run) -> str:
    """Return in a sentence how far a run was trained, and the losses that its log has."""
    steps = sum(stage.steps for stage in read_finished_stages(run.directory))
    log = [each for each in run.read_log() if each.get("loss") is not None]
    losses = [f"{each['loss']:.3g} at step {each['step']:,}" for each in (*log[:1], *log[1:][-1:])]
    return f"trained {steps:,} steps" + (f"; loss {', '.join(losses)}" if losses else "")


def format_count(count: int) -> str:
    """Return a number of parameters in three digits, such as "9.83 M"."""
    for unit, scale in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return str(count)

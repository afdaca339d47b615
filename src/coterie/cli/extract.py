"""`coterie extract`: extract a single-task model of a run, for servers without coterie."""

from pathlib import Path
from typing import Any, Literal

import click

from coterie.cli.device import announce_device, device_option
from coterie.cli.main import Subcommand
from coterie.cli.moved_run import moved_run_options, open_run

FORMATS = ("adapter", "adapters", "gguf", "merged", "native", "onnx", "pruned", "router")


@click.command(cls=Subcommand)
@click.argument("run", metavar="RUN")
@click.option("--task", help="The task's name. Formats of all tasks need none.")
@click.option(
    "--to", metavar="DIR", help="A new or empty folder.  [default: RUN/extracted/TASK, or FORMAT]"
)
@click.option(
    "--format",
    "--form",
    "format",
    type=click.Choice(FORMATS),
    help="See below.  [default: pruned for dense tasks, else adapter]",
)
@click.option(
    "--threshold",
    type=float,
    help="Pruned, native: share of tokens for an expert to stay.  [default: .03 of pruned]",
)
@click.option(
    "--curve", is_flag=True, help="Prune at several thresholds, and write the scores alone."
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Merged, native, gguf: of the written weights.  [default: as the base model is saved]",
)
@click.option(
    "--llama-cpp", metavar="DIR", help="Gguf: the folder of llama.cpp.  [default: from PATH]"
)
@moved_run_options
@device_option
def extract(  # noqa: PLR0913  an argument for each option
    run: str,
    task: str | None,
    to: str | None,
    format: Any,
    threshold: float | None,
    curve: bool,
    dtype: Literal["float32", "bfloat16", "float16"] | None,
    llama_cpp: str | None,
    base: str | None,
    tasks: str | None,
    device: str | None,
) -> None:
    """Extract a plain single-task model from a run.

    The files are exact to rounding, and verified; what a format cannot hold is an error with the
    reason. Where the task alone decides (LoRA experts without a gate, or with a static one):

    \b
      adapter   a plain PEFT LoRA
      adapters  a plain PEFT LoRA of each expert, and each task's weights of them
      merged    a plain transformers checkpoint
    \b
    Where tokens or prompts decide:
      native    copies of MLPs in a language model, as Mixtral or Qwen2-MoE
      pruned    a smaller mixture of a dense task, of the experts that it uses
      router    instance gates on their own, and a plain PEFT LoRA of each expert
    \b
    For other programs:
      gguf      merged or native, converted by llama.cpp's own program
      onnx      a vision model's graph

    --curve writes curve.json, curve.csv and curve.svg: test scores by parameters.

    \b
    Examples:
      coterie extract runs/shared --task ocr --to ocr-adapter
      coterie extract runs/shared --task ocr --to ocr-model --format merged --dtype float16
      coterie extract runs/moelora --format adapters
      coterie extract runs/squad --task depth
      coterie extract runs/squad --task depth --curve --to depth-curve
    """
    name = task or format
    if name is None or (curve and task is None):
        raise ValueError("which task is to be extracted? Give --task")
    folder = Path(to or Path(run) / "extracted" / (f"{task}-curve" if curve else name))
    if curve and task is not None:
        click.echo(draw_curve(run, folder, task, device, base=base, tasks=tasks))
        return
    from coterie.extract import extract as cut
    from coterie.extract.pruning import PruningOptions

    pruning = None if threshold is None else PruningOptions(threshold=threshold)
    chosen = announce_device(device)
    opened = open_run(run, base=base, tasks=tasks)
    found = cut(
        opened,
        task=task,
        to=folder,
        format=format,
        pruning=pruning,
        dtype=dtype,
        llama_cpp=llama_cpp,
        device=chosen,
    )
    click.echo(f"written to {found}")


def draw_curve(
    run: str, folder: Path, task: str, device: str | None, *, base: str | None, tasks: str | None
) -> str:
    """Measure the curve, write it and its figure, and return a summary."""
    from coterie.extract.pruning_curve import measure_score_curve
    from coterie.extract.score_curve import MAX_POINTS_BELOW_FULL
    from coterie.optional_imports import import_optional

    import_optional("matplotlib.figure", "report")  # fail before the long computation
    chosen = announce_device(device)
    found = measure_score_curve(open_run(run, base=base, tasks=tasks), task=task, device=chosen)
    found.save(folder)
    found.save_figure(folder / "curve.svg")
    best = found.find_smallest_within()
    within = f"within {MAX_POINTS_BELOW_FULL} points of the full"
    summary = f"no model is {within} one"
    if best is not None:
        share = best.parameters.total / found.full_parameters.total
        summary = (
            f"smallest {within} model's {found.full_score:.4g}: threshold {best.threshold:g}, "
            f"{share:.1%} of its parameters"
        )
    return f"{found.to_markdown()}\n\n{summary}\nwritten to {folder}"

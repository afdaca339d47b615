"""`coterie train`: train a recipe on tasks, into a run's folder."""

import shlex
import time
from pathlib import Path
from typing import Any

import click

from coterie.cli.device import announce_device, device_option
from coterie.cli.main import Subcommand


def find_folder(context: click.Context, option: click.Parameter, out: str | None) -> str:
    """Return --out, or without one RECIPE where that is a run to resume."""
    recipe = context.params.get("recipe", "")  # options that are not given are processed last
    if out is None and context.params.get("resume") and Path(recipe).is_dir():
        return recipe
    if out is None:
        raise click.MissingParameter(ctx=context, param=option)
    return out


@click.command(
    cls=Subcommand, resume="the same command with --resume continues from the last checkpoint"
)
@click.argument("recipe")
@click.option("--base", metavar="MODEL", help="Local folder, hub id, or 'embedded'.")
@click.option(
    "--tasks",
    metavar="FILE",
    help="tasks.yaml, or tasks.yaml:ocr,naming for some; or pantry, or scenes.",
)
@click.option(
    "--out",
    metavar="RUN",
    callback=find_folder,
    help="The run's folder. Required, unless RECIPE is a run to --resume.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PATH=VALUE",
    help="An argument of the recipe, or a path inside it, the run's configuration or its tasks; "
    "can be repeated.",
)
@click.option(
    "--steps", type=int, help="Optimizer steps over all stages.  [default: the stages' own]"
)
@click.option("--batch-size", type=int, help="Samples of an optimizer step.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    help="Of the frozen weights.  [default: bfloat16 on a device that multiplies in it]",
)
@click.option(
    "--quantize",
    type=click.Choice(["4bit", "8bit", "int8"]),
    help="Quantise the base model: NF4, LLM.int8, or torchao's int8.",
)
@click.option("--attention", help="transformers' attention: sdpa, eager, flash_attention_2 ...")
@click.option("--max-pixels", type=int, help="Scale larger images down to so many pixels.")
@click.option("--workers", type=int, help="Processes that read samples ahead.  [default: none]")
@click.option("--compile", is_flag=True, default=None, help="Train through torch.compile.")
@click.option(
    "--sharding",
    type=click.Choice(["none", "fsdp"]),
    help="fsdp: each of several processes stores a part of the weights.  [default: none]",
)
@click.option("--seed", type=int, help="Of weights, order and dropout.")
@click.option(
    "--skip-bad-rows", is_flag=True, default=None, help="Leave bad rows out and list them."
)
@click.option("--resume", is_flag=True, help="Continue where the run stopped.")
@click.option(
    "--accept-changes",
    is_flag=True,
    help="Resume though rows or base model are not those that training started with.",
)
@device_option
def train(
    settings: tuple[str, ...],
    recipe: str,
    out: str,
    resume: bool,
    accept_changes: bool,
    device: str | None,
    **flags: Any,
) -> None:
    """Train a recipe on tasks.

    RECIPE is a name (`coterie list recipes`), a recipe's JSON file, or a run to repeat. The run's
    folder holds its configuration (run.json), the adapter in safetensors, a log (log.jsonl and
    TensorBoard's events) and checkpoints.

    \b
    Examples:
      coterie train rode --base Qwen/Qwen2-VL-2B-Instruct --tasks tasks.yaml --out runs/rode
      coterie train shared_lora --base embedded --tasks pantry:naming,ocr --out runs/shared \\
          --steps 200 --set rank=8 --set stages.0.learning_rate=3e-4
      coterie train mod_squad --base embedded --tasks scenes:depth,normals --out runs/squad \\
          --steps 500 --batch-size 8 --set vision.augment.crop=112,112
      coterie train runs/rode --out runs/again --seed 1
      coterie train runs/rode --resume
      torchrun --nproc-per-node 2 -m coterie train rode --base ... --tasks ... --out runs/rode
    """
    from coterie.cli.train_config import build_config, parse_override
    from coterie.devices import choose_precision
    from coterie.distributed import is_rank_zero
    from coterie.progress import format_duration
    from coterie.task_file import read_tasks
    from coterie.train.header import describe_finished
    from coterie.train.run import make_absolute_base
    from coterie.train.train import train_from_config

    start, chosen = time.monotonic(), announce_device(device)
    given = {name: value for name, value in flags.items() if value is not None}
    if "base" in given:
        given["base"] = make_absolute_base(given["base"])
    if "tasks" in given:
        given["tasks"] = read_tasks(given["tasks"])
    overrides = [parse_override(text) for text in settings]
    config = build_config(recipe, overrides, given, precision=choose_precision(chosen))
    run = train_from_config(
        config, out=out, resume=resume, accept_changes=accept_changes, device=chosen
    )
    if not is_rank_zero():
        return
    seconds = time.monotonic() - start
    if bad := run.directory.describe_bad_rows():
        click.echo(bad)
    click.echo(f"{run.folder}: {describe_finished(run)}; {format_duration(seconds)}")
    click.echo(f"next: coterie evaluate {shlex.quote(str(run.folder))}")

"""`coterie check`: check a base model and the rows of tasks before training."""

from typing import Any

import click

from coterie.cli.device import announce_device, device_option
from coterie.cli.main import Subcommand


@click.command(cls=Subcommand)
@click.argument("recipe", required=False)
@click.option("--base", required=True, metavar="MODEL", help="As in `coterie train`.")
@click.option("--tasks", required=True, metavar="FILE", help="As in `coterie train`.")
@click.option(
    "--set", "settings", multiple=True, metavar="PATH=VALUE", help="As in `coterie train`."
)
@click.option("--batch-size", type=int, help="Samples of an optimizer step.")
@click.option(
    "--batch/--no-batch", default=True, help="Load the weights and run one batch, or do not."
)
@device_option
def check(
    recipe: str | None,
    tasks: str,
    settings: tuple[str, ...],
    batch: bool,
    device: str | None,
    **flags: Any,
) -> None:
    """Check a base model and all rows before training.

    It names every bad row of every task and split with its reason, as `coterie train` would, and
    shows the lengths of the samples, the score of chance and of a constant answer, the loss of one
    batch, and an estimate of the memory that training RECIPE needs. The exit code is 2 if a row is
    bad.

    \b
    Examples:
      coterie check --base Qwen/Qwen2-VL-2B-Instruct --tasks tasks.yaml
      coterie check rode --base embedded --tasks pantry:naming,ocr --set max_length=256
      coterie check --base embedded --tasks scenes:depth,normals --no-batch
    """
    from coterie.cli.train_config import build_config, parse_override
    from coterie.devices import choose_precision
    from coterie.task_file import read_tasks
    from coterie.train.check import check_config
    from coterie.train.train import make_absolute_base

    chosen, task_set = announce_device(device), read_tasks(tasks)
    given = {name: value for name, value in flags.items() if value is not None}
    given |= {"base": make_absolute_base(flags["base"]), "tasks": task_set}
    overrides = [parse_override(text) for text in settings]
    name, precision = recipe or task_set.default_recipe, choose_precision(chosen)
    config = build_config(name, overrides, given, precision=precision)
    found = check_config(config, tries_batch=batch, device=chosen)
    click.echo(str(found))
    if not found.is_good:
        raise click.exceptions.Exit(2)

"""`coterie train`: a recipe, a model and tasks become a run."""

from typing import Any

import click

from coterie.cli.verb import make_subcommand


@make_subcommand(resume="the same command with --resume goes on from the last checkpoint")
@click.argument("recipe")
@click.option("--base", metavar="MODEL", help="Local folder, hub id, or 'embedded'.")
@click.option(
    "--tasks",
    metavar="FILE",
    help="tasks.yaml, or tasks.yaml:ocr,naming for some; or pantry, or scenes.",
)
@click.option("--out", required=True, metavar="RUN", help="The run's folder.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PATH=VALUE",
    help="An argument of the recipe, or a path inside it or the run's plan; can be repeated.",
)
@click.option(
    "--steps", type=int, help="Optimizer steps over all stages; else what the stages say."
)
@click.option("--batch-size", type=int, help="Samples a step.")
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), help="Of the arithmetic.")
@click.option("--seed", type=int, help="Of everything random.")
@click.option(
    "--skip-bad-rows", is_flag=True, default=None, help="Leave bad rows out, and list them."
)
@click.option("--resume", is_flag=True, help="Go on where the run in --out stopped.")
def train(settings: tuple[str, ...], recipe: str, out: str, resume: bool, **flags: Any) -> None:
    """Trains a recipe on tasks.

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
      coterie train rode --base ... --tasks ... --out runs/rode --resume
    """
    from coterie.cli.chosen import load_task_set
    from coterie.cli.overrides import Override
    from coterie.cli.train_config import build_config, fields_of
    from coterie.train import train as run
    from coterie.train.bad_rows import format_summary_line

    given = {name: value for name, value in flags.items() if value is not None}
    if "tasks" in given:
        given |= load_task_set(given["tasks"])
    plan = build_config(recipe, [Override.parse(text) for text in settings], given)
    done = run(**fields_of(plan), out=out, resume=resume)
    if bad := format_summary_line(done.read_bad_rows(), done.directory.bad_rows_file()):
        click.echo(bad)
    click.echo(f"{done.folder}: trained; next: coterie evaluate {done.folder}")

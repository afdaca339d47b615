"""`coterie add-tasks`: add tasks to a run, whose own tasks stay as they are."""

import inspect
import shlex
from typing import TYPE_CHECKING, Any

import click

from coterie.cli.device import announce_device, device_option
from coterie.cli.main import Subcommand

if TYPE_CHECKING:
    from coterie.recipe import Recipe


@click.command(
    cls=Subcommand, resume="the same command with --resume continues from the last checkpoint"
)
@click.argument("run", metavar="RUN")
@click.option(
    "--tasks", required=True, metavar="FILE",
    help="The new tasks: tasks.yaml, or tasks.yaml:ocr,naming for some; or pantry.",
)  # fmt: skip
@click.option("--out", required=True, metavar="RUN", help="The new run's folder.")
@click.option(
    "--recipe", help="Of the new tasks.  [default: pathweave, where the run's experts are]"
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="An argument of the recipe; can be repeated.",
)
@click.option("--base", metavar="MODEL", help="A base model that contains the run's own whole.")
@click.option(
    "--connectors", is_flag=True, help="Train the connectors that the run's own base lacks, too."
)
@click.option(
    "--steps", type=int, help="Optimizer steps over all stages.  [default: the stages' own]"
)
@click.option("--batch-size", type=int, help="Samples of a step.  [default: the run's]")
@click.option("--seed", type=int, help="Of weights, order and dropout.")
@click.option("--resume", is_flag=True, help="Continue where the run in --out stopped.")
@device_option
def add_tasks(  # noqa: PLR0913  an argument for each option
    run: str,
    tasks: str,
    out: str,
    recipe: str | None,
    settings: tuple[str, ...],
    base: str | None,
    connectors: bool,
    resume: bool,
    device: str | None,
    **flags: Any,
) -> None:
    """Add tasks to a run.

    New experts are trained beside those of RUN, which are frozen, as are all its weights: its own
    tasks' logits stay the same bits, which is checked at the end. RUN is needed until then.

    \b
    Examples:
      coterie add-tasks runs/pictures --tasks more.yaml --out runs/grown
      coterie add-tasks runs/pictures --tasks pantry:spoken --out runs/grown --set rank=16
      coterie add-tasks runs/pictures --tasks speech.yaml --out runs/grown \\
          --base pictures-and-speech --connectors
      coterie add-tasks runs/pictures --tasks more.yaml --out runs/alone --recipe shared_lora
    """
    import coterie
    from coterie.cli.moved_run import open_run
    from coterie.distributed import is_rank_zero
    from coterie.train.header import describe_finished

    chosen = announce_device(device)
    old = open_run(run, base=None, tasks=None)
    new = coterie.add_tasks(
        old,
        tasks=tasks,
        out=out,
        recipe=make_recipe(recipe, settings, old.config.recipe),
        base=base,
        connectors=connectors,
        resume=resume,
        device=chosen,
        **{name: value for name, value in flags.items() if value is not None},
    )
    if is_rank_zero():
        click.echo(f"{new.folder}: {describe_finished(new)}")
        click.echo(f"next: coterie evaluate {shlex.quote(str(new.folder))}")


def make_recipe(name: str | None, settings: tuple[str, ...], old: "Recipe") -> "Recipe | None":
    """Return the recipe of a name with its arguments; None for the default of `add_tasks`.

    Raises ValueError for an argument that the recipe has not, and for those of a file.
    """
    from coterie.cli.train_config import call_recipe, parse_override
    from coterie.train.growth import list_final_mixtures
    from coterie.train.named_recipes import SYSTEMS, find_recipe

    arguments = dict(map(parse_override, settings))
    if not arguments:
        return None if name is None else find_recipe(name)
    system = name or "pathweave"
    known = list(inspect.signature(SYSTEMS[system]).parameters) if system in SYSTEMS else []
    if unknown := [each for each in arguments if each not in known]:
        allowed = ", ".join(known) or "none, as it is a file"
        raise ValueError(f"--set {unknown[0]}: the arguments of {system} are: {allowed}")
    places = list(dict.fromkeys(each.at for each in list_final_mixtures(old)))
    if name is None and places:
        arguments.setdefault("at", places)
    return call_recipe(system, arguments)

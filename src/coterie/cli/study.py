"""`coterie study`: diagnose, train, score, compare and report in one command."""

import shlex
import sys
from typing import Any

import click

from coterie.cli.device import announce_device, device_option
from coterie.cli.main import Subcommand


@click.command(cls=Subcommand, resume="the same command goes on from there")
@click.option("--base", required=True, metavar="MODEL", help="As in `coterie train`.")
@click.option("--tasks", required=True, metavar="FILE", help="As in `coterie train`; two or more.")
@click.option("--out", required=True, metavar="DIR", help="The folder of all runs and the report.")
@click.option(
    "--recipes",
    metavar="NAME,...",
    help="Mixtures: names or files; remedies for eight of one size.  [default: moelora, or "
    "mod_squad for dense tasks]",
)
@click.option("--seeds", default="0", show_default=True, metavar="N,...", help="Of all systems.")
@click.option("--steps", type=int, help="Optimizer steps.  [default: those of the first mixture]")
@click.option("--batch-size", type=int, help="Samples of an optimizer step.")
@click.option("--limit", type=int, help="Rows a task that are scored, at most.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another setting of all runs, such as learning_rate=1e-3; can be repeated.",
)
@click.option(
    "--skip-bad-rows", is_flag=True, default=None, help="Leave bad rows out and list them."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done and what it would cost.")
@device_option
def study(
    recipes: str | None,
    seeds: str,
    settings: tuple[str, ...],
    dry_run: bool,
    device: str | None,
    **options: Any,
) -> None:
    """Compare a mixture with one LoRA for all tasks and one for each.

    It measures the conflict between tasks, trains every system with the same steps on the same rows
    and, where that can be, with as many parameters, scores all on held-out rows, with the untrained
    model and each model without pictures and sounds as controls, and writes tables and a report.
    Stopped by Ctrl-C or a failure, the same command goes on.

    \b
    Examples:
      coterie study --base embedded --tasks pantry:naming,ocr --out runs/study --dry-run
      coterie study --base google/gemma-3-4b-it --tasks tasks.yaml --out runs/study
      coterie study --base google/gemma-3-4b-it --tasks tasks.yaml --out runs/study \\
          --recipes moelora,rode --seeds 0,1,2 --steps 500 --set learning_rate=3e-4
      coterie study --base google/gemma-3-4b-it --tasks tasks.yaml --out runs/study \\
          --recipes remedies --steps 500
    """
    from coterie.study.study import plan_study

    given = {name: value for name, value in options.items() if value is not None}
    base, tasks, out = (given.pop(name) for name in ("base", "tasks", "out"))
    planned = plan_study(
        base,
        tasks,
        out=out,
        recipes=recipes.split(",") if recipes else None,
        seeds=parse_seeds(seeds),
        limit=given.pop("limit", None),
        device=announce_device(device),
        settings=parse_settings(settings) | given,
        command=shlex.join(["coterie", *sys.argv[1:]]),
        report_progress=click.echo,
    )
    if dry_run:
        planned.announce()
        for part in planned.make_parts():
            click.echo(f"  {'done' if part.is_done() else 'todo'}  {part.name}")
        return
    result = planned.run()
    click.echo(f"{result.headline}\nthe report is {result.report}")


def parse_seeds(text: str) -> tuple[int, ...]:
    """Parse "0,1,2". Raises ValueError for anything else."""
    try:
        return tuple(map(int, text.split(",")))
    except ValueError:
        raise ValueError(f"--seeds {text}: give whole numbers, as in --seeds 0,1,2") from None


def parse_settings(texts: tuple[str, ...]) -> dict[str, Any]:
    """Parse NAME=VALUE of settings of a run. Raises ValueError for a name that is none."""
    from typing import get_type_hints

    from coterie.annotations import coerce, format_suggestions
    from coterie.cli.train_config import parse_override
    from coterie.train.settings import TrainSettings

    hints, found = get_type_hints(TrainSettings), {}
    for name, value in map(parse_override, texts):
        if name not in hints:
            near = format_suggestions(name, hints)
            raise ValueError(
                f"--set {name}: a study has no such setting{near}; there are {', '.join(hints)}; "
                "what belongs to one recipe goes into its JSON file, named in --recipes"
            )
        found[name] = coerce(value, hints[name], f"--set: {name}")
    return found

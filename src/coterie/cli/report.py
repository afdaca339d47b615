"""`coterie report`: write a report on runs as one self-contained HTML page."""

import shlex

import click

from coterie.cli.main import Subcommand
from coterie.cli.moved_run import open_run, tasks_option


@click.command(cls=Subcommand)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--to", default="report.html", show_default=True, metavar="FILE", help="The page.")
@click.option("--title", help="The page's title.")
@click.option("--conflict", metavar="FILE", help="What `coterie diagnose` wrote before training.")
@click.option("--forgetting", metavar="FILE", help="What `coterie compare --sequence --to` wrote.")
@click.option("--media-root", multiple=True, metavar="FOLDER", help="Show pictures from here, too.")
@tasks_option
def report(
    runs: tuple[str, ...],
    to: str,
    media_root: tuple[str, ...],
    tasks: str | None,
    **options: str | None,
) -> None:
    """Write one HTML page on evaluated runs.

    It shows scores with intervals, the conflict between tasks, which experts each task uses,
    learning curves, cost, and answers right and wrong. It needs no network to be read.

    \b
    Examples:
      coterie report runs/rode --to report.html
      coterie report runs/shared runs/rode --title "One adapter or many"
    """
    from coterie.evaluate.systems import group_runs
    from coterie.report.build import write_report

    given = {"tasks": tasks, **options}
    flags = [part for name, text in given.items() if text for part in (f"--{name}", text)]
    flags += [part for folder in media_root for part in ("--media-root", folder)]
    command = shlex.join(["coterie", "report", *runs, "--to", to, *flags])
    groups = group_runs([open_run(each, base=None, tasks=tasks) for each in runs])
    written = write_report(groups, out=to, command=command, media_roots=media_root, **options)
    click.echo(" ".join(written.summary[:2]))
    if written.unscored:
        names = ", ".join(written.unscored)
        click.echo(f"without scores: {names}; `coterie evaluate` makes them, then report again")
    click.echo(f"written to {written.path}")

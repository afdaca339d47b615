"""`coterie compare`: compare several runs in one table."""

import click

from coterie.cli.main import Subcommand


@click.command(cls=Subcommand)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--baseline", multiple=True, metavar="RUN", help="Compare with it; can be repeated.")
@click.option(
    "--sequence", is_flag=True, help="They learned tasks one after another: transfer, forgetting."
)
@click.option("--to", metavar="FILE", help="Write the table to a .md, .csv or .json file, too.")
def compare(
    runs: tuple[str, ...], baseline: tuple[str, ...], sequence: bool, to: str | None
) -> None:
    """Put evaluated runs beside one another, in a table.

    Intervals are over samples and seeds. Runs of one recipe that differ in their seeds count as one
    system, and so do single-task runs of one seed together. With a baseline, delta_m is the mean
    change over tasks in percent.

    With --sequence the runs are the steps of one sequence, in their order, or folders, each with
    the runs of one sequence.

    \b
    Examples:
      coterie compare runs/rode runs/shared --baseline runs/shared
      coterie compare runs/rode-* --baseline runs/ocr --baseline runs/naming --to table.md
      coterie compare runs/replay --baseline runs/sequential --sequence --to forgetting.json
    """
    from coterie.evaluate import compare as table_of
    from coterie.evaluate import measure_forgetting
    from coterie.evaluate.table import check_table_file
    from coterie.report import summarize_table

    if to is not None:
        check_table_file(to)
    given = list(baseline) or None
    if sequence:
        table, headline = measure_forgetting(list(runs), baseline=given), ""
    else:
        table = table_of(list(runs), baseline=given)
        headline = summarize_table(table)
    click.echo(table.to_markdown())
    if headline:
        click.echo(headline)
    if to is not None:
        click.echo(f"written to {table.save(to)}")

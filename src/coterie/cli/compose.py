"""`coterie compose`: runs that were trained apart become one model, without training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from coterie.cli.device import announce_device, device_option
from coterie.cli.main import Subcommand


@click.command(cls=Subcommand)
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...")
@click.option("--out", required=True, metavar="DIR", help="The new run's folder.")
@click.option("--base", metavar="BASE", help="A model that has the different bases of all runs.")
@click.option(
    "--weights", default="even", show_default=True, metavar="even|search|W,W...",
    help="Of each run, for text.",
)  # fmt: skip
@click.option("--text", default="sum", show_default=True, metavar="sum|mean|ties",
              help="How experts of text are merged; only the sum is exact.")  # fmt: skip
@click.option("--media", default="own", show_default=True, metavar="own|text",
              help="Whether pictures and sounds have experts of their own.")  # fmt: skip
@click.option("--tasks", metavar="FILE", help="The new run's tasks.  [default: those of all runs]")
@click.option("--take", multiple=True, metavar="NAME=RUN",
              help="The run whose value a weight of the base model has.")  # fmt: skip
@device_option
def compose(
    runs: tuple[str, ...],
    out: str,
    weights: str,
    take: tuple[str, ...],
    device: str | None,
    **options: Any,
) -> None:
    """Composes runs into one run, without training.

    Pictures and sounds go through the experts of the run that was trained with them, text through
    the weighted sum of all.

    \b
    Examples:
      coterie compose runs/pictures runs/speech --out runs/both
      coterie compose runs/pictures runs/speech --out runs/both --weights 0.3,0.7
      coterie compose runs/pictures runs/speech --out runs/both --weights search
      coterie compose runs/a runs/b --out runs/plain --media text
      coterie compose runs/seeing runs/hearing --out runs/both --base models/omni
      coterie compose runs/a runs/b --out runs/c --take 'model.connectors.*=runs/a'
    """
    from coterie.compose import compose as join
    from coterie.compose.origins import summarize_tensors

    given = parse_weights(weights)
    chosen = announce_device(device) if given == "search" else None
    run = join(runs, out=out, weights=given, take=parse_takes(take), device=chosen, **options)
    record = run.directory.try_read_mapping(run.directory.composition_file)
    for each in record["runs"]:
        modalities = ", ".join(each["modalities"])
        click.echo(f"{each['folder']}: {modalities}; weight for text {each['weight']:.3g}")
    click.echo("tensors: " + "; ".join(summarize_tensors(record["tensors"])))
    click.echo(f"written to {Path(out)}; next: coterie evaluate {out}")


def parse_weights(text: str) -> Any:
    """Return numbers for "0.3,0.7"; any other text as it is."""
    try:
        return tuple(map(float, text.split(",")))
    except ValueError:
        return text


def parse_takes(texts: Sequence[str]) -> dict[str, str]:
    """Return name -> run. Raises ValueError for a name that is given twice."""
    found: dict[str, str] = {}
    for name, run in map(parse_take, texts):
        if found.setdefault(name, run) != run:
            raise ValueError(f"--take {name} has {found[name]} and {run}: give one run for a name")
    return found


def parse_take(text: str) -> tuple[str, str]:
    """Return (name, run) of NAME=RUN. Raises ValueError for another text."""
    name, _, run = text.rpartition("=")
    if not (name and run):
        raise ValueError(f"--take {text}: give NAME=RUN, such as lm_head.weight=runs/a")
    return name, run

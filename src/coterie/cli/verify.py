"""`coterie verify`: check which weights of an adapter a base model and servers use."""

import json

import click

from coterie.cli.main import Subcommand

PROGRAMS = ("peft", "vllm", "sglang", "llama.cpp")


@click.command(cls=Subcommand)
@click.argument("folder", metavar="FOLDER")
@click.option("--base", metavar="MODEL", required=True, help="The base model it is for.")
@click.option(
    "--for",
    "programs",
    type=click.Choice(PROGRAMS),
    multiple=True,
    help="Programs that must use all of it; may be given again.  [default: all]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every name.")
def verify(folder: str, base: str, programs: tuple[str, ...], as_json: bool) -> None:
    """Check which weights of an adapter are used, dropped or refused.

    FOLDER is any PEFT adapter, trained with coterie or not, or a merged checkpoint. It is loaded
    with PEFT into the base model's modules, without the base model's weights. What vLLM, SGLang and
    llama.cpp do with it is read from its files by rules that follow their public code; none of them
    is run. The exit code is 0 only if all is used as it was trained, else 1.

    \b
    Examples:
      coterie verify ocr-lora --base google/gemma-3-4b-it
      coterie verify my-lora --base MODEL --for peft --for vllm
    """
    from coterie.compatibility.check import check_folder
    from coterie.compatibility.checkpoint import TRANSFORMERS
    from coterie.compatibility.report import PEFT

    report = check_folder(folder, base)
    found = report.findings
    click.echo(json.dumps(report.dump(), indent=2) if as_json else report.format())
    # Of a checkpoint, transformers itself stands in PEFT's place.
    aliases = {PEFT.lower() if name == TRANSFORMERS else name.lower(): name for name in found}
    if not report.is_used(*(aliases[name] for name in programs)):
        click.echo("not all of it is used as it was trained", err=True)
        raise click.exceptions.Exit(1)

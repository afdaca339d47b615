"""`coterie generate`: answer questions with a run's model, about an image, audio or neither."""

import sys
from collections.abc import Callable

import click

from coterie.cli.device import announce_device, device_option
from coterie.cli.main import Subcommand
from coterie.modalities.base import find_media_modalities


def add_media_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for the file of each modality: --image, --audio."""
    for name in reversed(find_media_modalities()):
        text = f"A file ({name}) that the questions are about."
        command = click.option(f"--{name}", metavar="FILE", help=text)(command)
    return command


@click.command(cls=Subcommand)
@click.argument("run", metavar="RUN")
@click.argument("questions", nargs=-1, metavar="[QUESTION]...")
@click.option("--task", help="Which of the run's tasks; needed if it has several.")
@add_media_options
@device_option
def generate(
    run: str,
    questions: tuple[str, ...],
    task: str | None,
    device: str | None,
    **media: str | None,
) -> None:
    """Answer questions with a run's model.

    Each answer is a line. Without a QUESTION, each line of standard input is one.

    \b
    Examples:
      coterie generate runs/rode --task naming --image apple.png "What is this?"
      coterie generate runs/rode --task spoken --audio word.wav ""
      coterie generate runs/rode --task ocr --image page.png < questions.txt
    """
    from coterie.serve.engine import InferenceEngine

    given = {name: file for name, file in media.items() if file is not None}
    engine = InferenceEngine.from_run(run, task=task, media=given, device=announce_device(device))
    for question in questions or (line.rstrip("\n") for line in sys.stdin):
        click.echo(engine.answer(question))

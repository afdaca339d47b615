"""`coterie generate`: a run's answers to questions, about an image, audio or neither."""

import sys

import click

from coterie.cli.verb import make_subcommand


@make_subcommand()
@click.argument("run", metavar="RUN")
@click.argument("questions", nargs=-1, metavar="[QUESTION]...")
@click.option("--task", help="Which of the run's tasks; needed if it has several.")
@click.option("--image", metavar="FILE", help="An image that the questions are about.")
@click.option("--audio", metavar="FILE", help="An audio file that the questions are about.")
def generate(
    run: str, questions: tuple[str, ...], task: str | None, image: str | None, audio: str | None
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

    engine = InferenceEngine.from_run(run, task=task, image=image, audio=audio)
    for question in questions or (line.rstrip("\n") for line in sys.stdin):
        click.echo(engine.answer(question))

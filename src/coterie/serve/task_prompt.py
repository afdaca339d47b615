"""`TaskPrompt`: how questions of one task become prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coterie.data.columns import Columns
from coterie.data.row_formats.question_answer import QuestionAnswer
from coterie.data.sample import TextSample
from coterie.tasks.text.task import TextTask


@dataclass(frozen=True, kw_only=True)
class TaskPrompt:
    """How questions of one task become prompts.

    Attributes:
        task: its prompt, columns and answer length.
        media: column -> path of the file that all questions are about, or paths of several.
    """

    task: TextTask
    media: Mapping[str, str | list[str]] = field(default_factory=dict)

    @classmethod
    def with_files(cls, task: TextTask, files: Mapping[str, Sequence[str]]) -> "TaskPrompt":
        """Return the prompts about the files of each modality, in the order of the prompt."""
        columns = task.get_columns()
        media = dict(_fill_column(columns, *each) for each in files.items() if each[1])
        return cls(task=task, media=media)

    @property
    def needs_question(self) -> bool:
        """Whether the prompt has the question in it."""
        columns = self.task.get_columns()
        return columns.question in [piece.column for piece in columns.split_template()]

    def check_question(self, question: str) -> None:
        """Raise ValueError for none where the prompt needs one, or one that nothing would read."""
        columns = self.task.get_columns()
        pieces = [each for each in columns.split_template() if each.column == columns.question]
        if question and not pieces:
            raise ValueError(
                f"the prompt of task {self.task.name!r} has no question in it, and "
                f"{question[:40]!r} would not be read: leave it out"
            )
        if not question and any(not each.is_optional for each in pieces):
            raise ValueError(
                f"the prompt of task {self.task.name!r} has a question in it, and there is none: "
                "give it as text"
            )

    def ask(self, question: str) -> TextSample:
        """Return the prompt of a question; see `read`. Raises ValueError as `check_question`."""
        self.check_question(question)
        return self.read({self.task.question: question or None})

    def read(
        self, row: Mapping[str, Any], source: str = "the question", folder: Path | None = None
    ) -> TextSample:
        """Return the prompt of a row, whose answer, if any, is not read.

        Args:
            row: its columns.
            source: what the prompt is called in errors.
            folder: of relative paths in the row; None for the current one.

        Raises ValueError for a column that is missing, or a file that is named and not there.
        """
        columns = self.task.get_columns()
        messages = QuestionAnswer().parse_prompt(
            {**self.media, **row}, columns, folder or Path.cwd()
        )
        return TextSample(task=self.task.name, messages=messages, answers=(), source=source)


def _fill_column(columns: Columns, modality: str, files: Sequence[str]) -> tuple[str, Any]:
    """Return the column of a modality's files, and what a row has there."""
    column = columns.get_media_column(modality)
    return (column, files[0]) if len(files) == 1 else (f"{column}s", list(files))

"""Rows of a prompt and its completion in the format of TRL."""

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.row_formats.base import DialogueFormat
from coterie.data.row_formats.fields import Row, format_value
from coterie.data.row_formats.question_answer import QuestionAnswer
from coterie.data.row_formats.turns import PromptAndAnswers

PROMPT, COMPLETION = "prompt", "completion"


class PromptCompletion(DialogueFormat):
    """{"prompt": "Why?", "completion": "So."}, or both as lists of messages.

    Text is a question and its answer, unless the task names other columns for these. Of messages,
    those of the assistant in the completion are learned.
    """

    field: ClassVar[str] = COMPLETION
    prepends_media: ClassVar[bool] = True
    order: ClassVar[int] = 2

    def matches(self, row: Row) -> bool:
        return row.get(PROMPT) is not None and row.get(COMPLETION) is not None

    def get_turns(self, row: Row) -> Any:
        prompt, completion = row[PROMPT], row[COMPLETION]
        for name, given in ((PROMPT, prompt), (COMPLETION, completion)):
            if not (isinstance(given, list) and all(isinstance(turn, dict) for turn in given)):
                problem = f"is {format_value(given)}: give a list of messages, or two texts"
                raise RowError(name, problem)
        prompt = ({key: turn[key] for key in turn} | {"weight": 0} for turn in prompt)
        return [*prompt, *completion]

    def parse(self, row: Row, columns: Columns, folder: Path) -> list[PromptAndAnswers]:
        if isinstance(row[PROMPT], list) or isinstance(row[COMPLETION], list):
            return super().parse(row, columns, folder)
        if (columns.question, columns.answer) == ("question", "answer"):
            columns = replace(columns, question=PROMPT, answer=COMPLETION)
        return QuestionAnswer().parse(row, columns, folder)

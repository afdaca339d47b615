"""`InferenceEngine`: a loaded run that answers questions, one at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from coterie.data.columns import Columns
from coterie.data.row_formats.question_answer import QuestionAnswer
from coterie.data.sample import TextSample
from coterie.models.loading import LoadedModel
from coterie.tasks.text.batches import TextCollator
from coterie.tasks.text.generation import predict
from coterie.tasks.text.task import TextTask
from coterie.train import Run


@dataclass(frozen=True, kw_only=True)
class InferenceEngine:
    """A loaded run and the task of its questions.

    Attributes:
        loaded: the model and its processor.
        collator: makes batches of prompts.
        task: provides the prompt, the task id and the answer length.
        media: column -> path of the file that the questions are about, or paths of several.
    """

    loaded: LoadedModel
    collator: TextCollator
    task: TextTask
    media: Mapping[str, str | list[str]]

    @classmethod
    def from_run(
        cls,
        folder: Run | str | Path,
        *,
        task: str | None = None,
        media: Mapping[str, Sequence[str]] | None = None,
        device: str | torch.device | None = None,
    ) -> "InferenceEngine":
        """Load a run.

        Args:
            folder: the run's, or the run.
            task: the name of one of its tasks; None for the only one.
            media: modality -> the files that questions are about, in the order of the prompt, such
                as {"image": ["a.png"]}.
            device: see `coterie.devices.choose_device`; None for an accelerator where there is one.

        Raises ValueError if the run has no such task, or several and none is named, or its tasks
        have no answers in text.
        """
        run = folder if isinstance(folder, Run) else Run.read(folder)
        try:
            selected = run.config.tasks.get_text_task(task)
        except ValueError as error:
            raise ValueError(f"{run.folder}: {error}") from None
        columns = selected.get_columns()
        loaded = run.load(device=device)
        return cls(
            loaded=loaded,
            collator=TextCollator(loaded.processor, run.task_names),
            task=selected,
            media=dict(_fill_column(columns, *each) for each in (media or {}).items()),
        )

    @property
    def needs_question(self) -> bool:
        """Whether the task's prompt has the question in it."""
        columns = self.task.get_columns()
        return columns.question in [piece.column for piece in columns.split_template()]

    def answer(self, question: str) -> str:
        """Return the model's answer to a question in the task's prompt; see `answer_row`."""
        return self.answer_row({self.task.question: question or None})

    def answer_row(self, row: Mapping[str, Any]) -> str:
        """Return the model's answer to a row of the task, whose answer, if any, is not read.

        Raises ValueError for a file that cannot be read, or a column that is missing.
        """
        columns = self.task.get_columns()
        messages = QuestionAnswer().parse_prompt({**self.media, **row}, columns, Path.cwd())
        prompt = TextSample(
            task=self.task.name, messages=messages, answers=(), source="the question"
        )
        length = self.task.max_new_tokens
        (answer,), _ = predict(
            self.loaded, self.collator, [prompt], batch_size=1, max_new_tokens=length
        )
        return answer


def _fill_column(columns: Columns, modality: str, files: Sequence[str]) -> tuple[str, Any]:
    """Return the column of a modality's files, and what a row has there."""
    column = columns.get_media_column(modality)
    return (column, files[0]) if len(files) == 1 else (f"{column}s", list(files))

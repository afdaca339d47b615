"""`InferenceEngine`: a loaded run that answers questions, one at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

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
        media: column -> path of the image or audio file that the questions are about.
    """

    loaded: LoadedModel
    collator: TextCollator
    task: TextTask
    media: Mapping[str, str]

    @classmethod
    def from_run(
        cls,
        folder: str | Path,
        *,
        task: str | None = None,
        media: Mapping[str, str] | None = None,
        device: str | torch.device | None = None,
    ) -> "InferenceEngine":
        """Load a run.

        Args:
            folder: the run's.
            task: the name of one of its tasks; None for the only one.
            media: modality -> the file that questions are about, such as {"image": "a.png"}.
            device: see `coterie.devices.choose_device`; None for an accelerator where there is one.

        Raises ValueError if the run has no such task, or several and none is named, or its tasks
        have no answers in text.
        """
        run = Run.read(folder)
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
            media={columns.get_media_column(name): file for name, file in (media or {}).items()},
        )

    def answer(self, question: str) -> str:
        """Return the model's answer to a question in the task's prompt.

        Raises ValueError for a file that cannot be read, or a prompt with further columns.
        """
        row = {self.task.question: question or None, **self.media}
        messages = QuestionAnswer().parse_prompt(row, self.task.get_columns(), Path.cwd())
        prompt = TextSample(
            task=self.task.name, messages=messages, answers=(), source="the question"
        )
        length = self.task.max_new_tokens
        (answer,), _ = predict(
            self.loaded, self.collator, [prompt], batch_size=1, max_new_tokens=length
        )
        return answer

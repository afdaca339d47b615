"""Questions to a run, one at a time, about a picture or a sound of the user's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coterie import serialization
from coterie.data.row_formats.question_answer import QuestionAnswer
from coterie.data.sample import TextSample
from coterie.models.loading import LoadedModel
from coterie.tasks import TextTask
from coterie.tasks.text.collator import TextCollator
from coterie.tasks.text.generation import predict
from coterie.train import Run


@dataclass(frozen=True, kw_only=True)
class InferenceEngine:
    """A loaded run, the task that questions belong to, and what they are about."""

    loaded: LoadedModel
    collator: TextCollator
    task: TextTask
    media: Mapping[str, str]

    @classmethod
    def from_run(
        cls, folder: str, *, task: str | None, media: Mapping[str, str]
    ) -> "InferenceEngine":
        """The run in a folder, ready to answer.

        Args:
            folder: the run's.
            task: the task that questions belong to; None for the run's only one.
            media: modality -> the file that questions are about.

        Raises ValueError where `task` is none of the run's, or is not given and there are several,
        or the run is on pictures.
        """
        run = Run.read(folder)
        chosen = select_task(run, task)
        columns = chosen.get_columns()
        loaded = run.load()
        return cls(
            loaded=loaded,
            collator=TextCollator(loaded.processor, [each.name for each in run.config.tasks]),
            task=chosen,
            media={columns.get_media_column(name): file for name, file in media.items()},
        )

    def answer(self, question: str) -> str:
        """The model's answer; the question is put into the task's prompt, as a row's is.

        Raises ValueError for a file that cannot be read, or a prompt that asks for more.
        """
        row = {self.task.question: question or None, self.task.answer: "?", **self.media}
        ((turns, answers),) = QuestionAnswer().parse(row, self.task.get_columns(), Path.cwd())
        sample = TextSample(
            task=self.task.name, messages=turns, answers=answers, source="the question"
        )
        answered = predict(
            self.loaded,
            self.collator,
            [sample],
            batch_size=1,
            max_new_tokens=self.task.max_new_tokens,
        )
        return answered.texts[0]


def select_task(run: Run, name: str | None) -> TextTask:
    """The run's task of a name; its only one, if none is named."""
    if run.config.pictures is not None:
        raise ValueError(
            f"{run.folder} is a run on pictures, and has no words: load it with "
            "Run.read(...).load(), and give the model pixel_values"
        )
    tasks = {task.name: task for task in run.config.tasks}
    if name is None and len(tasks) == 1:
        return next(iter(tasks.values()))
    if name is None or name not in tasks:
        said = "the run has several tasks" if name is None else f"the run has no task {name!r}"
        near = serialization.format_suggestions(name or "", tasks)
        raise ValueError(f"{said}{near}: give --task, one of {', '.join(tasks)}")
    return tasks[name]

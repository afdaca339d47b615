"""Questions to a run, one at a time, about a picture or a sound of the user's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coterie import spec
from coterie.data.collate import Collator
from coterie.data.formats.question import Question
from coterie.data.sample import Sample
from coterie.evaluate.predict import predict
from coterie.pretrained import Pretrained
from coterie.tasks import Task
from coterie.train import Run


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A loaded run, the task that questions belong to, and what they are about."""

    pretrained: Pretrained
    collator: Collator
    task: Task
    media: Mapping[str, str]

    @classmethod
    def of(cls, folder: str, *, task: str | None, image: str | None, audio: str | None) -> "Asked":
        """The run in a folder, ready to answer.

        Raises ValueError where `task` is none of the run's, or is not given and there are several,
        or the run is on pictures.
        """
        run = Run.read(folder)
        chosen = task_of(run, task)
        given = ((chosen.image, image), (chosen.audio, audio))
        pretrained = run.load()
        return cls(
            pretrained=pretrained,
            collator=Collator(pretrained.processor, [each.name for each in run.plan.tasks]),
            task=chosen,
            media={column: file for column, file in given if file is not None},
        )

    def answer(self, question: str) -> str:
        """The model's answer; the question is put into the task's prompt, as a row's is.

        Raises ValueError for a file that cannot be read, or a prompt that asks for more.
        """
        row = {self.task.question: question or None, self.task.answer: "?", **self.media}
        ((turns, answers),) = Question().exchanges(row, self.task.columns(), Path.cwd())
        sample = Sample(task=self.task.name, turns=turns, answers=answers, source="the question")
        answered = predict(
            self.pretrained,
            self.collator,
            [sample],
            batch_size=1,
            max_new_tokens=self.task.max_new_tokens,
        )
        return answered.texts[0]


def task_of(run: Run, name: str | None) -> Task:
    """The run's task of a name; its only one, if none is named."""
    if run.plan.pictures is not None:
        raise ValueError(
            f"{run.folder} is a run on pictures, and has no words: load it with "
            "Run.read(...).load(), and give the model pixel_values"
        )
    tasks = {task.name: task for task in run.plan.tasks}
    if name is None and len(tasks) == 1:
        return next(iter(tasks.values()))
    if name is None or name not in tasks:
        said = "the run has several tasks" if name is None else f"the run has no task {name!r}"
        near = spec.near(name or "", tasks)
        raise ValueError(f"{said}{near}: give --task, one of {', '.join(tasks)}")
    return tasks[name]

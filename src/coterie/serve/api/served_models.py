"""`ServedModels`: the names under which a run's tasks are asked, and the prompts of each."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coterie.data.sample import MediaFile, Message, TextSample
from coterie.serve.api.api_error import ApiError
from coterie.serve.api.asked import Asked
from coterie.serve.engine import InferenceEngine
from coterie.serve.limits import ServerLimits
from coterie.serve.sampling import Sampling
from coterie.serve.task_prompt import TaskPrompt
from coterie.tuner.layer import CoterieLayer

AUTO = "auto"
"""The name under which the prompt alone decides, where no gate asks for the task."""
SOURCE = "the prompt"


@dataclass(frozen=True, kw_only=True)
class ServedModels:
    """The names under which a run's tasks are asked.

    Attributes:
        has_auto: there is a name for prompts of no task.
        created: when the server was started, in seconds since 1970.
    """

    engine: InferenceEngine
    limits: ServerLimits
    has_auto: bool
    created: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def of(cls, engine: InferenceEngine, limits: ServerLimits) -> "ServedModels":
        """Return the names of an engine's tasks, with `AUTO` if a prompt of no task is answered."""
        names = engine.run.task_names
        mixtures = [
            mixture
            for layer in engine.loaded.model.modules()
            if isinstance(layer, CoterieLayer)
            for mixture in layer.list_active_mixtures()
        ]
        is_free = len(names) == 1 or not any(each.needs_task_ids for each in mixtures)
        return cls(engine=engine, limits=limits, has_auto=is_free and AUTO not in names)

    @property
    def names(self) -> tuple[str, ...]:
        """The tasks, and `AUTO` where the run answers without one."""
        return (*self.engine.run.task_names, *([AUTO] if self.has_auto else ()))

    def describe(self, name: str) -> dict[str, Any]:
        """Return a model of OpenAI's interface. Raises ApiError if there is none of the name."""
        self._check(name)
        return describe_model(name, self.created)

    def _check(self, name: str) -> None:
        if name not in self.names:
            raise ApiError(
                f"there is no model {name[:100]!r}: give one of {', '.join(self.names)}",
                status=404, code="model_not_found", param="model",
            )  # fmt: skip

    def make_sample(self, asked: Asked) -> TextSample:
        """Return the prompt of a request.

        A message alone is a question of the task, and goes through the task's prompt; a
        conversation, and all that is asked of `AUTO`, goes through the chat template as it is.
        Raises ApiError for an unknown model, or what the prompt lacks.
        """
        self._check(asked.model)
        names = self.engine.run.task_names
        is_task = asked.model in names or len(names) == 1
        name = asked.model if asked.model in names else names[0]
        if is_task and len(asked.messages) == 1:
            return self._ask(self.engine.make_prompt(name), asked.messages[0], asked.columns)
        if asked.columns:
            raise ApiError(
                "columns are of a task's prompt: give a task as the model, and one message",
                param="columns",
            )
        return TextSample(task=name, messages=asked.messages, answers=(), source=SOURCE)

    def _ask(self, prompt: TaskPrompt, message: Message, columns: Mapping[str, Any]) -> TextSample:
        question = "\n".join(part for part in message.parts if isinstance(part, str))
        try:
            prompt.check_question(question)
        except ValueError as error:
            raise ApiError(str(error), param="messages") from None
        row: dict[str, Any] = {prompt.task.question: question or None}
        row |= _check_columns(prompt, columns)
        table = prompt.task.get_columns()
        for part in message.parts:
            if isinstance(part, MediaFile):
                assert part.content is not None
                items = row.setdefault(f"{table.get_media_column(part.kind)}s", [])
                items.append({"bytes": part.content})
        try:
            return prompt.read(row, SOURCE)
        except ValueError as error:
            raise ApiError(f"task {prompt.task.name}: {error}", param="messages") from None

    def make_sampling(self, asked: Asked, task: str) -> list[Sampling]:
        """Return the sampling of each answer: seeds follow on each other.

        Raises ApiError for a value that is out of its range.
        """
        longest = self.limits.answer_tokens
        tokens = asked.max_tokens
        if tokens is not None and tokens > longest:
            problem = f"{asked.max_tokens_field}={tokens}: at most {longest} are generated"
            raise ApiError(problem, param=asked.max_tokens_field)
        if tokens is None:
            names = self.engine.run.task_names if asked.model == AUTO else (task,)
            usual = max(self.engine.get_task(name).max_new_tokens for name in names)
            tokens = min(usual, longest)
        try:
            first = Sampling(max_tokens=tokens, **asked.sampling)
            return [first.with_seed_plus(number) for number in range(asked.answers)]
        except ValueError as error:
            name, _, problem = str(error).partition("=")
            name = asked.max_tokens_field if name == "max_tokens" else name
            raise ApiError(f"{name}={problem}", param=name) from None


def describe_model(name: str, created: int) -> dict[str, Any]:
    """Return a model of OpenAI's interface, made at a time in seconds since 1970."""
    return {"id": name, "object": "model", "created": created, "owned_by": "coterie"}


def _check_columns(prompt: TaskPrompt, columns: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return columns of texts in the prompt. Raises ApiError for others, such as of media."""
    allowed = {piece.column for piece in prompt.task.get_columns().split_template()} - {None}
    if unknown := sorted(set(columns) - allowed):
        named = ", ".join(sorted(map(str, allowed))) or "none"
        raise ApiError(
            f"columns has {unknown[0][:40]!r}, and the prompt of {prompt.task.name} has {named}",
            param="columns",
        )
    return columns

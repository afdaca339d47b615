"""A run as a model of lmms-eval, `--model coterie`; imports that package, which coterie needs not.

lmms-eval finds it by the entry point `lmms_eval.models` of coterie's pyproject.toml.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

from tqdm import tqdm

from coterie import distributed
from coterie.data.sample import MediaFile, Message, TextSample
from coterie.serve.engine import InferenceEngine
from coterie.tasks.text.choices import compute_likelihoods
from coterie.tasks.text.generation import predict

Model: Any = import_module("lmms_eval.api.model").lmms
PLACEHOLDER = "<image>"
"""What some tasks write for an image, whose place in the prompt is before the text here."""
MAX_NEW_TOKENS = 1024
"""Of an answer, where the task does not say how long it is."""


class LmmsModel(Model):
    """A run that answers lmms-eval's tasks: images, then the text, in the run's chat template.

    Args:
        run: the run's folder.
        task: the run's task whose gate, if it has gates for tasks, answers; None for the only one.
        batch_size: samples that are answered at once.
        device: as in `coterie evaluate`; None for the best there is.
        max_batch_size: of lmms-eval's search for a batch size, which is not done here.

    Raises ValueError for a folder that is no finished run, an unknown task, or several processes.
    """

    is_simple = True

    def __init__(
        self,
        run: str = "",
        task: str | None = None,
        batch_size: int | str | None = 1,
        device: str | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        super().__init__()
        if not run:
            raise ValueError("--model_args: there is no run: give run=FOLDER, of a finished run")
        if distributed.get_world_size() > 1:
            raise ValueError("coterie answers lmms-eval in one process: start it without launcher")
        if not str(batch_size or 1).isdecimal():
            raise ValueError(f"batch_size={batch_size!r}: give a number")
        self.samples_at_once = int(batch_size or 1)
        self.engine = InferenceEngine.from_run(run, device=device)
        self.task = self.engine.get_task(task)

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Return the answer to each request: greedy, up to the first of the task's stop texts.

        Raises ValueError for a task that asks for samples or beams.
        """
        groups: dict[int, list[int]] = {}
        for place, request in enumerate(requests):
            groups.setdefault(get_answer_length(request.args[1]), []).append(place)
        answers = [""] * len(requests)
        with tqdm(total=len(requests), desc="coterie", disable=None) as bar:
            for length, places in groups.items():
                done = bar.n
                found, _ = predict(
                    self.engine.loaded, self.engine.collator,
                    [self._make_sample(*select_prompt(requests[place])) for place in places],
                    batch_size=self.samples_at_once, max_new_tokens=length,
                    on_batch_end=lambda count, done=done: bar.update(done + count - bar.n),
                )  # fmt: skip
                for place, text in zip(places, found, strict=True):
                    context, options = requests[place].args[:2]
                    answers[place] = cut_answer(text, options)
                    self.cache_hook.add_partial(
                        "generate_until", (context, options), answers[place]
                    )
        return answers

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Return the log-likelihood of each continuation, and whether it is the greedy answer."""
        found: list[tuple[float, bool]] = []
        for request in tqdm(requests, desc="coterie", disable=None):
            target = request.args[1]
            if callable(target):
                target = target(self._get_document(*request.args[3:6]))
            # The blank before a continuation is of prompts without a chat template.
            sample = self._make_sample(*select_prompt(request), answers=(str(target).strip(),))
            found += compute_likelihoods(self.engine.loaded, self.engine.collator, [sample])
        return found

    def generate_until_multi_round(self, requests: Sequence[Any]) -> NoReturn:
        """Refuse a task of several rounds, whose next question follows from an answer."""
        raise NotImplementedError(
            "coterie's model answers one question a row: leave out tasks of several rounds"
        )

    def _get_document(self, number: int, task: str, split: str) -> Any:
        return self.task_dict[task][split][number]

    def _make_sample(
        self,
        context: str,
        make_visuals: Callable[[Any], Any],
        place: tuple[int, str, str],
        answers: tuple[str, ...] = (),
    ) -> TextSample:
        source = f"{place[1]}, {place[2]} {place[0]}"
        visuals = make_visuals(self._get_document(*place)) or []
        media = [encode_image(each, source) for each in visuals if each is not None]
        text = context.replace(PLACEHOLDER, "").strip()
        turn = Message(role="user", parts=(*media, text))
        name = self.task.name
        return TextSample(task=name, messages=(turn,), answers=answers, source=source)


def select_prompt(request: Any) -> tuple[str, Callable[[Any], Any], tuple[int, str, str]]:
    """Return a request's text, the function for its images, and the place of its document."""
    context, _, make_visuals, *place = request.args
    return context, make_visuals, tuple(place)


def get_answer_length(options: Mapping[str, Any]) -> int:
    """Return the longest answer in tokens. Raises ValueError for what is not greedy."""
    sampled = options.get("do_sample") or (options.get("temperature") or 0) > 0
    if sampled or (options.get("num_beams") or 1) > 1:
        raise ValueError(
            f"the task's generation is {dict(options)}, and coterie's is greedy: give --gen_kwargs "
            "do_sample=False,temperature=0,num_beams=1"
        )
    return int(options.get("max_new_tokens") or MAX_NEW_TOKENS)


def cut_answer(text: str, options: Mapping[str, Any]) -> str:
    """Cut an answer at the first of the texts that end it."""
    until = options.get("until") or []
    for end in [until] if isinstance(until, str) else until:
        text = text.partition(end)[0] if end else text
    return text.strip()


def encode_image(visual: Any, source: str) -> MediaFile:
    """Encode a PIL image. Raises ValueError for videos and sounds, which come otherwise."""
    from PIL import Image

    if not isinstance(visual, Image.Image):
        kind = type(visual).__name__
        raise ValueError(f"{source} has a {kind}, as of a video or sound: only images are taken")
    held = io.BytesIO()
    visual.convert("RGB").save(held, "PNG")
    return MediaFile(kind="image", content=held.getvalue())

"""A tiny run as lmms-eval's model, on requests as that package makes them; skipped without it."""

from typing import Any

import pytest
from PIL import Image

from coterie.serve.engine import InferenceEngine
from coterie.train.run import Run
from tests.evaluate.runs import run, says, task

pytest.importorskip("lmms_eval")
DOCS = [{"question": f"what is {number}?"} for number in range(3)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    return run(folder / "two", (task(folder, "yes", says("yes")), task(folder, "no", says("no"))))


def make_model(run: Run, **given: Any) -> Any:
    from coterie.serve.lmms_eval import LmmsModel

    text = f"run={run.folder},task=yes"
    model = LmmsModel.create_from_arg_string(text, {"batch_size": 2, "device": "cpu"} | given)
    model.task_dict = {"a task": {"test": DOCS}}
    return model


def requests(kind: str, *middle: Any, visuals: Any = None) -> list[Any]:
    """A request for each document."""
    from lmms_eval.api.instance import Instance

    return [
        Instance(
            request_type=kind,
            arguments=(doc["question"], *middle, lambda _: visuals or [], number, "a task", "test"),
            idx=0,
            metadata={"task": "a task", "doc_id": number, "repeats": 1},
        )
        for number, doc in enumerate(DOCS)
    ]


def test_answers_are_those_of_the_run(made: Run) -> None:
    engine = InferenceEngine.from_run(made.folder, device="cpu")
    wanted = [engine.ask(doc["question"], task="yes") for doc in DOCS]  # of at most three tokens
    options = {"max_new_tokens": 3, "temperature": 0, "do_sample": False, "until": ["\n\n\n"]}
    assert make_model(made).generate_until(requests("generate_until", options)) == wanted
    first = wanted[0].split()[0][0]
    cut = make_model(made).generate_until(requests("generate_until", options | {"until": first}))
    assert cut[0] == ""


def test_the_greedy_answer_is_the_likeliest(made: Run) -> None:
    model = make_model(made)
    options = {"max_new_tokens": 1}
    greedy = model.generate_until(requests("generate_until", options))[0]
    likely = model.loglikelihood(requests("loglikelihood", lambda doc: f" {greedy}"))
    other = model.loglikelihood(requests("loglikelihood", "is this a cat?"))
    assert likely[0][1] and likely[0][0] > other[0][0] and not other[0][1]
    assert all(value < 0 for value, _ in likely + other)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"batch_size": "auto"}, "batch_size='auto': give a number"), ({"task": "nah"}, "no task")],
)
def test_wrong_arguments(made: Run, given: dict[str, Any], said: str) -> None:
    from coterie.serve.lmms_eval import LmmsModel

    with pytest.raises(ValueError, match=said):
        LmmsModel(**{"run": str(made.folder), "task": "yes", "device": "cpu"} | given)
    with pytest.raises(ValueError, match="there is no run: give run=FOLDER"):
        LmmsModel()


def test_what_is_not_taken(made: Run) -> None:
    model = make_model(made)
    with pytest.raises(ValueError, match=r"'temperature': 0\.7.*coterie's is greedy"):
        model.generate_until(requests("generate_until", {"temperature": 0.7}))
    with pytest.raises(ValueError, match="a task, test 0 has a str, as of a video or sound"):
        model.generate_until(requests("generate_until", {}, visuals=["a.mp4"]))
    with pytest.raises(NotImplementedError, match="leave out tasks of several rounds"):
        model.generate_until_multi_round([])


def test_images_are_encoded() -> None:
    from coterie.serve.lmms_eval import encode_image

    image = Image.new("RGB", (5, 4), (9, 8, 7))
    again = encode_image(image, "a row").load()
    assert again.size == (5, 4) and again.getpixel((0, 0)) == (9, 8, 7)

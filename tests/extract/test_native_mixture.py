"""Which mixtures a class of transformers computes."""

from dataclasses import replace

from coterie import Copies, Null, Softmax, TaskGate, TopK
from coterie.extract.native_mixture import find_native_problem
from tests.extract.copies_models import ATTENTION, COPIES


def test_problems() -> None:
    assert find_native_problem(COPIES) is None
    assert find_native_problem(replace(COPIES, gate=TaskGate())) is None
    noisy = TopK(noise=0.1, noise_in_evaluation=True)
    for changes, said in (
        ({"experts": (Copies(count=3), Null())}, "two kinds of experts"),
        ({"router": noisy}, "TopK with noise in evaluation"),
        ({"router": TopK(k=1, closed=(2,))}, "TopK(closed=)"),
        ({"router": Softmax()}, "a Softmax router"),
        ({"gate": TaskGate(per_token=False)}, "a TaskGate"),
        ({"gate": TaskGate(noisy=True, noise_in_evaluation=True)}, "with noise in evaluation"),
    ):
        assert said in str(find_native_problem(replace(COPIES, **changes)))
    assert find_native_problem(ATTENTION) == "Lora experts and a NoneType"

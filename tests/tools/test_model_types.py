"""The trials of every model type: nothing is silently wrong, and the page has their results."""

import json

import pytest

from tools import model_types

RESULTS = json.loads(model_types.RESULTS.read_text())
BUILT = [name for name, found in RESULTS.items() if "not built" not in found]
FAST = {"deepseek_v3", "gpt_neox"}


def test_at_least_ninety_are_built_and_none_is_wrong() -> None:
    assert len(BUILT) >= 90
    for name in BUILT:
        assert not any(verdict.startswith("wrong") for verdict in RESULTS[name].values()), name


def test_the_page_has_the_results() -> None:
    page = model_types.PAGE.read_text()
    assert model_types.make_table(RESULTS) in page, "run: python -m tools.model_types"


@pytest.mark.filterwarnings("ignore")  # of transformers, about kernels that are not installed
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in BUILT],
)
def test_a_trial_gives_the_same_again(name: str) -> None:
    found = model_types.try_model_type(name)
    assert {gate: verdict.split(":")[0] for gate, verdict in found.items()} == {
        gate: verdict.split(":")[0] for gate, verdict in RESULTS[name].items()
    }

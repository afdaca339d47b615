import pytest

from coterie.stage import Stage
from coterie.stage_order import check_stage_order, find_start, list_branches

INITS = {"a": "continue", "b": "branch", "c": "branch", "d": "assemble", "e": "continue"}
STAGES = tuple(Stage(name=name, init=init) for name, init in INITS.items())


def test_branches_start_from_the_stage_before_all_of_them() -> None:
    check_stage_order("r", STAGES)
    assert [find_start(STAGES, number) for number in range(5)] == [None, 0, 0, 0, 3]
    assert [list_branches(STAGES, number) for number in (2, 3, 4)] == [[1], [1, 2], []]
    # Without a first stage, branches start from the base model, and so does what they make up.
    assert [find_start(STAGES[1:], number) for number in range(3)] == [None, None, None]
    other = Stage(name="d", init="assemble", start_from="runs/a")
    assert find_start((*STAGES[:3], other), 3) is None
    assert find_start((STAGES[0], Stage(name="e", adapter_from="runs/a")), 1) is None


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ((STAGES[0], STAGES[0]), "stages of recipe 'r': the name 'a' is there twice"),
        ((STAGES[1], STAGES[4]), "has init='continue' after the branch 'b'"),
        ((STAGES[0], STAGES[3]), r"experts_from=\(\) and a branch before it is False"),
        (
            (STAGES[1], Stage(init="assemble", experts_from=("runs/a",))),
            "and a branch before it is True",
        ),
    ],
)
def test_wrong_orders(stages: tuple[Stage, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_stage_order("r", stages)

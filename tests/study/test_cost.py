"""What is said of sizes and times; tests/study/test_study.py measures some."""

from coterie.study.cost import StudyCost


def test_equal_sizes_and_others() -> None:
    equal = StudyCost(parameters={"shared_lora": 1000, "moelora": 1010}, step_s=0.5)
    assert not equal.is_unequal
    said = "trainable parameters: shared_lora 1,000, moelora 1,010; of equal size"
    assert equal.describe_sizes() == said
    larger = StudyCost(parameters={"shared_lora": 1000, "rode": 2500, "small": 500}, step_s=0.5)
    assert larger.is_unequal
    assert larger.describe_sizes().endswith(
        "; not of equal size: rode trains 2.5 times those of shared_lora, small trains 0.5 times "
        "those of shared_lora"
    )


def test_the_time_of_the_steps_that_are_left() -> None:
    cost = StudyCost(parameters={"shared_lora": 1}, step_s=0.5)
    assert cost.describe_time(0) == "all models are trained"
    # 400 steps of half a second are 200 s.
    assert cost.describe_time(400).startswith("400 steps to train, about 3 min at the 0.5 s of a")

"""What `make gpu` packs for a machine without a network."""

from tools.pack_gpu import collect, normalize


def test_names_are_those_of_an_index() -> None:
    assert normalize("Rouge_Score") == "rouge-score"


def test_all_that_a_package_needs_is_found_with_its_extras() -> None:
    plain, training = collect(("coterie",)), collect(("coterie[train]",))
    assert {"coterie", "peft", "transformers", "tokenizers", "torch"} <= plain
    assert "tensorboard" in training - plain
    # torch is on the machine, with what comes with it
    assert "jinja2" not in plain and "jinja2" in training

from coterie.uni_moe_checkpoint.files import strip_wrappers


def test_wrappers_are_stripped_as_in_the_released_code() -> None:
    # A leading model. goes only where model.model. is left by some name.
    names = ["base_model.model.model.norm.weight", "base_model.model.lm_head.weight"]
    assert strip_wrappers(names) == ["model.norm.weight", "lm_head.weight"]
    assert strip_wrappers(["model.layers.0.mlp.gate.weight"]) == ["model.layers.0.mlp.gate.weight"]

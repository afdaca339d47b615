"""Parameters of a full and of a pruned model, by hand."""

from pathlib import Path

import coterie
from coterie.extract.parameter_counts import count_model_parameters
from coterie.extract.source import ExtractRequest
from coterie.train import Run
from tests.extract.dense import report


def test_sizes_by_hand(run: Run, tmp_path: Path) -> None:
    use = {f"backbone.layers.{n}.mlp": {"chosen": [1.0, 1.0] + [0.0] * 14} for n in range(2)}
    found = report(coterie.extract(run, task="depth", to=tmp_path / "small", use=use))
    # An expert: 32 to 64 and back with biases, 4,192. A gate: 16 x 32 a task. Two layers.
    whole = count_model_parameters(ExtractRequest.open(run, task="depth").model)
    assert whole.experts == 2 * (16 * 4192 + 3 * 16 * 32)
    assert found["expert_parameters"] == 2 * (2 * 4192 + 16 * 32)
    assert found["share_of_experts"] == found["expert_parameters"] / whole.experts
    # No block is shared, so the trunk is what stands before and after: patches of 7 x 7 x 3 to
    # 32 with biases, a position for each of 16 and the class token, that token, the last norm.
    assert whole.shared == (147 * 32 + 32) + 17 * 32 + 32 + 64 == found["trunk_parameters"]
    assert found["parameters_of_whole"] == whole.total
    rest = whole.other - heads(32) - 2 * 32
    assert found["parameters"] == whole.shared + found["expert_parameters"] + rest
    assert found["flops_per_picture"] <= found["flops_per_picture_of_whole"]


def heads(width: int) -> int:
    """Numbers in the heads of "classes", 3 for each of 7 x 7 pixels, and of "scene", 4."""
    linear = (width + 1) * 3 * 49
    return linear + (width + 1) * 4 + 2 * 2 * width

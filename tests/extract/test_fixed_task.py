"""A task's constant mixture: its weights by hand, and what is refused."""

from dataclasses import dataclass, replace

import pytest
import torch

from coterie import Lora, Mixture, Null, Rectified, TaskGate, TopK
from coterie.experts.base import LowRankFactors
from coterie.extract.fixed_task import FixedTaskLora, get_adapter_config, make_fixed_task_loras
from tests.extract.grafted import MIXTURES, STATIC, grafted, only
from tests.tiny import TINY


def test_concatenation_by_hand() -> None:
    # Ranks 1, 1, 2; width 2, output 1. Weight 0 leaves the second out.
    # Delta = 0.5 * 4 * 3 * [1, 2] + 1 * 2 * (1 * [5, 6] + 2 * [7, 8]) = [6, 12] + [38, 44].
    share = FixedTaskLora(
        name="linear",
        tower="text",
        factors=LowRankFactors(
            ranks=(1, 1, 2),
            scales=(4.0, 100.0, 2.0),
            down=torch.tensor([[1.0, 2.0], [9.0, 9.0], [5.0, 6.0], [7.0, 8.0]]),
            up=torch.tensor([[3.0], [9.0], [1.0], [2.0]]),
        ),
        combine_weights=(0.5, 0.0, 1.0),
    )
    down, up = share.concatenate()
    assert (down.dtype, down.shape, up.shape) == (torch.float64, (3, 2), (1, 3))
    assert share.compute_delta().tolist() == [[44.0, 56.0]]
    nothing = replace(share, combine_weights=(0.0, 0.0, 0.0))
    assert nothing.concatenate()[0].shape == (0, 2)
    assert nothing.compute_delta().tolist() == [[0.0, 0.0]]


def test_gates_are_the_routed_models_own() -> None:
    model, tiny = grafted()
    shares = {share.name: share for share in make_fixed_task_loras(model, "default", "ocr")}
    assert len(shares) == 14  # 2 layers of 7
    name = "model.layers.1.mlp.up_proj"
    layer = tiny.model.get_submodule(name)
    probs = layer.get_parameter("coterie_gate.default.weight")[1].detach().softmax(-1)
    least = int(probs.argmin())
    expected = [0.0 if expert == least else float(p) ** 2 for expert, p in enumerate(probs)]
    # The complement is of the plain weights: 1 minus the two kept is the probability dropped.
    expected.append(float(probs[least]))
    share = shares[name]
    assert share.combine_weights == pytest.approx(expected, abs=1e-7)
    assert (share.factors.ranks, share.tower) == ((2, 4, 8, 3), "text")
    assert share.factors.scales == (8.0, 4.0, 2.0, 16 / 3)
    plain = shares["model.layers.0.self_attn.q_proj"]
    assert (plain.combine_weights, *plain.factors[:2]) == ((1.0,), (5,), (0.4,))


@pytest.mark.parametrize(
    "mixture",
    [
        MIXTURES[0],
        replace(MIXTURES[0], blend="add", weight_exponent=1),
        Mixture(experts=(Lora(ranks=(2, 3)), Null(count=2)), gate=STATIC, router=TopK(k=2)),
        Mixture(experts=Lora(ranks=(2, 3)), gate=STATIC, router=Rectified()),
    ],
)
def test_delta_is_what_the_layer_adds(mixture: Mixture) -> None:
    model, tiny = only(mixture)
    layer = tiny.model.get_submodule("model.layers.0.mlp.up_proj")
    for task in (0, 1):
        share = make_fixed_task_loras(model, "default", ("caption", "ocr")[task])[1]
        assert share.name == "model.layers.0.mlp.up_proj"
        seen = {}
        handle = layer.register_forward_hook(lambda m, x, y, seen=seen: seen.update(x=x[0], y=y))
        with torch.no_grad():
            model(**tiny.batch, task_ids=torch.full((2,), task))
            added = seen["y"] - layer.get_submodule("base_layer")(seen["x"])
        handle.remove()
        wanted = seen["x"] @ share.compute_delta().float().t()
        torch.testing.assert_close(added, wanted, atol=1e-5, rtol=1e-4)


@dataclass(frozen=True, kw_only=True)
class Restless(TaskGate):
    """A static gate from outside the package is taken at its word."""

    per_token: bool = False


def test_a_static_gate_of_any_kind_will_do() -> None:
    model, _ = only(Mixture(experts=Lora(ranks=(2, 2)), gate=Restless()))
    assert make_fixed_task_loras(model, "default", "ocr")[0].combine_weights == pytest.approx(
        (0.5, 0.5)
    )


def test_refuses_what_is_not_constant() -> None:
    model, _ = only(Mixture(gate=TaskGate()))
    with pytest.raises(ValueError, match=r"mixture 0 \(at='text.mlp'\) has a TaskGate"):
        make_fixed_task_loras(model, "default", "ocr")


def test_noise_in_training_alone_is_no_matter() -> None:
    model, _ = only(Mixture(gate=STATIC, router=TopK(noise=5.0)))
    one, two = (make_fixed_task_loras(model, "default", "ocr")[0].combine_weights for _ in range(2))
    assert one == two


def test_unknown_names() -> None:
    model, _ = grafted()
    with pytest.raises(ValueError, match="task='count': the adapter's tasks are caption, ocr"):
        make_fixed_task_loras(model, "default", "count")
    with pytest.raises(ValueError, match=r"adapter='other': .* \['default'\]"):
        make_fixed_task_loras(model, "other", "ocr")
    with pytest.raises(ValueError, match="not LlamaForCausalLM"):
        get_adapter_config(TINY["llama"]().model, "default")


def test_without_tasks_any_name_will_do() -> None:
    model, _ = grafted(mixtures=MIXTURES[1:], tasks=())
    assert make_fixed_task_loras(model, "default", "all")[0].combine_weights == (1.0,)

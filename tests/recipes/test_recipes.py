"""Every recipe of the folder, found and not listed: plain data, runs tiny, says what it should."""

import inspect
import pkgutil
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import jaxtyping
import peft
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import coterie
from coterie import (
    ByModality,
    Copies,
    DualLora,
    HydraLora,
    InstanceGate,
    Lora,
    Mixture,
    Rectified,
    Softmax,
    TaskGate,
    TokenGate,
    TopK,
    recipes,
)
from coterie.balancing.fixed import Fixed
from coterie.balancing.uncertainty import Uncertainty
from coterie.experts.attention import AttentionHeads
from coterie.families.base import find_family
from coterie.losses.importance import Importance
from coterie.losses.load_balance import LoadBalance
from coterie.losses.mutual_information import MutualInformation
from coterie.losses.sparsity import Sparsity
from coterie.losses.z import ZLoss
from coterie.public_names import find_functions
from coterie.recipe import Recipe
from tests.tiny import TINY, Tiny

NAMES = [module.name for module in pkgutil.iter_modules(recipes.__path__)]
HOSTS = {
    "awaker": ("qwen2_vl",),
    "damc": ("llava", "omni"),  # without media the second expert has no gradient
    "dense": (),  # trains no experts: tests/train/test_pictures.py
    "m3vit": ("vit", "dinov2"),
    "mod_squad": ("vit", "dinov2"),
    "plain_moe": ("vit", "dinov2"),
    "uni_moe": ("llama", "llava"),
    "uni_moe_2": ("llama",),
    "uni_moe_2_5": ("llama",),
}
ATTENTION = [f"model.layers.3.self_attn.{name}_proj" for name in "qkvo"]
VARIANTS = {
    "awaker-released": lambda: recipes.awaker(released=True, importance=0.01),
    "mod_squad-released": lambda: recipes.mod_squad(
        released=True, attention=(15, 6), layers="alternate"
    ),
    "mod_squad-selected": lambda: recipes.mod_squad(normalize="selected", mlp=(4, 2)),
    "uni_moe-released": lambda: recipes.uni_moe(released=True, layers="even", aux=True),
    "uni_moe_2-released": lambda: recipes.uni_moe_2(released=True, divisor=4),
    "rode-sparse": lambda: recipes.rode(sparsity=0.5, at=("text.mlp",)),
}


def made(name: str) -> Recipe:
    """The recipe of that name, or variant of one."""
    return VARIANTS[name]() if name in VARIANTS else getattr(recipes, name)()


def cases() -> list[tuple[str, str]]:
    """Every recipe and variant, with each host it is meant for."""
    return [
        (name, host)
        for name in [*NAMES, *VARIANTS]
        for host in HOSTS.get(name.partition("-")[0], ("llama",))
    ]


def test_the_folder_exports_its_functions_and_nothing_else() -> None:
    assert sorted(recipes.__all__) == NAMES
    for name in NAMES:
        assert getattr(recipes, name) is getattr(import_module(f"coterie.recipes.{name}"), name)


def test_a_new_recipe_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_lora.py").write_text(
        "from coterie.recipes.shared_lora import shared_lora\n\n\n"
        "def half_lora():\n    return shared_lora(rank=4)\n"
    )
    monkeypatch.setattr(recipes, "__path__", [*recipes.__path__, str(tmp_path)])
    found = find_functions("coterie.recipes", recipes.__path__)
    monkeypatch.delitem(sys.modules, "coterie.recipes.half_lora")
    monkeypatch.delattr(recipes, "half_lora")  # the module, which importing it has set
    assert sorted(found) == sorted([*NAMES, "half_lora"])
    assert found["half_lora"]() == recipes.shared_lora(rank=4)


@pytest.mark.parametrize("name", NAMES)
def test_says_paper_command_and_expectation(name: str) -> None:
    function: Callable[..., Recipe] = getattr(recipes, name)
    module = inspect.getdoc(inspect.getmodule(function)) or ""
    assert "Run:" in module and "Expect:" in module and "arXiv:" in module
    for argument in inspect.signature(function).parameters:
        assert re.search(rf"\b{argument}(, \w+)*: ", function.__doc__ or ""), argument
    recipe = function()
    assert recipe.name == name and "arXiv:" in recipe.paper
    assert bool(recipe.departures) == ("Departs:" in module)


@pytest.mark.parametrize("name", [*NAMES, *VARIANTS])
def test_is_plain_data(name: str) -> None:
    recipe = made(name)
    assert recipe == made(name)
    assert Recipe.loads(recipe.dumps()) == recipe
    assert Recipe.loads(recipe.dumps()).dumps() == recipe.dumps()


def task_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """One loss for each of two samples, which are of two tasks."""
    if labels.ndim == 1:
        return F.cross_entropy(logits, labels, reduction="none")
    each = F.cross_entropy(
        logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none", ignore_index=-100
    )
    return each.sum(1) / (labels[:, 1:] != -100).sum(1)


def shaken(model: peft.PeftModel) -> None:
    """Experts start at zero; move them, so that an answer depends on every weight."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.05)


@pytest.mark.parametrize(("name", "host"), cases())
def test_trains_and_comes_back(name: str, host: str, tmp_path: Path) -> None:
    recipe, tiny = made(name), TINY[host]()
    labels = tiny.batch["labels"]
    task_ids = torch.tensor([0, 1])
    model = coterie.graft(tiny.model, recipe.mixtures, tasks=("first", "second"))
    shaken(model)
    balancing = recipe.balancing.build(2)
    model.train()
    with coterie.observe(model) as tape:
        out = model(**tiny.batch, task_ids=task_ids)
    loss = balancing(task_losses(out.logits, labels), torch.tensor([True, True]))
    for each in recipe.losses:
        loss = loss + each(tape)
    loss.backward()
    weights = [*model.named_parameters(), *balancing.named_parameters()]
    trained = {key: weight for key, weight in weights if weight.requires_grad}
    assert trained
    for key, weight in trained.items():
        assert weight.grad is not None and weight.grad.isfinite().all(), key
    gates = [weight for key, weight in trained.items() if "coterie_gate" in key]
    learned = [each.gate for each in recipe.mixtures if not isinstance(each.gate, ByModality)]
    assert bool(gates) == any(gate is not None for gate in learned)
    has_choice = any(mixture.num_experts > 1 for mixture in recipe.mixtures)
    assert all(gate.grad is not None and (gate.grad.any() or not has_choice) for gate in gates)

    model.eval().save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(TINY[host]().model, tmp_path).eval()
    with torch.no_grad():
        one, two = (each(**tiny.batch, task_ids=task_ids).logits for each in (model, again))
    assert torch.equal(one, two)


OTHERS = {"mllama", "qwen3_vl_moe", "glm4v", "glm4v_moe", "qwen2_moe", "qwen3_omni"}
OTHERS |= {"blip_2", "instructblip"}
"""Whose blocks differ: cross attention, gate and up projection in one, mixtures of their own, or
are those of a whole model inside."""
TEXTS = [name for name, make in TINY.items() if "input_ids" in make().batch and name not in OTHERS]


def sites(tiny: Tiny, at: str) -> set[str]:
    """Names of the modules that a pattern matches."""
    return {name for name, _ in tiny.model.named_modules() if re.fullmatch(at, name)}


@pytest.mark.parametrize("family", TEXTS)
def test_patterns_hit_the_language_model_and_nothing_else(family: str) -> None:
    tiny = TINY[family]()
    known = find_family(tiny.model)
    assert known is not None
    attn, mlp = (sites(tiny, known.roles[f"text.{role}"].linears) for role in ("attn", "mlp"))
    qkv, output, ffn = (sites(tiny, str(mixture.at)) for mixture in recipes.awaker().mixtures)
    assert qkv | output == attn and not qkv & output and ffn == mlp
    assert (len(qkv), len(output), len(ffn)) == (6, 2, 6)  # two layers
    even, _, odd = recipes.uni_moe(layers="even", released=True).mixtures
    blocks = sites(tiny, known.roles["text.mlp"].block)
    assert sites(tiny, str(even.at)) == {name for name in blocks if ".0." in name}
    assert sites(tiny, str(odd.at)) == {name for name in mlp if ".1." in name}


@pytest.mark.parametrize("family", ["vit", "dinov2", "clip", "siglip"])
def test_mod_squad_alternates(family: str) -> None:
    tiny = TINY[family]()
    known = find_family(tiny.model)
    assert known is not None
    even, odd = recipes.mod_squad(layers="alternate").mixtures
    attentions, mlps = (
        sites(tiny, known.roles[f"vision.{role}"].block) for role in ("attn", "mlp")
    )
    assert sites(tiny, str(even.at)) == {name for name in attentions if ".0." in name}
    assert sites(tiny, str(odd.at)) == {name for name in mlps if ".1." in name}


def test_shared_lora_and_single_task() -> None:
    shared, single = recipes.shared_lora(), recipes.single_task()
    lora = Lora(ranks=(32,), alpha=64.0)
    assert shared.mixtures == single.mixtures == (
        Mixture(at="text.attn", experts=lora, gate=None),
        Mixture(at="text.mlp", experts=lora, gate=None),
    )  # fmt: skip
    assert shared.balancing == Fixed() and shared.losses == ()
    assert [stage.trains for stage in (*shared.stages, *single.stages)] == [("adapter",)] * 2
    assert "once a task" in single.notes
    single.check_tasks(("ocr",))
    with pytest.raises(ValueError, match=r"trained once for each task.*tasks\.yaml:ocr"):
        single.check_tasks(("ocr", "naming"))
    shared.check_tasks(("ocr", "naming"))


def test_damc_has_a_lora_for_text_and_one_for_the_rest() -> None:
    attention, mlp = recipes.damc(rank=4, alpha=8.0).mixtures
    assert attention == Mixture(
        at="text.attn", experts=Lora(ranks=(4, 4), alpha=8.0, dropout=0.05), gate=ByModality(),
        router=Rectified(),
    )  # fmt: skip
    assert mlp == replace(attention, at="text.mlp")
    (stage,) = recipes.damc(trains=("adapter", "connector")).stages
    assert stage.trains == ("adapter", "connector") and stage.learning_rate == 2e-4


def test_soft_lora() -> None:
    (mixture,) = recipes.soft_lora(experts=3, rank=4, at=("text.mlp",)).mixtures
    assert mixture == Mixture(
        at="text.mlp", experts=Lora(ranks=(4, 4, 4)), gate=TokenGate(), router=Softmax()
    )
    assert [each.at for each in recipes.soft_lora().mixtures] == ["text.attn", "text.mlp"]


def test_rode() -> None:
    recipe = recipes.rode()
    (mixture,) = recipe.mixtures
    assert mixture.experts == Lora(ranks=(4, 8, 16, 32), scale=2.0, dropout=0.05)
    assert (mixture.gate, mixture.router) == (TokenGate(bias=False), Rectified(bias=0.1))
    found = [name for name in ATTENTION if re.fullmatch(str(mixture.at), name)]
    assert found == ["model.layers.3.self_attn.q_proj", "model.layers.3.self_attn.v_proj"]
    assert recipe.losses == () and recipes.rode(sparsity=0.5).losses == (
        Sparsity(weight=1e-8, target=0.5),
    )
    assert "econstruction" in recipe.notes
    (everywhere, _) = recipes.rode(at=("text.attn", "text.mlp"), scale=None).mixtures
    assert everywhere.experts.scales == (4.0, 2.0, 1.0, 0.5)  # 16 / 4, 16 / 8, 16 / 16, 16 / 32


def test_dual_lora_has_one_expert_a_rank_where_rode_has_its_experts() -> None:
    (mixture,), (rode,) = recipes.dual_lora().mixtures, recipes.rode().mixtures
    assert mixture == Mixture(
        at=rode.at,
        experts=DualLora(rank=32, scale=2.0, dropout=0.05),
        gate=TokenGate(bias=False),
        router=Rectified(bias=0.0),
    )


def test_hydra_lora_has_one_down_and_a_softmax_over_its_heads() -> None:
    (mixture,) = recipes.hydra_lora(experts=2, rank=4, alpha=8.0, at=("text.mlp",)).mixtures
    assert mixture == Mixture(
        at="text.mlp",
        experts=HydraLora(count=2, rank=4, alpha=8.0),
        gate=TokenGate(bias=False),
        router=Softmax(),
    )


def test_awaker_as_the_paper() -> None:
    recipe = recipes.awaker()
    plain, output, mlp = recipe.mixtures
    one = Lora(ranks=(256,), alpha=512.0, dropout=0.05)
    assert (plain.gate, plain.experts) == (None, one)
    assert mlp == Mixture(
        at=mlp.at,
        experts=Lora(ranks=(256,) * 4, alpha=512.0, dropout=0.05),
        gate=InstanceGate(pool="embedding", tie="block", norm=True, bias=False),
        router=TopK(k=1, normalize="all", temperature=1.0, noise=0.1, noise_at="after"),
        shared=one,
        blend="complement",
        weight_exponent=1,
    )
    assert output.gate == InstanceGate(pool="embedding", tie="layer", norm=True, bias=False)
    assert (output.router, output.shared) == (mlp.router, mlp.shared)
    assert recipe.losses == ()
    found = [
        (stage.trains, stage.learning_rate, stage.routed, stage.init, stage.batch_size)
        for stage in recipe.stages
    ]
    assert found == [
        (("experts",), 1e-5, False, "continue", 4),
        (("experts", "gates", "shared"), 1e-5, True, "copy", 4),
        (("experts", "shared"), 5e-6, True, "continue", 4),
    ]
    assert {stage.schedule for stage in recipe.stages} == {"cosine"}


def test_the_lengths_of_awakers_stages() -> None:
    assert [each.epochs for each in recipes.awaker(epochs=2.0).stages] == [2.0] * 3
    assert [each.epochs for each in recipes.awaker(epochs=(0.5, 3, 1)).stages] == [0.5, 3, 1]
    with pytest.raises(
        ValueError, match=r"epochs=\(1, 3\): give one number, or one for each of ini"
    ):
        recipes.awaker(epochs=(1, 3))
    with pytest.raises(ValueError, match="Stage 'mixture' has epochs=0: it must be above 0"):
        recipes.awaker(epochs=(1, 0, 1))


def test_awaker_as_the_code() -> None:
    recipe = recipes.awaker(released=True, importance=0.001)
    for mixture in recipe.mixtures[1:]:
        assert mixture.weight_exponent == 2
        assert mixture.router == TopK(k=1, noise=0.1, noise_at="before")
        assert isinstance(mixture.gate, InstanceGate) and mixture.gate.bias
    assert recipe.losses == (Importance(weight=0.001, unbiased=True),)
    assert recipes.awaker(released=True).losses == ()


def test_awaker_weights_of_equal_logits() -> None:
    # Four equal logits: G = 1/4; the code weighs the expert by G^2 = 1/16, the global one by 3/4.
    for released, chosen in ((False, 0.25), (True, 0.0625)):
        mixture = recipes.awaker(released=released).mixtures[2]
        gates = mixture.decide(torch.zeros(1, 4)).combine_weights
        assert sorted(gates[0].tolist()) == [0, 0, 0, chosen, 0.75]


def test_mod_squad_as_the_paper() -> None:
    recipe = recipes.mod_squad()
    assert recipe.mixtures == (
        Mixture(
            at="vision.attn",
            experts=AttentionHeads(count=24, replace=True),
            gate=TaskGate(per_token=True, init_std=0.02),
            router=TopK(k=12),
        ),
        Mixture(
            at="vision.mlp",
            experts=Copies(count=16, trained="full"),
            gate=TaskGate(per_token=True, init_std=0.02),
            router=TopK(k=4),
        ),
    )
    assert recipe.losses == (MutualInformation(weight=0.001, epsilon=0.0),)
    assert recipe.balancing == Uncertainty(positive=True)
    (stage,) = recipe.stages
    assert (stage.trains, stage.learning_rate, stage.epochs) == (("adapter", "host"), 4e-4, 100)
    assert (stage.warmup, stage.weight_decay, stage.batch_size) == (0.1, 0.05, 256)
    assert stage.epsilon == 1e-4 and stage.decays_balancing


@pytest.mark.parametrize("family", ["vit", "dinov2", "clip", "siglip"])
def test_class_tokens_and_positions_do_not_decay(family: str) -> None:
    (stage,) = recipes.mod_squad().stages
    named = dict(TINY[family]().model.named_parameters())
    found = {
        name.rpartition("embeddings.")[2]
        for name in named
        if any(re.fullmatch(pattern, name) for pattern in stage.undecayed)
    }
    wanted = {
        "vit": {"cls_token", "position_embeddings"},
        "dinov2": {"cls_token", "position_embeddings"},
        "clip": {"position_embedding.weight"},  # its class token has one axis, and never decays
        "siglip": {"position_embedding.weight"},
    }
    assert found == wanted[family]


def test_mod_squad_as_the_code_and_small() -> None:
    recipe = recipes.mod_squad(released=True, attention=(15, 6))
    attention, mlp = recipe.mixtures
    assert attention.experts == AttentionHeads(count=15, replace=True)
    assert (attention.router, mlp.router) == (TopK(k=6, epsilon=1e-4), TopK(k=4, epsilon=1e-4))
    assert recipe.losses == (MutualInformation(weight=0.005, epsilon=1e-4),)
    assert recipes.mod_squad(attention=(8, 3)).mixtures[0].router == TopK(k=3)


def test_mod_squad_sends_tokens_of_a_task_to_several_experts_from_the_start() -> None:
    # Gates at 0 tie, so that all tokens have the first k experts. At .02, logits of unit tokens of
    # 384 features have the deviation .02 * sqrt 384 = .39, and 256 tokens reach all 16 experts.
    _, mlp = recipes.mod_squad().mixtures
    assert mlp.gate is not None
    weight = next(mlp.gate.build(384, 16, 2).parameters())
    assert weight.std().item() == pytest.approx(0.02, rel=0.02)
    logits = torch.randn(256, 384, generator=torch.Generator().manual_seed(7)) @ weight[0].t()
    assert logits.std().item() == pytest.approx(0.39, rel=0.1)
    weights, _ = mlp.router(logits.detach(), None)
    assert int((weights != 0).any(0).sum()) == 16


def test_gates_on_shares_of_a_pretrained_mlp_start_at_zero() -> None:
    # Each expert has a share of the host's MLP: it takes four different ones to be the host.
    for recipe in (recipes.mod_squad(mlp_ratio=4), recipes.plain_moe(mlp_ratio=4)):
        attention, mlp = recipe.mixtures
        assert (attention.gate, mlp.gate) == (TaskGate(init_std=0.02), TaskGate(init_std=0.0))
    _, fresh = recipes.mod_squad(mlp_ratio=4, pretrained=False).mixtures
    assert fresh.gate == TaskGate(init_std=0.02)


def test_plain_moe_differs_from_mod_squad_in_its_losses() -> None:
    ours, theirs = recipes.plain_moe(released=True), recipes.mod_squad(released=True)
    assert ours.mixtures == theirs.mixtures and ours.stages == theirs.stages
    assert ours.losses == (
        LoadBalance(weight=0.01, normalize=True),
        ZLoss(weight=0.001, epsilon=1e-4),
    )
    assert recipes.plain_moe().losses == (LoadBalance(weight=0.01), ZLoss(weight=0.001))


def test_plain_moe_has_the_noise_of_the_released_baseline_where_asked() -> None:
    quiet, noisy = recipes.plain_moe(), recipes.plain_moe(noisy=True)
    always = recipes.plain_moe(noisy=True, noise_in_evaluation=True)
    assert {each.gate for each in quiet.mixtures} == {TaskGate(init_std=0.02)}
    assert {each.gate for each in noisy.mixtures} == {TaskGate(init_std=0.02, noisy=True)}
    assert {each.gate for each in always.mixtures} == {
        TaskGate(init_std=0.02, noisy=True, noise_in_evaluation=True)
    }
    assert "draw no noise" in quiet.departures[0] and "in training alone" in noisy.departures[0]
    assert quiet.departures[1:] == noisy.departures[1:] == always.departures


def test_m3vit_has_mlp_experts_in_odd_layers() -> None:
    recipe = recipes.m3vit()
    (mixture,) = recipe.mixtures
    assert (mixture.experts, mixture.router) == (Copies(count=16, trained="full"), TopK(k=4))
    assert sites(TINY["vit"](), str(mixture.at)) == {"vit.layers.1.mlp"}
    assert recipe.losses == (Importance(weight=0.01, unbiased=True, load=True, by_task=True),)
    assert recipe.balancing == Fixed()
    (fresh,) = recipes.m3vit(pretrained=False).mixtures
    assert fresh.experts == Copies(count=16, trained="full", init="fresh", divisor=4)


def test_m3vit_gates_start_kaiming_uniform() -> None:
    # Of [384, 16] with a = sqrt 5: bound sqrt(6 / ((1 + 5) 16)) = 1/4, deviation 1/4 / sqrt 3 =
    # .1443. Logits of unit tokens of 384 features: sqrt 384 * .1443 = 2.83.
    (mixture,) = recipes.m3vit().mixtures
    assert mixture.gate is not None
    weight = next(mixture.gate.build(384, 16, 5).parameters()).detach()
    reference = torch.nn.init.kaiming_uniform_(torch.empty(384, 16), a=5**0.5)
    assert weight.abs().max().item() == pytest.approx(0.25, rel=1e-3)
    assert reference.abs().max().item() == pytest.approx(0.25, rel=1e-2)
    assert weight.std().item() == pytest.approx(0.1443, rel=0.02)
    assert (384**0.5 * weight.std()).item() == pytest.approx(2.83, rel=0.02)


def test_dense_is_mod_squad_without_experts() -> None:
    recipe, theirs = recipes.dense(), recipes.mod_squad()
    assert recipe.mixtures == () and recipe.balancing == theirs.balancing
    assert recipe.stages == (replace(theirs.stages[0], trains=("host",)),)


def test_uni_moe_as_the_paper() -> None:
    recipe = recipes.uni_moe()
    assert recipe.mixtures == (
        Mixture(
            at="text.mlp",
            experts=Copies(count=4, trained="lora", rank=8, alpha=16.0, start_rank=64),
            gate=TokenGate(bias=False),
            router=TopK(k=2, normalize="all"),
        ),
        Mixture(
            at="text.attn", experts=Lora(ranks=(8,), alpha=16.0, dropout=0.05), gate=None
        ),
    )  # fmt: skip
    assert recipe.losses == ()
    found = [(stage.trains, stage.learning_rate, stage.epochs) for stage in recipe.stages]
    both = ("adapter", "connector")
    assert found == [(("connector",), 2e-5, 2.0), (both, 4e-5, 1.0), (both, 4e-5, 2.0)]
    assert [stage.batch_size for stage in recipe.stages] == [32, 16, None]
    (specialist,) = recipe.stages[1].mixtures or ()
    assert specialist.main == Lora(ranks=(64,), alpha=16.0, dropout=0.05)
    # Logits [2, 1, 0, -1]: 0.6439 and 0.2369 of the softmax over all.
    weights, _ = recipe.mixtures[0].router(torch.tensor([[2.0, 1.0, 0.0, -1.0]]), None)
    torch.testing.assert_close(weights[0, :2], torch.tensor([0.6439, 0.2369]), atol=1e-4, rtol=0)


def test_uni_moe_as_the_code() -> None:
    recipe = recipes.uni_moe(experts=8, released=True, aux=True)
    assert recipe.mixtures[0].main == Copies(
        count=8, trained="lora", rank=8, alpha=16.0, start_rank=64
    )  # fmt: skip
    assert recipe.losses == (LoadBalance(weight=0.01, counts="top1"),)
    # Over the two chosen only: e^2 / (e^2 + e^1) = 0.7311.
    weights, _ = recipe.mixtures[0].router(torch.tensor([[2.0, 1.0, 0.0, -1.0]]), None)
    torch.testing.assert_close(weights[0, :2], torch.tensor([0.7311, 0.2689]), atol=1e-4, rtol=0)
    assert len(recipes.uni_moe(layers="even").mixtures) == 2
    assert len(recipes.uni_moe(layers="even", released=True).mixtures) == 3


def test_unknown_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    # As users have it: types are checked in tests only.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"'odd'.*: allowed are all, alternate, odd mlp"):
        recipes.mod_squad(layers="odd")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"'odd'.*: allowed are 'all' and 'even'"):
        recipes.uni_moe(layers="odd")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": "unified,alignment"}, "give some of alignment, experts, unified, in this"),
        ({"stages": ""}, r"stages=\(\)\): give some of"),
        ({"experts_from": "a,b"}, "experts start from other runs in stages='unified'"),
        ({"epochs": (1.0, 2.0)}, "give one number, or one for each of alignment, experts, unif"),
        ({"layers": "odd"}, "allowed are 'all' and 'even'"),
    ],
)
def test_uni_moe_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recipes.uni_moe(**options)


def test_uni_moe_leaves_stages_out() -> None:
    def describe(**options: Any) -> list[tuple[str, str, int]]:
        """Name, initial weights, and the rank of experts' starts in the recipe's mixtures."""
        recipe = recipes.uni_moe(**options)
        ranks = [getattr(each.main, "start_rank", -1) for each in recipe.mixtures[:1]]
        return [(stage.name, stage.init, *ranks) for stage in recipe.stages]

    assert describe(expert_rank=5) == [
        ("alignment", "continue", 5), ("experts", "branch", 5), ("unified", "assemble", 5)
    ]  # fmt: skip
    assert describe(stages="unified") == [("unified", "continue", 0)]
    assert describe(stages=("alignment", "unified"))[1] == ("unified", "continue", 0)
    assert describe(stages="unified", experts_from="a") == [("unified", "assemble", 64)]
    assert describe(stages="experts") == [("experts", "branch", -1)]  # LoRA is the result then
    assert describe(stages="alignment") == [("alignment", "continue")]

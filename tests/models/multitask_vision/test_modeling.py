"""All tasks in one pass, as one task at a time, on every family of backbones."""

import pytest
import torch
from transformers import AutoModel, Dinov2Model, SiglipConfig, SiglipModel, ViTModel

import coterie
from coterie import AttentionHeads, Copies, Lora, Mixture, MutualInformation, TaskGate, TopK
from coterie.models.multitask_vision.configuration import MultiTaskVisionConfig
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.tasks.dense.kinds.depth import Depth
from tests.tasks.dense.tiny import BACKBONES, TASKS, model, pictures
from tests.tinies.base import VISION

# In a block of the tasks' own, above one that they share; with chance, which must come again.
LATER = Mixture(
    at=r"backbone\.(\w+\.)*layers?\.1\.mlp",
    experts=Copies(count=4),
    gate=TaskGate(init_std=1.0, noisy=True),
    router=TopK(k=2, noise=0.1),
)
MIXTURES = (
    Mixture(
        at="vision.mlp", experts=Copies(count=4), gate=TaskGate(init_std=1.0), router=TopK(k=2)
    ),
)
NAMES = tuple(task["name"] for task in TASKS)
GRAFTED = [family for family in BACKBONES if family != "swin"]


@pytest.mark.parametrize("family", BACKBONES)
def test_each_head_answers_in_the_size_of_the_picture(family: str) -> None:
    found = model(family)(pixel_values=pictures()).predictions
    assert {name: tuple(each.shape) for name, each in found.items()} == {
        "depth": (2, 1, 28, 28),
        "normal": (2, 3, 28, 28),
        "scene": (2, 5),
    }


@pytest.mark.parametrize("family", BACKBONES)
def test_one_pass_for_all_tasks_is_a_pass_for_each(family: str) -> None:
    host = model(family)
    together = host(pixel_values=pictures()).predictions
    for name, said in together.items():
        [alone] = host(pixel_values=pictures(), tasks=(name,)).predictions.values()
        torch.testing.assert_close(said, alone)
    # The vectors of the tasks are what tells one pass from another.
    assert not torch.allclose(*host(pixel_values=pictures()).last_hidden_state[[0, 2]])


@pytest.mark.parametrize("family", GRAFTED)
def test_grafted_rows_know_their_tasks(family: str) -> None:
    grafted = coterie.graft(model(family), MIXTURES, tasks=("depth", "normal", "scene"))
    with coterie.observe(grafted) as tape:
        together = grafted(pixel_values=pictures()).predictions
    assert len(tape) == 2
    for routing in tape.values():
        # Task by task, two pictures each, all tokens of a picture in turn.
        per_task = len(routing.task) // 3
        assert routing.task.tolist() == [task for task in range(3) for _ in range(per_task)]
    for name, said in together.items():
        alone = grafted(pixel_values=pictures(), tasks=(name,)).predictions[name]
        torch.testing.assert_close(said, alone)


def test_heads_of_the_whole_picture_read_before_the_last_norm() -> None:
    # Without its weights, the last norm writes zeros: a head of pixels sees no picture any more.
    host = model()
    before = host(pixel_values=pictures()).predictions
    with torch.no_grad():
        host.backbone.layernorm.weight.zero_()
    after = host(pixel_values=pictures()).predictions
    assert torch.equal(before["scene"], after["scene"])
    assert not torch.equal(before["depth"], after["depth"])
    assert torch.equal(*after["depth"].flatten(2).std(-1).split(1))  # both pictures alike


def test_where_no_head_reads_the_last_norm_it_is_in_the_graph() -> None:
    host = model(tasks=[TASKS[2]])
    host(pixel_values=pictures()).predictions["scene"].square().sum().backward()
    assert {name for name, each in host.named_parameters() if each.grad is None} <= {
        "backbone.embeddings.mask_token"
    }
    assert not host.backbone.layernorm.weight.grad.any()


def test_tasks_may_come_in_any_order() -> None:
    grafted = coterie.graft(model(), MIXTURES, tasks=("depth", "normal", "scene"))
    together = grafted(pixel_values=pictures()).predictions
    two = grafted(pixel_values=pictures(), tasks=("scene", "depth")).predictions
    assert list(two) == ["scene", "depth"]
    for name in two:
        torch.testing.assert_close(two[name], together[name])


def test_layers_that_tasks_share_run_once_a_picture() -> None:
    host = model(shared_layers=1)
    seen = []
    for block in host.get_blocks():
        block.mlp.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    host(pixel_values=pictures())
    assert seen == [2, 6]  # two pictures; then three tasks by two pictures


def test_attention_experts_and_lora_fit_as_well() -> None:
    mixtures = (
        Mixture(
            at="vision.attn", experts=AttentionHeads(count=4), gate=TaskGate(), router=TopK(k=2)
        ),
        Mixture(at="vision.mlp", experts=Lora(ranks=(2, 2)), gate=TaskGate(), router=TopK(k=1)),
    )
    grafted = coterie.graft(model(), mixtures, tasks=("depth", "normal", "scene"))
    before = model()(pixel_values=pictures()).predictions
    for name, said in grafted(pixel_values=pictures()).predictions.items():
        torch.testing.assert_close(said, before[name])  # both begin at nothing added


@pytest.mark.parametrize("head", ["linear", "convolutions"])
def test_heads_learn(head: str) -> None:
    host = model(head=head)
    sum(
        each.square().sum() for each in host(pixel_values=pictures()).predictions.values()
    ).backward()
    assert all(each.grad is not None and each.grad.any() for each in host.heads.parameters())
    assert all(each.grad is not None and each.grad.any() for each in host.embeddings.values())


def learned(family: str, *, checkpointed: bool) -> tuple[dict[str, torch.Tensor], int]:
    """Gradients of task losses and of a routing loss; and the bytes kept for backward."""
    host = model(family, shared_layers=1)
    grafted = host if family == "swin" else coterie.graft(host, LATER, tasks=NAMES)
    grafted.requires_grad_(True).train()
    if checkpointed:
        host.activation_checkpointing_enable({"use_reentrant": False})
    kept: dict[int, int] = {}

    def pack(saved: torch.Tensor) -> torch.Tensor:
        kept[saved.data_ptr()] = saved.numel() * saved.element_size()
        return saved

    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        if family == "swin":
            loss = sum(each.square().sum() for each in host(pictures()).predictions.values())
        else:
            with coterie.observe(grafted) as tape:
                said = grafted(pixel_values=pictures()).predictions.values()
            loss = sum(each.square().sum() for each in said) + MutualInformation(weight=1.0)(tape)
    loss.backward()
    gradients = {
        name: each.grad for name, each in grafted.named_parameters() if each.grad is not None
    }
    return gradients, sum(kept.values())


@pytest.mark.parametrize("family", ["vit", "siglip", "swin"])
def test_checkpointing_changes_no_gradient_and_keeps_less(family: str) -> None:
    wanted, kept = learned(family, checkpointed=False)
    found, less = learned(family, checkpointed=True)
    assert found.keys() == wanted.keys() and {"embeddings", "heads"} <= {
        name.removeprefix("base_model.model.").partition(".")[0] for name in found
    }
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert family == "swin" or any("coterie_gate" in name for name in found)
    assert less < 0.6 * kept


def test_drop_path_where_a_backbone_has_it(tmp_path) -> None:
    for family, kind in (("dinov2", Dinov2Model), ("vit", ViTModel)):
        kind(BACKBONES[family]()).save_pretrained(tmp_path / family)
    host = MultiTaskVisionModel.from_backbone(
        str(tmp_path / "dinov2"), [Depth(name="depth")], drop_path=0.5
    )
    assert MultiTaskVisionConfig(**host.config.to_dict()).backbone_config.drop_path_rate == 0.5
    before, again = (host.eval()(pictures()).predictions["depth"] for _ in range(2))
    assert torch.equal(before, again)
    torch.manual_seed(0)
    # Of four halves of blocks for two pictures, all stay with 1 chance in 256.
    assert not torch.equal(host.train()(pictures()).predictions["depth"], before)
    with pytest.raises(ValueError, match=r"drop_path=0\.1: a vit backbone .* has no drop path"):
        MultiTaskVisionModel.from_backbone(
            str(tmp_path / "vit"), [Depth(name="depth")], drop_path=0.1
        )


def test_saved_and_read_again(tmp_path) -> None:
    host = model(shared_layers=1)
    host.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).eval()
    assert isinstance(again, MultiTaskVisionModel) and again.config.shared_layers == 1
    wanted = host(pixel_values=pictures()).predictions
    for name, said in again(pixel_values=pictures()).predictions.items():
        torch.testing.assert_close(said, wanted[name], rtol=0, atol=0)


def test_a_backbone_from_a_folder(tmp_path) -> None:
    torch.manual_seed(1)
    backbone = ViTModel(BACKBONES["vit"](), add_pooling_layer=False)
    backbone.save_pretrained(tmp_path)
    host = MultiTaskVisionModel.from_backbone(str(tmp_path), [Depth(name="depth")])
    weight = backbone.layers[1].mlp.fc1.weight
    assert torch.equal(host.backbone.layers[1].mlp.fc1.weight, weight)
    fresh = MultiTaskVisionModel.from_backbone(
        str(tmp_path), [Depth(name="depth")], pretrained=False
    )
    assert not torch.equal(fresh.backbone.layers[1].mlp.fc1.weight, weight)


def test_the_vision_tower_of_a_model_of_images_and_text(tmp_path) -> None:
    text = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
            "num_attention_heads": 4, "vocab_size": 16}  # fmt: skip
    whole = SiglipModel(SiglipConfig(vision_config=dict(VISION), text_config=text))
    whole.save_pretrained(tmp_path)
    host = MultiTaskVisionModel.from_backbone(str(tmp_path), [Depth(name="depth")]).eval()
    wanted = whole.vision_model.encoder.layers[1].mlp.fc1.weight
    assert torch.equal(host.get_blocks()[1].mlp.fc1.weight, wanted)


def test_calls_that_cannot_be() -> None:
    host = model()
    with pytest.raises(ValueError, match="give some of depth, normal, scene"):
        host(pixel_values=pictures(), tasks=("dept",))
    with pytest.raises(ValueError, match=r"30 x 28: give pictures whose sides divide by .* 7"):
        host(pixel_values=torch.zeros(1, 3, 30, 28))

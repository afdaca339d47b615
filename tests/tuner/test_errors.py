"""Every bad input: one clear error, and the model left as it was."""

import json
import struct
from pathlib import Path

import peft
import pytest
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Shard, distribute_tensor
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    JetMoeConfig,
    JetMoeForCausalLM,
    SwitchTransformersConfig,
    SwitchTransformersForConditionalGeneration,
)

import coterie
from coterie import Copies, InstanceGate, Mixture, ModalityGate, TaskGate, TopK
from coterie.tuner.config import CoterieConfig
from tests.tiny import TINY
from tests.tuner.checks import IDS, TASKS, awake, grafted

BAD_PLACES = [
    ({"at": "vision.mlp"}, "llama has no such role; it has text.attn, text.mlp"),
    ({"at": r".*\.mlp\.gate_prj"}, "near misses: .*gate_proj"),
    ({"at": ("model.layers.0.mlp.up_prj",)}, "near misses: .*up_proj"),
    ({"at": r"(unclosed"}, "no regular expression"),
    ({"at": r".*\.mlp"}, "Lora experts sit at linear layers"),
    ({"at": r".*\.mlp\.up_proj", "experts": Copies(count=2)}, "Copies experts sit at whole blocks"),
    ({"at": "text.mlp", "gate": TaskGate()}, "no task was named"),
]


@pytest.mark.parametrize(("fields", "message"), BAD_PLACES)
def test_a_place_that_is_not_there(fields, message):
    tiny = TINY["llama"]()
    with pytest.raises(ValueError, match=message):
        coterie.graft(tiny.model, Mixture(**fields))
    assert not any("coterie" in name for name, _ in tiny.model.named_modules())


def test_a_role_of_an_unknown_family():
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    model = GPTNeoXForCausalLM(GPTNeoXConfig(hidden_size=8, num_attention_heads=2, vocab_size=9,
                                             intermediate_size=8, num_hidden_layers=1))  # fmt: skip
    with pytest.raises(ValueError, match="does not know the roles of gpt_neox"):
        coterie.graft(model, Mixture(at="text.mlp"))


@pytest.mark.parametrize("name", ["v1.0", "", "."])
def test_an_adapter_that_modules_cannot_be_named_for(name):
    tiny = TINY["llama"]()
    with pytest.raises(ValueError, match=f"adapter = {name!r}: "):
        coterie.graft(tiny.model, Mixture(at="text.mlp", gate=None), adapter=name)
    model = grafted(tiny, Mixture(at="text.mlp", gate=None))
    with pytest.raises(ValueError, match="adapter='default': the model has an adapter of that na"):
        coterie.graft(model, Mixture(at="text.attn", gate=None))
    with pytest.raises(ValueError, match=f"adapter = {name!r}: "):
        coterie.graft(model, Mixture(at="text.attn", gate=None), adapter=name)


def test_two_mixtures_at_one_place():
    tiny = TINY["llama"]()
    with pytest.raises(ValueError, match="mixtures 0 and 1 both sit at"):
        coterie.graft(tiny.model, [Mixture(at="text.mlp"), Mixture(at=r".*\.0\.mlp\.up_proj")])
    inside = [Mixture(at="text.mlp", experts=Copies(count=2)), Mixture(at=r".*\.0\.mlp\.up_proj")]
    with pytest.raises(ValueError, match="mixture 0 replaces"):
        coterie.graft(tiny.model, inside)


@pytest.mark.parametrize(
    ("mixtures", "tasks", "message"),
    [
        ([Mixture(at="text.mlp")], ("ocr", "ocr"), "a name of its own"),
        ([Mixture(at="text.mlp")], ("",), "a name of its own"),
    ],
)
def test_bad_arguments_of_graft(mixtures, tasks, message):
    with pytest.raises(ValueError, match=message):
        coterie.graft(TINY["llama"]().model, mixtures, tasks=tasks)


def test_a_configuration_of_target_modules_alone():
    with pytest.raises(ValueError, match=r"target_modules=\['q_proj'\] and no mixtures: .*graft"):
        CoterieConfig(target_modules=["q_proj"])


def test_a_file_of_target_modules_alone_is_named(tmp_path: Path):
    (tmp_path / "adapter_config.json").write_text(
        '{"peft_type": "COTERIE", "mixtures": [], "target_modules": ["q_proj"]}'
    )
    named = r"adapter_config\.json: target_modules=\['q_proj'\] and no mixtures"
    with pytest.raises(ValueError, match=named):
        CoterieConfig.from_pretrained(str(tmp_path))


def test_only_transformers_models(unchecked):
    with pytest.raises(ValueError, match="not Linear"):
        coterie.graft(torch.nn.Linear(2, 2), Mixture())


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (None, "pass task_ids="),
        (torch.tensor([0, 2]), "task_ids has 2, .* allowed are 0 to 1"),
        (torch.tensor([-1, 0]), "task_ids has -1"),
        (torch.tensor([0, 1, 0]), "got 3 and 2 respectively"),
        (torch.tensor([0.0, 1.0]), "torch.float32: pass an int64 tensor"),
        ([0, 1], "list: pass an int64 tensor"),
    ],
)
def test_task_ids(unchecked, ids, message):
    tiny = TINY["llama"]()
    model = grafted(tiny, Mixture(at="text.mlp", gate=TaskGate()))
    with pytest.raises(ValueError, match=message):
        model(**tiny.batch, task_ids=ids)
    assert model(**tiny.batch, task_ids=IDS).logits.isfinite().all()


def test_peft_s_causal_class_swallows_task_ids_but_not_coterie_s(tmp_path):
    tiny = TINY["llama"]()
    mixture = Mixture(at="text.mlp", gate=TaskGate())
    config = coterie.tuner.config.CoterieConfig.from_mixtures(
        (mixture,), TASKS, task_type="CAUSAL_LM"
    )
    model = peft.get_peft_model(tiny.model, config)
    with pytest.raises(ValueError, match="drops `task_ids` silently: pass coterie_task_ids="):
        model(**tiny.batch, task_ids=IDS)
    assert model(**tiny.batch, coterie_task_ids=IDS).logits.isfinite().all()


def test_a_sample_without_a_prompt():
    tiny = TINY["llama"]()
    model = grafted(tiny, Mixture(at="text.mlp", gate=InstanceGate(), router=TopK(k=1)))
    batch = dict(tiny.batch)
    batch["labels"] = batch["input_ids"].clone()
    with pytest.raises(ValueError, match=r"samples \[0, 1\] have no prompt"):
        model(**batch)
    half = torch.zeros_like(batch["input_ids"])
    half[:, :3] = 1
    assert model(**batch, prompt_mask=half).logits.isfinite().all()
    with pytest.raises(ValueError, match=r"prompt_mask is \(2, 3\)"):
        model(**batch, prompt_mask=half[:, :3])


def test_prompt_embedding_outside_the_language_model():
    tiny = TINY["llava"]()
    with pytest.raises(ValueError, match="use pool='hidden'"):
        grafted(tiny, Mixture(at="vision.mlp", gate=InstanceGate(), router=TopK(k=1)))(**tiny.batch)


def test_modalities_need_input_ids():
    tiny = TINY["llama"]()
    model = grafted(tiny, Mixture(at="text.mlp", gate=ModalityGate()))
    embedded = model.get_input_embeddings()(tiny.batch["input_ids"])
    with pytest.raises(ValueError, match="call the model with input_ids"):
        model(inputs_embeds=embedded)


def test_reentrant_checkpointing_is_refused():
    tiny = TINY["llama"]()
    model = grafted(tiny, Mixture(at="text.mlp")).train()
    model.get_base_model().activation_checkpointing_enable({"use_reentrant": True})
    with pytest.raises(ValueError, match="use_reentrant=True"):
        model(**tiny.batch)


def test_a_context_fn_of_one_s_own_is_refused():
    tiny = TINY["llama"]()
    model = grafted(tiny, Mixture(at="text.mlp")).train()
    options = {"use_reentrant": False, "context_fn": lambda: None}
    model.get_base_model().activation_checkpointing_enable(options)
    with pytest.raises(ValueError, match="context_fn"):
        model(**tiny.batch)


def test_one_module_in_two_places_is_refused():
    model = TINY["llama"]().model
    first, second = (layer.mlp for layer in model.model.layers)
    second.up_proj = first.up_proj
    with pytest.raises(ValueError, match=r"0\.mlp\.up_proj is also the module .*1\.mlp\.up_proj"):
        coterie.graft(model, Mixture(at="text.mlp"))
    model = TINY["llama"]().model
    model.model.layers[1] = model.model.layers[0]  # as ALBERT's: one block, which runs twice
    assert len(coterie.graft(model, Mixture(at="text.mlp")).targeted_module_names) == 3


def test_the_experts_of_the_base_model_have_no_samples():
    config = SwitchTransformersConfig(
        vocab_size=16, d_model=8, d_kv=4, d_ff=8, num_layers=2, num_decoder_layers=1, num_heads=2,
        num_experts=2, num_sparse_encoder_layers=1,
    )  # fmt: skip
    at = r".*\.experts\.expert_\d\.wi"
    for gate in (TaskGate(), InstanceGate(pool="hidden")):
        with pytest.raises(
            ValueError, match=rf"in an expert of the base model, .* a {type(gate).__name__}"
        ):
            model = SwitchTransformersForConditionalGeneration(config)
            coterie.graft(model, Mixture(at=at, gate=gate), tasks=TASKS)
    coterie.graft(SwitchTransformersForConditionalGeneration(config), Mixture(at=at))


def test_the_router_of_jetmoes_attention_sees_every_token():
    config = JetMoeConfig(
        vocab_size=16, hidden_size=8, num_hidden_layers=1, num_key_value_heads=2, kv_channels=4,
        intermediate_size=8, num_local_experts=4, pad_token_id=0,
    )  # fmt: skip
    model = JetMoeForCausalLM(config).eval()
    at = r".*self_attention\.experts\.router\.layer"
    model = coterie.graft(model, Mixture(at=at, gate=TaskGate(init_std=1.0)), tasks=TASKS)
    awake(model, scale=1.0)
    ids = torch.arange(2, 10).view(2, 4)
    together = model(input_ids=ids, task_ids=torch.tensor([0, 1])).logits
    for task in (0, 1):
        alone = model(input_ids=ids[[task]], task_ids=torch.tensor([task])).logits
        torch.testing.assert_close(together[[task]], alone, atol=1e-5, rtol=1e-4)
    other = model(input_ids=ids, task_ids=torch.tensor([1, 0])).logits
    assert not torch.allclose(together, other, atol=1e-4)


def test_gpt_2_has_no_linear_layers():
    model = GPT2LMHeadModel(GPT2Config(vocab_size=9, n_embd=8, n_layer=1, n_head=2))
    with pytest.raises(ValueError, match=r"a Conv1D; .* torch\.nn\.Linear or a quantised form"):
        coterie.graft(model, Mixture(at=r".*c_fc"))


def test_sharded_hosts_are_refused(tmp_path):
    tiny = TINY["llama"]()
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,))
        linear = tiny.model.model.layers[0].mlp.up_proj
        linear.weight = torch.nn.Parameter(distribute_tensor(linear.weight.data, mesh, [Shard(0)]))
        with pytest.raises(ValueError, match=r"sharded over devices.* without tp_size"):
            coterie.graft(tiny.model, Mixture(at="text.mlp"))
        fully = fully_shard(TINY["llama"]().model, mesh=mesh)
        with pytest.raises(ValueError, match=r"sharded over devices.* graft before fully_shard"):
            coterie.graft(fully, Mixture(at="text.mlp"))
    finally:
        torch.distributed.destroy_process_group()


@pytest.fixture
def saved(tmp_path):
    grafted(TINY["llama"](), Mixture(at="text.mlp")).save_pretrained(tmp_path)
    return tmp_path


def load(folder):
    return peft.PeftModel.from_pretrained(TINY["llama"]().model, folder)


def changed(folder, **fields):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_newer_format(saved):
    changed(saved, format_version=99)
    with pytest.raises(ValueError, match="format 99; this coterie reads up to 1: upgrade"):
        load(saved)


def test_a_kind_nobody_imported(saved):
    mixtures = json.loads((saved / "adapter_config.json").read_text())["mixtures"]
    mixtures[0]["router"] = {"is": "somebody.routers:Mine"}
    changed(saved, mixtures=mixtures)
    with pytest.raises(ValueError, match=r"mixtures\[0\]\.router.*somebody.routers:Mine"):
        load(saved)


@pytest.mark.parametrize("damage", ["cut", "header", "empty"])
def test_a_damaged_weights_file(saved, damage):
    path = saved / "adapter_model.safetensors"
    whole = path.read_bytes()
    broken = {
        "cut": whole[: len(whole) // 2],
        "header": struct.pack("<Q", 2**40) + whole[8:],
        "empty": b"",
    }
    path.write_bytes(broken[damage])
    with pytest.raises(ValueError, match=r"adapter_model.safetensors is damaged .* download it"):
        load(saved)


def test_observing_a_model_without_mixtures():
    with pytest.raises(ValueError, match="has no mixtures"), coterie.observe(torch.nn.Linear(1, 1)):
        pass

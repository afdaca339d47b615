"""Benchmark of a training step of a language model with every linear layer adapted.

The model has the geometry of SmolLM2-135M with random weights and a vocabulary of 8192: the real
one's 49152 would add a frozen head worth nine layers to every candidate alike.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import torch
from peft import LoraConfig, XLoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from benchmarks.benchmark import (
    DTYPES,
    ROUNDS,
    Benchmark,
    Row,
    Scale,
    Target,
    compare,
    fitting,
    multiplies_bf16,
    worst,
)
from benchmarks.published import LoopLora
from benchmarks.timing import Candidate
from coterie.experts.lora import Lora
from coterie.graft import graft
from coterie.mixture import Mixture
from coterie.routing.routers.softmax import Softmax

FROZEN, PEFT, DEFAULT, COTERIE = "frozen model", "PEFT LoRA", "PEFT LoRA, its default", "coterie"
LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, kw_only=True)
class Case:
    dtype: str
    layers: int
    width: int = 576
    hidden: int = 1536
    tokens: int = 256
    ranks: tuple[int, ...] = (16,) * 8

    @property
    def name(self) -> str:
        shape = f"{self.layers} layers d={self.width} 2x{self.tokens}"
        size = f"{shape} E={len(self.ranks)} R={sum(self.ranks)}"
        return f"{self.dtype} {size}"

    def model(self, device: torch.device) -> PreTrainedModel:
        config = LlamaConfig(
            vocab_size=8192,
            hidden_size=self.width,
            intermediate_size=self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=self.width // 64,
            num_key_value_heads=self.width // 192,
            tie_word_embeddings=True,
            use_cache=False,
        )
        torch.manual_seed(0)
        with device:
            return LlamaForCausalLM(config).to(DTYPES[self.dtype]).requires_grad_(False)


TINY = Case(dtype="bf16", layers=1, width=192, hidden=64, tokens=16, ranks=(2, 2))
CASES: dict[Scale, tuple[Case, ...]] = {
    "tiny": (TINY,),
    "quick": (Case(dtype="fp32", layers=4), Case(dtype="bf16", layers=4)),
    "full": (Case(dtype="fp32", layers=10), Case(dtype="bf16", layers=30)),
    "gpu": (
        Case(dtype="bf16", layers=10, tokens=1024),
        Case(dtype="bf16", layers=6, width=3072, hidden=8192, tokens=4096),
    ),
}


EMULATED = Case(dtype="bf16", layers=2, tokens=64)
"""A case that takes minutes without bfloat16 products; valid for such devices only."""


class Model(Benchmark):
    """A token gate over all experts at each linear layer."""

    name = "model"

    def rows(self, scale: Scale, device: torch.device) -> Iterator[Row]:
        cases = fitting(CASES, scale, device)
        emulated = scale != "tiny" and not multiplies_bf16(device)
        for case in (*cases, EMULATED) if emulated else cases:
            built = candidates(case, device)
            if case is EMULATED:
                built = {name: built[name] for name in (FROZEN, PEFT, DEFAULT, COTERIE)}
            yield from compare(
                case.name,
                case.dtype,
                built,
                bases=(PEFT, DEFAULT) if DEFAULT in built else (PEFT,),
                device=device,
                rounds=ROUNDS[scale],
                infer=True,
            )

    def targets(self, rows: Iterable[Row]) -> list[Target]:
        rows = list(rows)
        mine = [row for row in rows if row.form == COTERIE]
        plain = {row.case: row.saved_mib for row in rows if row.form == PEFT}
        saved = max((row.saved_mib / plain[row.case] for row in mine), default=None)
        half = [row for row in mine if row.dtype == "bf16"]
        what = "of PEFT LoRA of the same rank and dtype (worst)"
        return [
            Target(what=f"step {what}", limit=1.06, measured=worst(mine, PEFT)),
            Target(
                what="step of PEFT LoRA's default in bf16",
                limit=0.85,
                measured=worst(half, DEFAULT),
            ),
            Target(what=f"saved bytes {what}", limit=1.05, measured=saved),
        ]


def candidates(case: Case, device: torch.device) -> dict[str, Candidate]:
    mixture = Mixture(
        at=rf".*\.({'|'.join(LINEARS)})", experts=Lora(ranks=case.ranks), router=Softmax()
    )
    adapted: dict[str, Callable[[], nn.Module]] = {
        PEFT: lambda: plain_lora(case.model(device), sum(case.ranks), autocast=False),
        COTERIE: lambda: graft(case.model(device), mixture),
        "loop over experts": lambda: looped(case.model(device), case.ranks),
    }
    if case.tokens <= 1024:  # it keeps ten times the activations
        adapted["PEFT X-LoRA"] = lambda: x_lora(case, device)
    if case.dtype != "fp32":
        adapted[DEFAULT] = lambda: plain_lora(case.model(device), sum(case.ranks), autocast=True)
    ids = torch.randint(8192, (2, case.tokens), device=device)
    return {FROZEN: frozen_candidate(case.model(device), ids, ids)} | {
        name: model_candidate(build().train(), ids, ids) for name, build in adapted.items()
    }


def model_candidate(model: nn.Module, ids: Tensor, labels: Tensor) -> Candidate:
    """Return the step of a model's trained parameters."""
    parameters = tuple(model.parameters())
    return Candidate(
        forward=lambda: model(input_ids=ids, labels=labels).loss,
        wanted=tuple(parameter for parameter in parameters if parameter.requires_grad),
        fixed=(*parameters, *model.buffers()),
        syncs=True,
    )


def frozen_candidate(model: PreTrainedModel, ids: Tensor, labels: Tensor) -> Candidate:
    """Return the step without any adapter, down to the embeddings: the lower bound of adapters."""
    embedded = model.get_input_embeddings()(ids).requires_grad_()
    return Candidate(
        forward=lambda: model(inputs_embeds=embedded, labels=labels).loss,
        wanted=(embedded,),
        fixed=(*model.parameters(), *model.buffers()),
        syncs=True,
    )


def plain_lora(model: PreTrainedModel, rank: int, *, autocast: bool) -> nn.Module:
    """Return PEFT's LoRA; `autocast`, its default, has float32 adapters and activations."""
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=list(LINEARS))
    return get_peft_model(model, config, autocast_adapter_dtype=autocast)


def looped(model: PreTrainedModel, ranks: tuple[int, ...]) -> nn.Module:
    for name, module in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if last in LINEARS and isinstance(module, nn.Linear):
            setattr(model.get_submodule(parent), last, LoopLora(module, ranks, 2.0))
    return model


def x_lora(case: Case, device: torch.device) -> nn.Module:
    """Return PEFT's X-LoRA (arXiv:2402.07148), which needs its adapters on disk, of equal ranks."""
    with TemporaryDirectory() as folder:
        adapters = {}
        for expert, rank in enumerate(case.ranks):
            adapters[str(expert)] = f"{folder}/{expert}"
            plain_lora(case.model(device), rank, autocast=True).save_pretrained(
                adapters[str(expert)], save_embedding_layers=False
            )
        config = XLoraConfig(
            task_type="CAUSAL_LM",
            hidden_size=case.width,
            xlora_depth=1,
            adapters=adapters,
            use_trainable_adapters=True,
            layerwise_scalings=True,
        )
        return get_peft_model(case.model(device), config)

"""Uni-MoE: experts from separately trained models, top-2 (Li et al. 2024, arXiv:2405.11273).

Run:     coterie train uni_moe --base BASE --tasks tasks.yaml --out runs/uni
Expect:  no number is published here yet. The paper, 4 experts, MoE-Task4: A-OKVQA 70.22, OK-VQA
         66.02, MMBench 73.2.
Departs: see the recipe's `departures`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from coterie.experts.copies import Copies
from coterie.experts.lora import Lora
from coterie.losses.load_balance import LoadBalance
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.top_k import TopK
from coterie.stage import Stage

# Layers of the language model only: a vision tower's have other names before `layers`.
LAYERS = r"(model\.)?((language|text)_model\.)?(model\.)?layers\."
EVEN_MLP = LAYERS + r"\d*[02468]\.mlp"
LINEARS = r"\.(gate|up|down|gate_up)_proj"
ODD_MLP_LINEARS = LAYERS + r"\d*[13579]\.mlp" + LINEARS
STAGES = ("alignment", "experts", "unified")


def uni_moe(  # noqa: PLR0913  its three stages, what each leaves out, and the paper's variants
    *,
    experts: int = 4,
    rank: int = 8,
    alpha: float = 16.0,
    dropout: float = 0.05,
    expert_rank: int = 64,
    layers: Literal["all", "even"] = "all",
    aux: bool = False,
    epochs: float | tuple[float, ...] = (2.0, 1.0, 2.0),
    stages: str | tuple[str, ...] = STAGES,
    branches: Mapping[str, tuple[str, ...]] | None = None,
    connectors_from: str = "",
    experts_from: str | tuple[str, ...] = (),
    released: bool = False,
) -> Recipe:
    """Train an MLP for each modality, and route every token to the top 2 of them.

    Three stages: "alignment" trains the connectors; "experts" trains, for each modality of the
    tasks' rows, a LoRA on the language model's MLPs and the connectors, on the tasks of that
    modality alone; "unified" makes experts of these MLPs, and trains the router, a LoRA on each
    expert and on the attention, and the connectors on all tasks.

    Args:
        experts: 4 or 8 in the paper, at least 2, and at least one a modality; where there are
            more, modalities have several in turn.
        rank, alpha: of every LoRA of the last stage, an expert's or the attention's; the scale is
            alpha / rank.
        dropout: of the plain LoRA, also in "experts"; share of the input dropped in training.
        expert_rank: of the LoRA of "experts", of scale alpha / expert_rank; also the largest that
            runs in `experts_from` may have.
        layers: whether "all" or "even" layers have experts; the paper has models of both.
        aux: True adds the load balance loss with 0.01. The paper finds that it helps 8 experts or
            experts that are initialised equally.
        epochs: passes over its own data of each stage in `stages`, or one number for all. A run's
            `steps` are split in this proportion, times the batches of a pass: a third stage of 2
            passes in batches of 8 gets most.
        stages: those that are trained, separated by commas, in this order: leave out "alignment",
            "experts" or both, and experts start as the base model's MLP.
        branches: name -> tasks of each branch of "experts", in place of one for each modality.
        connectors_from: a run, or a stage's folder in one, whose connectors training starts from.
        experts_from: runs, stages' folders (RUN/stages/experts-image) or folders of whole models
            that experts start from in place of "experts", separated by commas; "unified" alone.
        released: True for the released code: the softmax runs over the chosen experts only, and
            layers without experts get a plain LoRA on their MLP. False for the paper's formula,
            a softmax over all experts: a new router's two weights then sum to about 2 / experts, by
            which each MLP's output shrinks until training has made up for it.
    """
    if layers not in ("all", "even"):
        raise ValueError(f"uni_moe(layers={layers!r}): allowed are 'all' and 'even'")
    chosen, given = split_names(stages), split_names(experts_from)
    check_stages(chosen, given)
    lengths = split_epochs(epochs, chosen)
    starts = bool(given) or "experts" in chosen
    plain = Lora(ranks=(rank,), alpha=alpha, dropout=dropout)
    place = "text.mlp" if layers == "all" else EVEN_MLP
    copies = Copies(
        count=experts, trained="lora", rank=rank, alpha=alpha,
        start_rank=expert_rank if starts else 0,
    )  # fmt: skip
    router = TopK(k=2, normalize="selected" if released else "all")
    mixtures = [
        Mixture(at=place, experts=copies, gate=TokenGate(bias=False), router=router),
        Mixture(at="text.attn", experts=plain, gate=None),
    ]
    if released and layers == "even":
        mixtures.append(Mixture(at=ODD_MLP_LINEARS, experts=plain, gate=None))
    specialist = Mixture(
        at="text.mlp" if layers == "all" else EVEN_MLP + LINEARS,
        experts=replace(plain, ranks=(expert_rank,)),
        gate=None,
    )
    both = ("adapter", "connector")
    alignment = Stage(
        name="alignment", trains=("connector",), learning_rate=2e-5, batch_size=32, mixtures=()
    )
    branch = Stage(
        name="experts", trains=both, learning_rate=4e-5, batch_size=16, mixtures=(specialist,),
        init="branch",
    )  # fmt: skip
    unified = Stage(
        name="unified", trains=both, learning_rate=4e-5, warmup=0.03,
        init="assemble" if starts else "continue", experts_from=given,
    )  # fmt: skip
    found: list[Stage] = []
    for name, stage in zip(STAGES, (alignment, branch, unified), strict=True):
        if name in chosen:
            is_first = "alignment" not in chosen or name == "alignment"
            start = connectors_from if is_first else ""
            found.append(replace(stage, epochs=lengths[name], start_from=start))
    last = found[-1].mixtures
    return Recipe(
        name="uni_moe",
        mixtures=tuple(mixtures) if last is None else last,
        losses=(LoadBalance(weight=0.01, counts="top1"),) if aux and last is None else (),
        stages=tuple(each for stage in found for each in split_branches(stage, branches)),
        paper="Li et al. 2024, arXiv:2405.11273",
        departures=(
            "A branch is trained for each modality of the given tasks; the paper names its eight "
            "single-modality data sets.",
            "One learning rate for all modalities; the paper's sound model has 4e-4 for its LoRA "
            "and 3e-5 for its connector.",
            "Connectors that several modalities trained start from their mean.",
            "No dropout inside the MLP experts' LoRA.",
            "The router has no LoRA of its own; the released audio model's has, by a slip.",
        ),
    )


def split_names(given: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the items of a text with commas, or of a tuple of such texts."""
    texts = (given,) if isinstance(given, str) else given
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def check_stages(chosen: tuple[str, ...], experts_from: tuple[str, ...]) -> None:
    """Raise ValueError for stages that there are not, and experts that no stage or two give."""
    if not chosen or chosen != tuple(name for name in STAGES if name in chosen):
        names = ", ".join(STAGES)
        raise ValueError(f"uni_moe(stages={chosen!r}): give some of {names}, in this order")
    if experts_from and ("experts" in chosen or "unified" not in chosen):
        raise ValueError(
            f"uni_moe(stages={chosen!r}, experts_from={experts_from!r}): experts start from other "
            "runs in stages='unified', with or without 'alignment'"
        )


def split_epochs(epochs: float | tuple[float, ...], chosen: tuple[str, ...]) -> dict[str, float]:
    """Return the passes of each chosen stage. Raises ValueError for a wrong number of them."""
    if not isinstance(epochs, tuple):
        return dict.fromkeys(chosen, epochs)
    if len(epochs) not in (len(STAGES), len(chosen)):
        names = ", ".join(chosen)
        raise ValueError(f"uni_moe(epochs={epochs!r}): give one number, or one for each of {names}")
    return dict(zip(STAGES if len(epochs) == len(STAGES) else chosen, epochs, strict=True))


def split_branches(stage: Stage, branches: Mapping[str, tuple[str, ...]] | None) -> list[Stage]:
    """Return a stage, or the branches of one that has them."""
    if stage.init != "branch":
        return [stage]
    if not branches:
        return [replace(stage, by_modality=True)]
    return [
        replace(stage, name=f"{stage.name}-{name}", tasks=tuple(tasks))
        for name, tasks in branches.items()
    ]

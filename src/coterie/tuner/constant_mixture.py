"""Which mixtures are a single change of a linear layer's weight for a fixed task."""

import torch

from coterie.mixture import Mixture
from coterie.routing.gates.by_modality import ByModality

NOT_CONSTANT = ", so that no constant weights answer as it does"


def require_constant(mixture: Mixture, which: str) -> None:
    """Raise ValueError if `mixture`, called `which` there, is not one LoRA for a fixed task."""
    main, gate, router = mixture.main, mixture.gate, mixture.router
    shape, cpu = torch.Size((1, mixture.num_experts)), torch.device("cpu")
    if not main.is_low_rank:
        wrong = f"{type(main).__name__} experts, which are no change of a linear layer's weight"
        exact = "Lora experts"
    elif isinstance(gate, ByModality) and not gate.depends_on_task_only:
        wrong = f"a ByModality, whose weights are others for each modality{NOT_CONSTANT}"
        exact = (
            "a task of text alone, or one weight for all modalities, as "
            "coterie.compose(..., media='text') gives"
        )
    elif gate is not None and not gate.depends_on_task_only:
        wrong = f"a {type(gate).__name__}, which reads the input{NOT_CONSTANT}"
        exact = (
            "TaskGate(per_token=False), or no gate (gate=None), as in the recipes moelora, "
            "shared_lora and single_task"
        )
    elif gate is not None and router.sample_noise(shape, cpu, training=False) is not None:
        wrong = f"{router!r}, which draws noise outside training too{NOT_CONSTANT}"
        exact = "noise_in_evaluation=False"
    else:
        return
    raise ValueError(f"{which} has {wrong}; exact would be {exact}")

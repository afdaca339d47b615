"""Writes a pruned model, reads it back, and holds it to the mixture with experts closed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor
from transformers import AutoModel

from coterie.dense.pruned import PrunedVision
from coterie.evaluate.use_by_task import use_by_task
from coterie.extract.pruned import check, limited, pruned, staying
from coterie.extract.task import layers_of
from coterie.extract.verify import answering, largest_error
from coterie.extract.written import Wanted, Written


def write(wanted: Wanted) -> Written:
    """Writes the checkpoint. Raises ValueError if nothing tells which experts the task uses."""
    model, task, adapter = wanted.model, wanted.task, wanted.adapter
    check(model, task, adapter)
    use = wanted.use or measured(wanted)
    small = pruned(model, task=task, use=use, pruning=wanted.pruning, adapter=adapter)
    small.save_pretrained(str(wanted.folder))
    stay = staying(model, use, wanted.pruning.threshold, adapter)
    loaded = read(wanted.folder, small)
    facts: dict[str, Any] = {
        "threshold": wanted.pruning.threshold,
        "exact": wanted.pruning.exact,
        "parameters": sum(weight.numel() for weight in small.parameters()),
        "kept": {name: list(numbers) for name, numbers in stay.items()},
    }
    if wanted.probe is not None:
        whole = answers(model, task, adapter, wanted.probe)
        facts["changed_by_pruning"] = largest_error(said(loaded, task, wanted.probe), whole)

    def differs(plain: Any, probe: Mapping[str, Tensor]) -> float:
        if not wanted.pruning.exact:  # no routed model has a softmax over fewer experts
            return largest_error(said(plain, task, probe), said(small, task, probe))
        with closing(model, adapter, stay):
            asked = answers(model, task, adapter, probe)
        return largest_error(said(plain, task, probe), asked)

    return Written(plain=lambda: loaded, differs=differs, error=0.0, tolerance=0.0, facts=facts)


def measured(wanted: Wanted) -> Mapping[str, Any]:
    """Which experts the task uses on the probe's pictures."""
    if wanted.probe is None:
        raise ValueError(
            "form='pruned' needs to know which experts the task uses: run `coterie evaluate` on "
            "the run first, or give use= (evaluate.use_by_task measures it), or a probe="
        )
    with answering(wanted.model, wanted.adapter):
        pictures = [wanted.probe["pixel_values"]]
        return use_by_task(wanted.model, pictures, tasks=(wanted.task,))[wanted.task]


def read(folder: Any, small: PrunedVision) -> PrunedVision:
    """The checkpoint as anybody loads it. Raises RuntimeError if a weight is another."""
    loaded, info = AutoModel.from_pretrained(str(folder), output_loading_info=True)
    wrong = {key: found for key, found in info.items() if found}
    weights = loaded.state_dict()
    changed = [
        name
        for name, weight in small.state_dict().items()
        if not torch.equal(weights[name], weight.cpu().to(weights[name].dtype))
    ]
    if wrong or changed:
        raise RuntimeError(f"{folder} does not load as it was written: {wrong} {changed[:3]}")
    return loaded.eval()


@contextmanager
def closing(model: PeftModel, adapter: str, stay: Mapping[str, Sequence[int]]) -> Iterator[None]:
    """Within, the routed model chooses only among experts that stay."""
    layers = layers_of(model, adapter)
    before = {name: layer.coterie_site[adapter] for name, layer in layers.items()}
    for name, site in before.items():
        layers[name].coterie_site[adapter] = replace(
            site, mixture=limited(site.mixture, stay[name])
        )
    try:
        yield
    finally:
        for name, site in before.items():
            layers[name].coterie_site[adapter] = site


@torch.no_grad()
def answers(
    model: PeftModel, task: str, adapter: str, probe: Mapping[str, Tensor]
) -> Float[Tensor, "..."]:
    """What the routed model says for the task alone."""
    with answering(model, adapter):
        found = model(pixel_values=probe["pixel_values"], tasks=(task,)).predictions[task]
    return found.float()


@torch.no_grad()
def said(plain: PrunedVision, task: str, probe: Mapping[str, Tensor]) -> Float[Tensor, "..."]:
    """What a pruned model says."""
    pictures = probe["pixel_values"]
    plain.to(pictures.device)  # pyright: ignore[reportArgumentType]  decorated by transformers
    found: Any = plain(pixel_values=pictures)
    return found.predictions[task].float()

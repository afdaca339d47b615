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
from coterie.evaluate.cost import flops
from coterie.extract.keeping import lost
from coterie.extract.pictures import PROBE, batches
from coterie.extract.pruned import check, limited, pruned, staying
from coterie.extract.run import Source
from coterie.extract.size import pruned_size, whole_size
from coterie.extract.task import layers_of
from coterie.extract.using import SPLIT, using
from coterie.extract.verify import answering, largest_error
from coterie.extract.written import Wanted, Written


def write(wanted: Wanted) -> Written:
    """Writes the checkpoint. Raises ValueError if nothing tells which experts the task uses."""
    model, task, adapter = wanted.source.model, wanted.task, wanted.adapter
    check(model, task, adapter)
    seen = using(wanted.source, task, wanted.use, adapter=adapter, probe=wanted.probe)
    small = pruned(model, task=task, use=seen.shares, pruning=wanted.pruning, adapter=adapter)
    small.save_pretrained(str(wanted.folder))
    stay = staying(model, seen.shares, wanted.pruning.threshold, adapter)
    loaded = read(wanted.folder, small)
    probe = wanted.probe or probed(wanted.source, seen.split)
    whole = whole_size(model, adapter)
    facts: dict[str, Any] = {
        "threshold": wanted.pruning.threshold,
        "exact": wanted.pruning.exact,
        "use": {"seen": seen.seen, "split": seen.split},
        "parameters_of_whole": whole.total,
        **pruned_size(small).dump(whole),
        "kept": {name: list(numbers) for name, numbers in stay.items()},
        "choices_lost": lost(seen.shares, stay),
    }
    if probe is not None:
        facts |= compared(wanted, loaded, probe)

    def differs(plain: Any, probe: Mapping[str, Tensor]) -> float:
        if not wanted.pruning.exact:  # no routed model has a softmax over fewer experts
            return largest_error(said(plain, task, probe), said(small, task, probe))
        with closing(model, adapter, stay):
            asked = answers(model, task, adapter, probe)
        return largest_error(said(plain, task, probe), asked)

    return Written(
        plain=lambda: loaded, differs=differs, error=0.0, tolerance=0.0, facts=facts, probe=probe
    )


def probed(source: Source, split: str | None) -> dict[str, Tensor] | None:
    """Some pictures of the split on which the use was seen, or of the validation split."""
    if source.run is None or source.run.plan.pictures is None:
        return None
    return {"pixel_values": next(batches(source, split or SPLIT, PROBE))}


def compared(wanted: Wanted, small: PrunedVision, probe: Mapping[str, Tensor]) -> dict[str, Any]:
    """How the answers differ from the whole model's, and what a picture costs in both.

    Both are asked for the task alone: in a batch of all tasks, products may round differently.
    """
    model, task, adapter = wanted.source.model, wanted.task, wanted.adapter
    changed = largest_error(said(small, task, probe), answers(model, task, adapter, probe))
    pictures = len(probe["pixel_values"])
    with answering(model, adapter):
        for each in (small, model):  # torch's counter trips over what would have a gradient
            each.requires_grad_(False)
        own = flops(lambda: small(pixel_values=probe["pixel_values"]))
        of_whole = flops(lambda: model(pixel_values=probe["pixel_values"], tasks=(task,)))
    return {
        "probe_pictures": pictures,
        "changed_by_pruning": changed,
        "bit_equal_to_whole": changed == 0,
        "flops_per_picture": own / pictures,
        "flops_per_picture_of_whole": of_whole / pictures,
    }


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

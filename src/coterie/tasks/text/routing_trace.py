"""What the gates of a language model decide for each token of one prompt."""

from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from coterie.data.chat_template import get_tokenizer
from coterie.data.sample import TextSample
from coterie.graft import observe
from coterie.models.loading import LoadedModel
from coterie.routing.decision import Routing
from coterie.tasks.predictions import RoutingTrace
from coterie.tasks.text.batches import TextCollator
from coterie.tasks.text.generation import prepare_inputs

MAX_TOKENS = 512
"""Later tokens of a prompt are left out, so that a trace is some 100 kB."""
DECIMALS = 3


@torch.no_grad()
def trace_routing(
    loaded: LoadedModel, collator: TextCollator, sample: TextSample
) -> RoutingTrace | None:
    """Run a sample's prompt, and return the weights of each of its tokens' experts.

    Of layers in the language model that decide for each token; None if there are none. Each token
    of an image, a sound or a video is a token of the prompt.
    """
    model: Any = loaded.model
    batch = prepare_inputs(collator.collate_prompts([sample]), model)
    ids = batch["input_ids"][0].tolist()
    with observe(model.eval()) as tape:
        model(**batch)
    layers = {name: each for name, each in tape.items() if _is_by_token(each, len(ids))}
    if not layers:
        return None
    tokenizer = get_tokenizer(loaded.processor)
    kept = slice(MAX_TOKENS)
    return RoutingTrace(
        source=sample.source,
        tokens=tuple(tokenizer.decode([token]) for token in ids[kept]),
        modalities=tuple(_get_modalities(next(iter(layers.values())))[kept]),
        layers={
            name: tuple(
                map(tuple, each.weights[kept].double().cpu().round(decimals=DECIMALS).tolist())
            )
            for name, each in layers.items()
        },
    )


def _round(weights: Float[Tensor, "tokens experts"]) -> Float64[Tensor, "tokens experts"]:
    return weights.cpu().double().round(decimals=DECIMALS)


def _is_by_token(routing: Routing, num_tokens: int) -> bool:
    """Return whether the units are the prompt's tokens, and not those of a tower."""
    return len(routing.weights) == num_tokens and "text" in _get_modalities(routing)


def _get_modalities(routing: Routing) -> list[str]:
    """Return the name of each unit's modality; empty if it is not known."""
    numbers = [] if routing.modality is None else routing.modality.tolist()
    return [routing.modalities[number] for number in numbers]

"""Which experts the tokens of an answer and its prompt used: `RoutingPass`, one a forward pass."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from coterie.graft import observe
from coterie.routing.decision import Tape
from coterie.tuner.layer import CoterieLayer

MAX_WEIGHTS = 500_000
"""Of one answer and its prompt: some 3 MB of JSON. Later tokens are recorded without weights."""


class RoutedLayer(NamedTuple):
    """A layer of the language model with a gate.

    `by_token`: each token has a decision of its own; otherwise the prompt and its answer have one.
    """

    name: str
    experts: int
    by_token: bool


@dataclass(frozen=True, kw_only=True)
class RoutingPass:
    """The tokens that a forward pass read of one answer, and the weights of their experts.

    Attributes:
        ids: the tokens: at first the prompt's, then the answer's last one.
        weights: layer -> factors of the experts' outputs, exactly 0 where an expert was not chosen,
            [tokens, experts], or [1, experts] where one decision is for all of them. Tokens beyond
            `MAX_WEIGHTS` have no row.
    """

    ids: Sequence[int]
    weights: Mapping[RoutedLayer, Float[Tensor, "units experts"]] = field(default_factory=dict)


class RecordingRow(NamedTuple):
    """A row of a batch: the tokens that it reads, all that it then has, and its passes so far."""

    ids: Sequence[int]
    num_tokens: int
    passes: list[RoutingPass]


def list_routed_layers(model: nn.Module) -> tuple[RoutedLayer, ...]:
    """List the layers of the language model with a gate, in the order of the model's modules."""
    found = []
    for layer in model.modules():
        if not isinstance(layer, CoterieLayer):
            continue
        for name in layer.active_adapters:
            site = layer.coterie_site.get(name)
            gate = None if site is None else site.mixture.gate
            if site is not None and gate is not None and site.layer_site.tower == "text":
                by_token = not (gate.decides_per_sample or gate.depends_on_task_only)
                found.append(RoutedLayer(site.layer_site.name, site.mixture.num_experts, by_token))
    return tuple(found)


@contextmanager
def record_routing(
    model: nn.Module, rows: Sequence[RecordingRow | None], tokens: int
) -> Iterator[None]:
    """Record the forward pass inside, each row's own routing with that row alone.

    Args:
        model: grafted or not.
        rows: of the batch, in their order; None for one whose routing nobody asked for.
        tokens: of each row in the pass, with the padding on its left.
    """
    if not any(rows):
        yield
        return
    layers = list_routed_layers(model)
    with observe(model) if layers else nullcontext(Tape()) as tape:
        yield
    room = MAX_WEIGHTS // max(1, sum(layer.experts for layer in layers))
    by_layer = {
        layer: _split_by_row(tape[layer.name].weights.cpu(), layer, len(rows), tokens)
        for layer in layers
        if layer.name in tape
    }
    for number, row in enumerate(rows):
        if row is not None:
            weights = {
                layer: _select(split[number], layer, row, room)
                for layer, split in by_layer.items()
                if split
            }
            row.passes.append(RoutingPass(ids=row.ids, weights=weights))


def _split_by_row(
    weights: Float[Tensor, "units experts"], layer: RoutedLayer, rows: int, tokens: int
) -> Sequence[Float[Tensor, "tokens experts"]]:
    """Return the weights of each row; none if the units are not those of the batch.

    As in an encoder, which has tokens of its own.
    """
    if len(weights) == 1:  # of one token, or one task fills the batch
        return [weights] * rows
    if len(weights) % rows or (layer.by_token and len(weights) != rows * tokens):
        return []
    return weights.chunk(rows)


def _select(
    values: Float[Tensor, "tokens experts"], layer: RoutedLayer, row: RecordingRow, room: int
) -> Float[Tensor, "units experts"]:
    """Return the weights of a row's newest tokens, as far as there is room."""
    if not layer.by_token:
        return values[-1:].clone()
    newest = values[-len(row.ids) :]
    earlier = row.num_tokens - len(row.ids)
    return newest[: max(0, room - earlier)].clone()

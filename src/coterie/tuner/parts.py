"""`AdapterPart`: one mixture of an adapter at a module; and several there, of different tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.experts.base import ExpertLayer
from coterie.mixture_layer import MixtureLayer
from coterie.routing.context import RoutingContext
from coterie.routing.gates.base import GateLayer
from coterie.routing.task_selection import find_rows_of_tasks


@dataclass(frozen=True, kw_only=True)
class AdapterPart:
    """A mixture of an adapter at one module, with its weights; the gate is as in `MixtureLayer`.

    An adapter has several at a module where they serve different tasks.
    """

    site: MixtureLayer
    experts: ExpertLayer
    gate: GateLayer | None

    def run(
        self, base_layer: nn.Module, x: Tensor, context: RoutingContext, *args: Any, **kwargs: Any
    ) -> Any:
        """Return the mixture's output in place of `base_layer(x)`, for all rows."""
        return self.site.run(self.experts, self.gate, base_layer, x, context, *args, **kwargs)

    def serves(self, task: int | None) -> bool:
        """Return whether a task is served; None is that of an adapter without tasks."""
        return self.site.tasks is None or task in self.site.tasks


def run_by_task(
    parts: Sequence[AdapterPart],
    base_layer: nn.Module,
    x: Float[Tensor, "*units width"],
    context: RoutingContext,
    *args: Any,
    **kwargs: Any,
) -> Float[Tensor, "*units out"]:
    """Return each row's output by the part that serves its task, or the base layer's by none.

    A part computes all rows of the batch, and rows are selected, not added up: a row's output has
    the bits that its part alone gives it in a batch of this shape. Parts without a row are left
    out, unless gates decide by sample: what these cache must not depend on the batch's tasks.
    """
    tower = parts[0].site.layer_site.tower
    if context.is_packed(tower) and x.ndim == 3:
        tokens = run_by_task(parts, base_layer, x.flatten(0, 1), context, *args, **kwargs)
        return tokens.unflatten(0, x.shape[:2])
    present = context.present_tasks
    gates = [part.site.mixture.gate for part in parts]
    if present is not None and not any(gate and gate.decides_per_sample for gate in gates):
        parts = [part for part in parts if any(map(part.serves, present))]
        if len(parts) == 1 and all(map(parts[0].serves, present)):
            return parts[0].run(base_layer, x, context, *args, **kwargs)
    is_served = present is not None and all(
        any(part.serves(task) for part in parts) for task in present
    )
    output = None if is_served else base_layer(x, *args, **kwargs)
    for part in parts:
        own = part.run(base_layer, x, context, *args, **kwargs)
        if output is None:
            output = own
            continue
        assert part.site.tasks is not None
        rows = find_rows_of_tasks(context, part.site.tasks, tower, x.shape[:-1]).to(own.device)
        output = torch.where(rows.view(-1, *[1] * (own.ndim - 1)), own, output)
    assert output is not None
    return output

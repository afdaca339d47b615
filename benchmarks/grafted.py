"""One grafted module without a model, with the weights and the wrapper that users get."""

from peft.tuners.tuners_utils import cast_adapter_dtype
from torch import Tensor, nn

from coterie.mixture import Mixture
from coterie.mixture_layer import MixtureLayer
from coterie.routing.context import RoutingContext
from coterie.routing.gates.base import LayerSite
from coterie.tuner.layer import CoterieLayer
from coterie.tuner.runtime import pop_context, push_context

ADAPTER = "default"


def grafted(
    host: nn.Module, width: int, mixture: Mixture, *, tasks: int = 0, autocast: bool = True
) -> CoterieLayer:
    """Graft `mixture` at `host`; `autocast` makes new weights float32, as `coterie.graft` does."""
    host.requires_grad_(False)
    layer = CoterieLayer(host)
    place = LayerSite(name="layer", tower="text", tie_group="layer")
    site = MixtureLayer(mixture=mixture, layer_site=place, num_tasks=tasks)
    layer.update_layer(ADAPTER, site, width, has_gate=True)
    if autocast:
        cast_adapter_dtype(layer, ADAPTER)
    return layer


class OfOneTask(nn.Module):
    """A layer in batches of a single task."""

    def __init__(self, layer: CoterieLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        tasks = x.new_zeros(len(x)).long()
        push_context(
            RoutingContext(batch_size=len(x), device=x.device, task_ids=tasks, single_task=0)
        )
        try:
            return self.layer(x)
        finally:
            pop_context()

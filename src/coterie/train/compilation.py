"""`compile_model`: the model of a stage through torch.compile."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

RECOMPILATIONS = 64
"""As many graphs are allowed: with and without recorded routing, in training and validation ..."""


@contextmanager
def compile_model(model: nn.Module) -> Iterator[None]:
    """Run the model through torch.compile within the block, as one graph.

    In place, so that a wrapper such as DistributedDataParallel, and validation, run it, too. After
    a break in the graph, layers would not know what the hooks of the model have set for them.

    Raises ValueError if the model cannot be one graph.
    """
    from torch._dynamo import config, exc  # slow to import

    model.compile(fullgraph=True)
    try:
        with config.patch(recompile_limit=RECOMPILATIONS):
            yield
    except exc.TorchDynamoException as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"compile=True: torch cannot compile this model as one graph ({reason} ...). Leave "
            "compile out"
        ) from error
    finally:
        model._compiled_call_impl = None

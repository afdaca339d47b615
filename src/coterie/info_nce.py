"""InfoNCE: the loss by which embeddings of a pair are alike, and of two pairs are not."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

Embeddings = Float[Tensor, "batch width"]


def compute_info_nce(
    queries: Embeddings,
    candidates: Embeddings,
    *,
    temperature: float,
    excluded: Bool[Tensor, "batch batch"] | None = None,
) -> Float[Tensor, " batch"]:
    """Compute each pair's cross-entropy of finding the candidate of its query, in nats.

    -log softmax_j(cos(q_i, c_j) / temperature)_i: van den Oord et al. 2018 (arXiv:1807.03748)
    eq. 4, with the cosine of CLIP. ln(batch) minus the mean is a lower bound of the mutual
    information; with temperature 1 it never exceeds ln N - ln(1 + (N - 1) e^-2).

    Args:
        queries, candidates: row i of both is a pair.
        temperature: above 0; the cosines are divided by it. CLIP learns it, and ends at 0.01.
        excluded: pairs of a query and a candidate that are no negatives of each other.
    """
    # Cosines in bfloat16, as autocast has them, are off by the temperature.
    with torch.autocast(queries.device.type, enabled=False):
        one, other = (F.normalize(each.float(), dim=-1) for each in (queries, candidates))
        logits = one @ other.t() / temperature
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    if excluded is not None:
        logits = logits.masked_fill(excluded & ~own, -torch.inf)
    return -logits.log_softmax(-1).diagonal()

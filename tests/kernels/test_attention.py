import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from coterie.kernels.attention import AttentionCall, attend_dense, attend_reference, attend_slots

FORMS = (attend_reference, attend_dense, attend_slots)


def test_by_hand() -> None:
    # One row of two tokens, one expert of one head of one feature: query 1, output 10.
    x = torch.tensor([[[math.log(2.0)], [0.0]]])
    key, value = torch.tensor([[[1.0], [0.0]]]), torch.tensor([[[3.0], [0.0]]])
    query, output = torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), 10.0)
    gates = torch.tensor([[[0.5], [1.0]]])
    # token 0 scores log 2 and 0: probabilities 2/3, 1/3; 0.5 * 10 * (2/3 * 3) = 10
    # token 1 scores 0 and 0: probabilities 1/2, 1/2; 1 * 10 * (1/2 * 3) = 15
    wanted = torch.tensor([[[10.0], [15.0]]])
    # When only token 0 may be seen: 0.5 * 10 * 3 = 15 and 10 * 3 = 30
    first = torch.tensor([[[[True, False]]]])
    added = torch.tensor([0.0, -math.inf]).expand(1, 1, 2, 2)
    for form in FORMS:
        given = form(AttentionCall(x, gates, query, output, key, value, None))
        torch.testing.assert_close(given, wanted)
        for mask in (first, added):
            given = form(AttentionCall(x, gates, query, output, key, value, mask))
            torch.testing.assert_close(given, torch.tensor([[[15.0], [30.0]]]))


def gates_for(kind: str, shape: tuple[int, int, int]) -> Tensor:
    gates, scores = torch.rand(shape, dtype=torch.float64) + 0.1, torch.rand(shape)
    if kind == "equal":
        count = max(1, shape[2] // 2)
        return gates * (scores >= scores.topk(count).values[..., -1:])
    if kind == "one expert":
        return gates * (torch.arange(shape[2]) == 0)
    return gates * (scores < {"none": 0.0, "unequal": 0.5, "all": 1.0}[kind])


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    rows=st.integers(1, 3),
    tokens=st.integers(1, 13),
    experts=st.integers(1, 6),
    heads=st.integers(1, 3),
    kind=st.sampled_from(["equal", "one expert", "none", "unequal", "all"]),
    masked=st.sampled_from(["no", "keys", "added"]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float64]),
)
def test_forms_agree(
    rows: int, tokens: int, experts: int, heads: int, kind: str, masked: str, dtype: torch.dtype
) -> None:
    torch.manual_seed(tokens)

    def new(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=dtype, requires_grad=True)

    x, key, value = new(rows, tokens, 5), new(rows, tokens, 4), new(rows, tokens, 4)
    query, output = new(experts, heads, 4, 5), new(experts, 6, heads, 4)
    gates = gates_for(kind, (rows, tokens, experts)).to(dtype).requires_grad_()
    mask = None if masked == "no" else torch.randn(rows, 1, tokens, tokens).to(dtype)
    if masked == "keys":
        mask = torch.rand(rows, 1, 1, tokens) < 0.7
        mask[..., 0] = True
    inputs, weights = [x, gates, query, output, key, value], torch.randn(rows, tokens, 6).to(dtype)
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 5e-2, torch.float64: 1e-12}[dtype]

    def answers(form) -> list[Tensor]:
        y = form(AttentionCall(*inputs, mask))
        assert y.dtype == dtype
        return [y, *torch.autograd.grad((y * weights).sum(), inputs)]

    wanted = answers(attend_reference)
    for form in (attend_dense, attend_slots):
        for one, other in zip(answers(form), wanted, strict=True):
            error = (one - other).double().norm()
            assert error <= tolerance * (other.double().norm() + 1e-1)


def test_gradients_by_differences() -> None:
    def new(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    inputs = [
        new(2, 3, 4),
        new(2, 3, 3),
        new(3, 2, 2, 4),
        new(3, 5, 2, 2),
        new(2, 3, 2),
        new(2, 3, 2),
    ]
    keep = torch.tensor([1.0, 0.0, 1.0]).double()
    for form in FORMS:

        def run(x: Tensor, gates: Tensor, *rest: Tensor, form=form) -> Tensor:
            return form(AttentionCall(x, gates * keep, *rest, None))

        assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


def test_slots_keep_no_gathered_rows() -> None:
    x, gates = torch.randn(1, 10, 64), torch.rand(1, 10, 3)
    query, output = torch.randn(3, 1, 2, 64), torch.randn(3, 64, 1, 2)
    key, value = torch.randn(1, 10, 2), torch.randn(1, 10, 2)
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        attend_slots(AttentionCall(x.requires_grad_(), gates, query, output, key, value, None))
    # 30 slots of 64 features would be 1920 numbers; x itself is 640.
    assert max(kept) == 640 and kept.count(640) == 1

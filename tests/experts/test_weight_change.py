import torch

from coterie.experts.weight_change import WeightChange


def test_any_matrix_is_factored_without_rounding() -> None:
    wide = torch.tensor([[1.5, 2.0, -3.0], [0.1, 0.2, 0.3]])
    for matrix in (wide, wide.T):
        change = WeightChange.from_matrix(matrix)
        # One factor is the identity of the smaller side, 2.
        assert change.rank == 2
        assert torch.equal(change.compute_matrix(), matrix)


def test_factors_multiply() -> None:
    down, up = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [0.0], [-1.0]])
    # Row i of the matrix is up_i times (1, 2).
    wanted = torch.tensor([[3.0, 6.0], [0.0, 0.0], [-1.0, -2.0]])
    assert torch.equal(WeightChange(down=down, up=up).compute_matrix(), wanted)

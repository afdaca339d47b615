import math

import pytest
import torch

from coterie.routing.routers.top_k import TopK

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0]])


def test_uni_moe_code_normalises_over_the_selected():
    weights, _ = TopK(k=2, normalize="selected")(LOGITS, None)
    # e^2 / (e^2 + e^1) = 1 / (1 + e^-1) = .7311
    torch.testing.assert_close(weights, torch.tensor([[0.7311, 0.2689, 0, 0]]), atol=5e-5, rtol=0)


def test_uni_moe_paper_normalises_over_all():
    weights, probs = TopK(k=2)(LOGITS, None)
    # e^2 + e + 1 + e^-1 = 11.4753; 7.3891 / 11.4753 = .6439; 2.7183 / 11.4753 = .2369
    torch.testing.assert_close(weights, torch.tensor([[0.6439, 0.2369, 0, 0]]), atol=5e-5, rtol=0)
    assert weights.sum().item() == pytest.approx(0.8808, abs=5e-5)
    torch.testing.assert_close(
        probs, torch.tensor([[0.6439, 0.2369, 0.0871, 0.0321]]), atol=5e-5, rtol=0
    )


def test_no_normalisation_keeps_the_logits():
    weights, _ = TopK(k=2, normalize="none")(LOGITS, None)
    assert weights.tolist() == [[2.0, 1.0, 0.0, 0.0]]


def test_awaker_top_1_of_four_equal_logits_is_a_quarter():
    weights, _ = TopK(k=1)(torch.zeros(1, 4), None)
    assert weights.sum().item() == 0.25
    assert (weights > 0).sum() == 1


def test_the_temperature_of_momok() -> None:
    # A sigmoid of 0 is 1/2: logits [1, 0] become [2, 0]; 1 / (1 + e^-2) = .8808.
    weights, _ = TopK(k=2, temperature=torch.zeros(()).sigmoid().item())(LOGITS[:, 1:3], None)
    assert weights[0].tolist() == pytest.approx([0.8808, 0.1192], abs=5e-5)


def test_noise_after_the_temperature_is_the_paper_s():
    noise = torch.tensor([[0.0, 1.0]])
    # logits [1, 1] / 2 + [0, 1] = [.5, 1.5]; softmax = 1 / (1 + e^1) = .2689
    _, probs = TopK(k=1, temperature=2.0, noise=1.0)(torch.ones(1, 2), noise)
    assert probs[0, 0].item() == pytest.approx(1 / (1 + math.e), abs=1e-6)


def test_noise_before_the_temperature_is_the_code_s():
    noise = torch.tensor([[0.0, 1.0]])
    # ([1, 1] + [0, 1]) / 2 = [.5, 1]; softmax = 1 / (1 + e^.5) = .3775
    router = TopK(k=1, temperature=2.0, noise=1.0, noise_at="before")
    _, probs = router(torch.ones(1, 2), noise)
    assert probs[0, 0].item() == pytest.approx(1 / (1 + math.exp(0.5)), abs=1e-6)


def test_noise_is_drawn_in_training_only_unless_asked():
    shape, device = torch.Size((3, 2)), torch.device("cpu")
    assert TopK(noise=1.0).sample_noise(shape, device, training=False) is None
    assert TopK(noise=1.0).sample_noise(shape, device, training=True) is not None
    asked = TopK(noise=1.0, noise_in_evaluation=True)
    assert asked.sample_noise(shape, device, training=False) is not None
    assert TopK().sample_noise(shape, device, training=True) is None


def test_epsilon_is_mod_squad_s_floor():
    # softmax of equal logits is .5, plus 1e-4
    _, probs = TopK(k=1, epsilon=1e-4)(torch.zeros(1, 2), None)
    assert probs.tolist() == [[pytest.approx(0.5001), pytest.approx(0.5001)]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k=0"),
        ({"temperature": 0.0}, "temperature=0"),
        ({"noise": -1.0}, "noise=-1"),
        ({"normalize": "some"}, "'all', 'selected' and 'none'"),
        ({"noise_at": "never"}, "'before' and 'after'"),
    ],
)
def test_bad_values_are_named(unchecked, arguments, message):
    with pytest.raises(ValueError, match=message):
        TopK(**arguments)


def test_more_chosen_than_there_are():
    with pytest.raises(ValueError, match=r"TopK\(k=5, closed=\(\)\) cannot choose from 4 experts"):
        TopK(k=5).get_max_active(4)


def test_closed_experts_keep_their_part_of_the_softmax():
    weights, probs = TopK(k=2, closed=(0,))(LOGITS, None)
    # The next best; weights as they are over all, see above: .2369 and .0871.
    torch.testing.assert_close(weights, torch.tensor([[0, 0.2369, 0.0871, 0]]), atol=5e-5, rtol=0)
    assert torch.equal(probs, TopK(k=2)(LOGITS, None)[1])
    selected, _ = TopK(k=2, closed=(0,), normalize="selected")(LOGITS, None)
    # e^1 / (e^1 + e^0) = .7311
    torch.testing.assert_close(selected, torch.tensor([[0, 0.7311, 0.2689, 0]]), atol=5e-5, rtol=0)


def test_closing_what_is_not_chosen_changes_nothing():
    logits = torch.randn(20, 6) - torch.tensor([0, 0, 0, 99.0, 0, 99.0])
    plain, shut = TopK(k=3)(logits, None), TopK(k=3, closed=(3, 5))(logits, None)
    assert all(torch.equal(a, b) for a, b in zip(plain, shut, strict=True))


@pytest.mark.parametrize("closed", [(0, 1, 2), (4,), (-1,)])
def test_closed_experts_must_be_there_and_leave_enough(closed):
    with pytest.raises(ValueError, match=r"closed=\(.* cannot choose from 4 experts"):
        TopK(k=2, closed=closed).get_max_active(4)

import pytest
import torch

from coterie import Copies, Lora, Mixture, Null, Rectified, Softmax, TopK, TopP
from coterie.mixture_layer import decide_once


def gates(mixture, logits):
    return mixture.decide(torch.tensor([logits])).combine_weights[0].tolist()


def test_awaker_paper_weighs_the_chosen_by_g_and_the_global_by_the_rest():
    # four equal logits: G = .25; the global expert's weight is 1 - .25
    awaker = Mixture(router=TopK(k=1), shared=Lora(ranks=(8,)), blend="complement")
    found = gates(awaker, [0.0, 0.0, 0.0, 0.0])
    assert sorted(found[:4]) == [0, 0, 0, 0.25] and found[4] == 0.75


def test_awaker_code_weighs_the_chosen_by_g_squared():
    # .25^2 = .0625; the complement is of the plain weight
    awaker = Mixture(
        router=TopK(k=1), shared=Lora(ranks=(8,)), blend="complement", weight_exponent=2
    )
    found = gates(awaker, [0.0, 0.0, 0.0, 0.0])
    assert sorted(found[:4]) == [0, 0, 0, 0.0625] and found[4] == 0.75


def test_an_added_expert_is_always_on():
    mixture = Mixture(experts=Lora(ranks=(1, 1, 1)), router=Rectified(), shared=Lora(ranks=(2,)))
    # RoDE: gates [-1, .5, 2] -> [0, .5, 2]
    assert gates(mixture, [-1.0, 0.5, 2.0]) == [0.0, 0.5, 2.0, 1.0]


def test_without_a_gate_every_expert_has_weight_one():
    assert gates(Mixture(experts=Lora(ranks=(4, 4)), gate=None), [0.0, 0.0]) == [1.0, 1.0]


def test_null_takes_weight_from_the_others_and_no_gate():
    mixture = Mixture(experts=(Copies(count=2), Null()), router=Softmax())
    # three equal logits: a third each, and the null expert's third goes to nobody
    assert gates(mixture, [0.0, 0.0, 0.0]) == [pytest.approx(1 / 3)] * 2


def test_uni_moe_2_top_p_in_a_mixture():
    mixture = Mixture(experts=Lora(ranks=(1,) * 4), router=TopP(p=0.7))
    # .6439 / .8808 and .2369 / .8808
    found = gates(mixture, [2.0, 1.0, 0.0, -1.0])
    assert found == [pytest.approx(0.7311, abs=1e-4), pytest.approx(0.2689, abs=1e-4), 0.0, 0.0]


def test_a_second_softmax_weighs_the_chosen_and_the_shared():
    mixture = Mixture(
        experts=(Copies(count=2), Null()), router=TopK(k=2, normalize="selected"),
        shared=Copies(count=2, divisor=4), blend="softmax",
    )  # fmt: skip
    assert (mixture.num_experts, mixture.num_logits) == (3, 5)
    # exp of the logits: 1, 3, 2 (null), 1, 4. Chosen: 3 and 2, in shares of .6 and .4. Of 3 + 2
    # + 1 + 4 = 10 the chosen have half: .3, and .2 for nobody; the shared have .1 and .4.
    logits = torch.tensor([[1.0, 3, 2, 1, 4]]).log()
    decision = mixture.decide(logits)
    torch.testing.assert_close(decision.combine_weights, torch.tensor([[0, 0.3, 0.1, 0.4]]))
    torch.testing.assert_close(decision.weights, torch.tensor([[0, 0.3, 0.2]]))
    assert torch.equal(decision.logits, logits[:, :3])


def test_shared_experts_may_be_several():
    mixture = Mixture(experts=Copies(count=2), router=Softmax(), shared=Copies(count=2))
    assert gates(mixture, [0.0, 0.0]) == [0.5, 0.5, 1.0, 1.0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tasks": "ocr"}, r"tasks='ocr'\): give a tuple, as \('ocr',\)"),
        ({"blend": "multiply"}, "'add', 'complement' and 'softmax'"),
        ({"weight_exponent": 3}, "allowed are 1 and 2"),
        ({"blend": "softmax"}, "give shared and a gate"),
        ({"blend": "softmax", "shared": Lora(), "gate": None}, "give shared and a gate"),
        ({"blend": "complement", "shared": Lora()}, "has 4 shared experts: allowed is one"),
        ({"experts": (Lora(), Lora(), Lora())}, "a pair of a kind and Null"),
        ({"experts": Lora(ranks=(1,)), "router": TopK(k=2)}, "cannot choose from 1 experts"),
    ],
)
def test_bad_values_are_named(unchecked, fields, message):
    with pytest.raises(ValueError, match=message):
        Mixture(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ranks": ()}, "at least one rank"),
        ({"ranks": (0,)}, "each at least 1"),
        ({"dropout": 1.0}, r"\[0, 1\)"),
        ({"kernel": "fastest"}, "allowed are 'auto'"),
    ],
)
def test_bad_ranks_are_named(unchecked, fields, message):
    with pytest.raises(ValueError, match=message):
        Lora(**fields)


def test_a_shared_expert_of_another_kind_or_dropout():
    host = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="a Lora of one rank"):
        Lora().build(host, Lora(ranks=(1, 1)))
    with pytest.raises(ValueError, match=r"has theirs, 0.0"):
        Lora().build(host, Lora(ranks=(1,), dropout=0.5))


@pytest.mark.parametrize(
    ("shared", "blend", "exponent"),
    [
        (None, "add", 1),
        (Lora(ranks=(3,)), "add", 1),
        (Lora(ranks=(3,)), "complement", 2),
        (Copies(count=2), "add", 1),
    ],
)
def test_the_constant_weights_are_those_of_a_decision_without_a_gate(shared, blend, exponent):
    experts = Copies(count=2) if isinstance(shared, Copies) else Lora(ranks=(1, 2))
    mixture = Mixture(
        experts=experts, gate=None, shared=shared, blend=blend, weight_exponent=exponent
    )
    logits = torch.zeros(1, mixture.num_experts)
    made = mixture.decide(logits)
    assert mixture.constant_weights == tuple(made.combine_weights[0].tolist())
    again, results = decide_once(2, mixture.constant_weights, logits.device)
    for got, want in zip(results["decision"], made, strict=True):
        assert torch.equal(got, want)
    assert torch.equal(again, logits)
    assert Mixture(experts=experts).constant_weights is None

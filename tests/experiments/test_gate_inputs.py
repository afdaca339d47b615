"""Cosines and shares of variance of a few vectors; the measurement needs the embedded model."""

import json
from math import sqrt

import pytest
import torch

from experiments.gate_inputs import SPANS, describe
from experiments.habits import QUESTIONS, RESULTS


def test_two_drawings_with_two_questions() -> None:
    # Drawing 0 is (1, 0) whatever is asked, drawing 1 is (0, 1): same drawing cosine 1, other
    # drawing 0, and no variance between tasks.
    same = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
    assert describe(same) == {
        "cosine_other_question": 1.0, "cosine_other_drawing": 0.0,
        "variance_between_tasks": 0.0, "variance_between_drawings": 1.0,
    }  # fmt: skip
    # Question 1 turns both drawings by 45 degrees.
    half = sqrt(0.5)
    turned = torch.tensor([[[1.0, 0.0], [half, half]], [[0.0, 1.0], [-half, half]]])
    assert describe(turned)["cosine_other_question"] == pytest.approx(half)


def test_the_committed_result_has_all_spans_of_these_tasks() -> None:
    facts = json.loads((RESULTS / "gate-inputs.json").read_text())
    assert tuple(facts["spans"]) == SPANS and facts["questions"] == QUESTIONS

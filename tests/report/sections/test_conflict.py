"""The section reads what `coterie diagnose` writes."""

import re

import pytest

from coterie.report.build import make_environment
from coterie.report.context import ReportContext
from coterie.report.sections.conflict import ConflictMap, parse_measurement
from tests.diagnose.test_conflict import conflict


def test_the_file_of_a_diagnosis_is_read() -> None:
    [found] = parse_measurement("Before", conflict(-0.2, low=-0.3, high=-0.1, within=0.45).dump())
    assert found["tasks"] == ["ocr", "naming"] and found["summary"]
    assert found["cosines"][0, 1].item() == pytest.approx(-0.2)
    # Two halves of a task agree at 0.45, both tasks'.
    assert found["cosines"].diagonal().tolist() == pytest.approx([0.45, 0.45])


def test_the_map_has_the_cosine_of_the_summary() -> None:
    data = conflict(-0.2, low=-0.3, high=-0.1, within=0.45).dump()
    # Another mean over groups than over all layers at once.
    [found] = parse_measurement("Before", data | {"cosine": [[[1.0, 0.7], [0.7, 1.0]]]})
    assert found["cosines"][0, 1].item() == pytest.approx(-0.2) and "-0.20" in found["summary"]
    # An older file has the groups alone.
    [found] = parse_measurement("Before", {key: data[key] for key in ("tasks", "cosine")})
    assert found["cosines"][0, 1].item() == pytest.approx(-0.2)


def test_transfer_is_in_percent() -> None:
    data = conflict(-0.2, low=-0.3, high=-0.1, within=0.45).dump()
    [found] = parse_measurement("Before", data | {"transfer": [[-0.02, 0.004], [0.0, -0.02]]})
    assert found["transfer"].flatten().tolist() == pytest.approx([-2, 0.4, 0, -2])


def test_a_loss_that_falls_is_blue_and_a_cosine_below_zero_is_orange() -> None:
    # Blue, "pos", is what helps: a change of the loss below 0, and a cosine above it.
    page = make_environment([ConflictMap()])
    data = conflict(-0.2, low=-0.3, high=-0.1, within=0.45).dump()
    data |= {"transfer": [[-0.02, 0.004], [0.004, -0.02]]}
    shown = [*parse_measurement("Before", data)]
    text = page.get_template("conflict.html").render(measurements=shown, missing=[])
    parts = text.split("after one step on the row")  # the caption stands twice
    cosines, _, transfer = (re.findall(r'<td class="(neg|pos)', part) for part in parts)
    assert cosines[:4] == ["pos", "neg", "neg", "pos"]
    assert transfer[:4] == ["pos", "neg", "neg", "pos"]


def test_the_first_screen_counts_pairs_that_surely_conflict() -> None:
    # Noise around 0 is as often below as above; only an interval below 0 counts.
    measured = [
        *parse_measurement("Before training", conflict(-0.2, low=-0.3, high=0.1).dump()),
        *parse_measurement("After training: a", conflict(-0.2, low=-0.3, high=-0.1).dump()),
    ]
    context = ReportContext(systems=(), conflict_before=None, command=None)
    (said,) = ConflictMap().summarize(context, {"measurements": measured})
    assert said == (
        "Pairs of tasks whose gradients surely point against each other: before training 0 of 1; "
        "after training: a 1 of 1."
    )

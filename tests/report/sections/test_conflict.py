"""The section reads what `coterie diagnose` writes."""

import pytest

from coterie.report.sections.conflict import parse_measurement
from tests.diagnose.test_conflict import conflict


def test_the_file_of_a_diagnosis_is_read() -> None:
    [found] = parse_measurement("Before", conflict(-0.2, low=-0.3, high=-0.1, within=0.45).dump())
    assert found["tasks"] == ["ocr", "naming"] and found["summary"]
    assert found["mean"][0, 1].item() == pytest.approx(-0.2)
    # The mean over tasks, which both have 0.45.
    assert found["noise"] == pytest.approx(0.45)

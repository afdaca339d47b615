"""Names of class labels, as their features describe them."""

import pytest

from coterie.data.dataset import RowError
from coterie.data.sources.class_labels import find_label_features, name_labels

LABEL = {"names": ["cat", "dog"], "_type": "ClassLabel"}


@pytest.mark.parametrize(
    "feature, value, expected",
    [
        (LABEL, 1, "dog"),
        (LABEL, -1, None),
        (LABEL, "dog", "dog"),
        ({"feature": LABEL, "_type": "Sequence"}, [0, 1], ["cat", "dog"]),
        ({"feature": LABEL, "_type": "List"}, [0], ["cat"]),
        ([LABEL], [1], ["dog"]),
        ({"a": LABEL, "b": {"dtype": "int32", "_type": "Value"}}, {"a": 0, "b": 0},
         {"a": "cat", "b": 0}),
        ({"feature": {"a": LABEL}, "_type": "Sequence"}, {"a": [0, 1]}, {"a": ["cat", "dog"]}),
        ({"feature": {"a": LABEL}, "_type": "List"}, [{"a": 1}], [{"a": "dog"}]),
        ({"num_classes": 2, "_type": "ClassLabel"}, 1, 1),
    ],
)  # fmt: skip
def test_labels_at_any_depth(feature, value, expected) -> None:
    assert name_labels(value, feature, "x") == expected


def test_a_label_without_a_name() -> None:
    with pytest.raises(RowError, match=r"x\[1\]: is the class label 2, of 2 names: .*0 to 1"):
        name_labels([0, 2], {"feature": LABEL, "_type": "Sequence"}, "x")


@pytest.mark.parametrize("features", [None, [], 3, {"a": None}, {"a": {"_type": "ClassLabel"}}])
def test_metadata_of_other_writers(features) -> None:
    assert find_label_features(features) == {}

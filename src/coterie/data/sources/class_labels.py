"""Names of class labels, which the datasets library stores as numbers."""

from collections.abc import Mapping
from typing import Any

from coterie.data.dataset import RowError


def find_label_features(features: Any) -> dict[str, Any]:
    """Return column -> its feature, of the columns with class labels in them.

    `features` is what `datasets.Features.to_dict` gives, and Parquet files have as JSON.
    """
    if not isinstance(features, Mapping):
        return {}
    return {name: each for name, each in features.items() if has_labels(each)}


def has_labels(feature: Any) -> bool:
    """Return whether a feature is, or has in it, a class label with names."""
    if isinstance(feature, list):
        return any(map(has_labels, feature))
    if not isinstance(feature, Mapping):
        return False
    if feature.get("_type") == "ClassLabel":
        return isinstance(feature.get("names"), list)
    return any(map(has_labels, feature.values()))


def name_labels(value: Any, feature: Any, field: str) -> Any:
    """Return a value with names in place of class labels, in lists and objects too.

    -1, for a label that is not known, becomes None. Raises RowError for a number without a name.
    """
    if value is None or not has_labels(feature):
        return value
    if isinstance(feature, list):  # [feature] for a list of it, in older versions
        return name_labels(value, {"feature": feature[0]}, field)
    if feature.get("_type") == "ClassLabel":
        return get_label_name(value, feature["names"], field)
    if isinstance(value, list):
        inner = feature.get("feature", feature)
        return [name_labels(item, inner, f"{field}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, dict):
        # A sequence of objects is stored as an object of lists.
        inner = feature.get("feature", feature)
        return {
            key: name_labels(item, list_of(inner.get(key), item), f"{field}.{key}")
            for key, item in value.items()
        }
    return value


def list_of(feature: Any, value: Any) -> Any:
    """Return the feature of a value, which is a list of such in a sequence of objects."""
    is_plain = isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel"
    return {"feature": feature} if is_plain and isinstance(value, list) else feature


def get_label_name(value: Any, names: list[Any], field: str) -> Any:
    if not isinstance(value, int) or value == -1:
        return value if value != -1 else None
    if not 0 <= value < len(names):
        problem = f"is the class label {value}, of {len(names)} names"
        raise RowError(field, f"{problem}: it must be 0 to {len(names) - 1}")
    return names[value]

"""Files of published data sets: JSON and CSV, and the fields of their records."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from coterie.data.dataset import RowError
from coterie.data.row_formats.fields import check_text, format_value


def read_json_file(path: Path) -> Any:
    """Read a JSON file. Raises ValueError, naming the file, if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: byte {error.start} is wrong") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None


def read_json_list(path: Path, key: str = "") -> list[Any]:
    """Read a JSON file with a list, or with an object that has one under `key`."""
    data = read_json_file(path)
    if key and isinstance(data, dict):
        data = data.get(key)
    if not isinstance(data, list):
        wanted = f'an object with a list under "{key}"' if key else "a list"
        raise ValueError(f"{path} holds {format_value(data)}: {wanted} is needed")
    return data


def list_json_records(path: Path, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield file with position, and item, of a JSON file's list."""
    for index, item in enumerate(read_json_list(path, key)):
        yield f"{path.name}[{index}]", item


def read_table(path: Path, delimiter: str = ",") -> Iterator[tuple[str, list[str]]]:
    """Yield file with line, and cells, of the rows of a CSV file. Raises ValueError if damaged."""
    limit = csv.field_size_limit(2**30)  # images in base64 are longer than the default
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            for cells in reader:
                if cells:
                    yield f"{path.name}:{reader.line_num}", cells
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no table in UTF-8: {error}") from None
    finally:
        csv.field_size_limit(limit)


def get_object(record: Any) -> dict[str, Any]:
    """Return a record that is a JSON object. Raises RowError for another."""
    if not isinstance(record, dict):
        raise RowError("row", f"is {format_value(record)}: give an object")
    return record


def get_text(record: dict[str, Any], field: str) -> str:
    """Return a field that is text and not empty. Raises RowError for another."""
    if field not in record:
        raise RowError(field, f"is missing: the keys are {format_value(', '.join(record))}")
    check_text(record[field], field)
    return record[field]


def get_one_of(record: dict[str, Any], field: str, allowed: Sequence[str]) -> str:
    """Return a field that is one of the allowed texts. Raises RowError for another."""
    value = get_text(record, field)
    if value not in allowed:
        raise RowError(field, f"is {format_value(value)}: give {', '.join(allowed)}")
    return value


def get_texts(record: dict[str, Any], field: str) -> list[str]:
    """Return a field that is a list of texts, at least one. Raises RowError for another."""
    items = record.get(field)
    if not (isinstance(items, list) and items):
        raise RowError(field, f"is {format_value(items)}: give a list of texts")
    for index, item in enumerate(items):
        check_text(item, f"{field}[{index}]")
    return items


def get_question(record: dict[str, Any]) -> dict[str, Any]:
    """Return the question of a record and its answers, at least one, as columns of a row."""
    return {"question": get_text(record, "question"), "answer": get_texts(record, "answers")}


def parse_amount(text: str, field: str) -> float:
    """Parse a finite number, at least 0. Raises RowError for another."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise RowError(field, f"is {format_value(text)}: give a number, at least 0")
    return value


def locate(folder: str | Path, *parts: str) -> str:
    """Return the absolute path of a file in a folder, which need not exist yet."""
    return str(Path(folder, *parts).expanduser().absolute())

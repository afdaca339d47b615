"""Results as Markdown: `python -m benchmarks.table` writes them into docs/performance.md."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "performance.md"
DEVICES = ("cpu", "cuda")
PROFILED = {"operators": "operators", "launches": "launches", "kernel_ms": "kernels, ms"}
MARKED = re.compile(r"(<!-- table:(\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def as_table(record: dict[str, Any]) -> str:
    """Return the provenance, the targets, and a line for each case and form."""
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    commit = f"{record['commit'] or 'no commit'}{' with changes' if record['dirty'] else ''}"
    head = (
        f"{record['benchmark']} ({record['scale']}) on {record['hardware']}, {record['threads']} "
        f"thread(s), {record['date']}, commit {commit}, seed {record['seed']}; {versions}; "
        f"malloc {'set' if record['malloc'] else 'as it comes'}."
    )
    if not record["multiplies_bf16"]:
        head += " This machine has no bfloat16 products; bf16, where it stands, is emulated."
    return "\n\n".join([head, _targets(record["targets"]), _rows(record["rows"])])


def _targets(targets: list[dict[str, Any]]) -> str:
    lines = ["| target | at most | measured | |", "|---|---|---|---|"]
    for each in targets:
        measured = "-" if each["measured"] is None else f"{each['measured']:.2f}"
        lines.append(f"| {each['what']} | {each['limit']:.2f} | {measured} | {each['verdict']} |")
    return "\n".join(lines)


def _rows(rows: list[dict[str, Any]]) -> str:
    bases = list(dict.fromkeys(base for row in rows for base in row["step"]))
    infers = any(row["forward"] for row in rows)
    sends = any("sent_mib" in row["facts"] for row in rows)
    heads = ["case", "form", "step, ms", *(f"step / {base}" for base in bases)]
    heads += [f"forward / {base}" for base in bases if infers]
    heads.append("sent by a process, MiB" if sends else "saved, MiB")
    profiled = [fact for fact in PROFILED if any(fact in row["facts"] for row in rows)]
    heads += [PROFILED[fact] for fact in profiled]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for row in rows:
        ratios = [_ratio(row["step"].get(base)) for base in bases]
        ratios += [_ratio(row["forward"].get(base)) for base in bases if infers]
        digits = 1 if row["step_ms"] >= 10 else 3
        cells = [row["case"], row["form"], f"{row['step_ms']:.{digits}f}", *ratios]
        size = row["facts"]["sent_mib"] if sends else row["saved_mib"]
        cells += [f"{size:.1f}", *(f"{row['facts'].get(fact, 0):.4g}" for fact in profiled)]
        lines.append(_line(cells))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ratio(ratio: dict[str, float] | None) -> str:
    if ratio is None:
        return "-"
    return f"{ratio['median']:.2f} ({ratio['lower']:.2f}-{ratio['upper']:.2f})"


def rendered(page: str, results: Path) -> str:
    """Return `page` with the text between its markers replaced from the files in `results`."""

    def section(match: re.Match[str]) -> str:
        parts = []
        for device in DEVICES:
            path = results / f"{match[2]}-{device}.json"
            parts.append(
                as_table(json.loads(path.read_text()))
                if path.exists()
                else f"{device}: unmeasured."
            )
        return match[1] + "\n" + "\n\n".join(parts) + "\n\n" + match[3]

    return MARKED.sub(section, page)


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(), RESULTS))

"""What each system costs: parameters, arithmetic, memory, time, as `evaluate`'s table has it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from coterie.report.context import ReportContext
from coterie.report.formatting import (
    MISSING,
    choose_decimals,
    format_count,
    format_duration,
    format_fixed,
    format_number,
    format_size,
)
from coterie.report.section import Section

COLUMNS = {
    "trainable_parameters": ("Trainable parameters", format_count),
    "active_parameters": ("Active a sample", format_count),
    "total_parameters": ("Total parameters", format_count),
    "flops_per_sample": ("FLOPs a sample", format_count),
    "peak_memory_bytes": ("Peak memory", format_size),
    "train_time_s": ("Training time", format_duration),
    "samples_per_s": ("Trained samples/s", format_number),
    "generate_samples_per_s": ("Answers/s", format_number),
}
"""Key of `SystemRow.cost` -> the title of its column, and how a number is written."""

SPEEDS = ("samples_per_s", "generate_samples_per_s")
"""Columns whose numbers have equally many decimals."""


class Cost(Section):
    """A table of costs, a line for each system of which some cost is known."""

    title = "Cost"
    order = 50

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        lines = []
        digits = {
            key: choose_decimals(row.cost.get(key) for row, _ in context.columns) for key in SPEEDS
        }
        for row, system in context.columns:
            texts = [
                format_fixed(row.cost.get(key), digits[key]) if key in digits
                else write(row.cost.get(key))
                for key, (_, write) in COLUMNS.items()
            ]  # fmt: skip
            if not row.control and any(text != MISSING for text in texts):
                seeds = Counter(str(run.raw_config.get("seed")) for run in system.runs)
                models_per_seed = max(seeds.values())
                lines.append((system, models_per_seed, texts))
        titles = [title for title, _ in COLUMNS.values()]
        return {"costs": lines, "titles": titles, "command": context.evaluate_command}

"""What each system costs: parameters, arithmetic, memory, time, as `evaluate`'s table has it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from coterie.report.formatting import (
    MISSING,
    format_count,
    format_duration,
    format_number,
    format_size,
)
from coterie.report.section import ReportContext, Section

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


class Cost(Section):
    """A table of costs, a line for each system of which some cost is known."""

    title = "Cost"
    order = 50

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        lines = []
        for row, system in context.columns:
            texts = [write(row.cost.get(key)) for key, (_, write) in COLUMNS.items()]
            if not row.control and any(text != MISSING for text in texts):
                seeds = Counter(str(run.raw_config.get("seed")) for run in system.runs)
                models_per_seed = max(seeds.values())
                lines.append((system, models_per_seed, texts))
        return {"costs": lines, "titles": [title for title, _ in COLUMNS.values()]}

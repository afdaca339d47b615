"""`report`: read runs, and write the page of the sections' jinja2 templates, escaping on."""

import base64
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from coterie.evaluate.table import Table
from coterie.io import write
from coterie.optional_imports import import_optional
from coterie.report import formatting, heatmap
from coterie.report.context import ReportContext
from coterie.report.correctness import describe_metric
from coterie.report.section import Section, find_sections
from coterie.report.sections.conflict import parse_measurement
from coterie.report.sections.forgetting import parse_sequences
from coterie.report.sections.scores import compare_to_baseline
from coterie.report.systems import group_systems
from coterie.train.run_directory import RunDirectory

REPORT_FILE = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
SCRIPT = (
    'addEventListener("beforeprint",()=>'
    'document.querySelectorAll("details").forEach(d=>d.open=true))'
)
"""The page's only script: it opens what is folded, for printing."""
COLOURS, MARKS = 7, 6
"""CSS classes of colours, and ids of symbols: systems differ by more than their colour."""
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class WrittenReport(NamedTuple):
    """A page that was written, with its sentences, the most important first."""

    path: Path
    summary: list[str]
    unscored: list[str]
    """Systems without scores."""


def report(
    runs: Any,
    *,
    out: str | Path,
    title: str | None = None,
    conflict: Any = None,
    forgetting: Any = None,
    command: str | None = None,
    media_roots: Sequence[str | Path] = (),
) -> Path:
    """Write one self-contained HTML page about one run or several systems; return the file.

    The page needs no network and no scripts. It shows what the runs' folders hold; for what is
    missing it has a line with the command that writes it.

    Args:
        runs: a run or its folder; or a mapping from the name of a system to its runs: several
            seeds, or one run for each task. At most 12 systems. The baseline is the first system
            whose recipe has the role "baseline", else the first system.
        out: the file to write, or a folder, for report.html in it.
        title: the page's title; None for the systems' names.
        conflict: the measurement before training: what `coterie.diagnose` returned, its dump, or
            the file it was saved to.
        forgetting: tasks that were learned in sequence: what `coterie.measure_forgetting`
            returned, its dump, or the JSON file it was saved to.
        command: the command line that wrote the page, shown as it is.
        media_roots: folders with pictures and sounds of the rows that lie outside of the folders
            of the rows' files. Others are named, not shown: a run may come from someone else, and
            its rows may name any file of this machine.

    Raises ValueError for no runs, a folder that is not a run, and a `conflict` or `forgetting`
    that is not there.
    """
    written = write_report(
        runs, out=out, title=title, conflict=conflict, forgetting=forgetting, command=command,
        media_roots=media_roots,
    )  # fmt: skip
    return written.path


def write_report(
    runs: Any,
    *,
    out: str | Path,
    title: str | None = None,
    conflict: Any = None,
    forgetting: Any = None,
    command: str | None = None,
    media_roots: Sequence[str | Path] = (),
) -> WrittenReport:
    """Write a page as `report` does, and return its sentences, too."""
    context = ReportContext(
        systems=group_systems(runs), command=command,
        conflict_before=load_measurement(
            "conflict", conflict, "`coterie diagnose`", partial(parse_measurement, "")
        ),
        forgetting=load_measurement(
            "forgetting", forgetting, "`coterie compare --sequence --to`", parse_sequences
        ),
        media_roots=tuple(Path(each).expanduser() for each in media_roots),
    )  # fmt: skip
    out = Path(out).expanduser()
    file = out / REPORT_FILE if out.is_dir() else out
    text, summary = render(context, title or name_systems(context))
    unscored = [each.name for each in context.systems if not any(run.metrics for run in each.runs)]
    return WrittenReport(write(file, text), summary, unscored)


def render_runs(runs: Any) -> str:
    """Return the page on runs, as `report` writes it, without a file."""
    context = ReportContext(systems=group_systems(runs), conflict_before=None, command=None)
    return render(context, name_systems(context))[0]


def name_systems(context: ReportContext) -> str:
    """Return the title of a page that was given none."""
    return " vs. ".join(each.name for each in context.systems)


def summarize(runs: Any) -> str:
    """Return the first sentence of a report on runs: the one that matters; see `report`."""
    context = ReportContext(systems=group_systems(runs), conflict_before=None, command=None)
    for section in find_sections():
        for sentence in section.summarize(context, section.build(context)):
            return sentence
    return ""


def summarize_table(table: Table) -> str:
    """Return the sentence on the best system of a table against its baseline; "" without one."""
    rows = [row for row in table.rows if row.difference and not row.control]
    known = [row for row in rows if row.system != table.baseline and row.delta_m is not None]
    best = max(known, key=lambda row: row.delta_m.value if row.delta_m else 0.0, default=None)
    return "" if best is None else next(compare_to_baseline(table, best))


def load_measurement(
    name: str,
    given: Any,
    source: str,
    parse: Callable[[Mapping[str, Any]], Iterable[Mapping[str, Any]]],
) -> Mapping[str, Any] | None:
    """Return a measurement as its file holds it; `name` and `source` are for the message.

    Raises ValueError for a file in which `parse` finds none, such as one of another kind.
    """
    if given is None or isinstance(given, Mapping):
        return given
    if not isinstance(given, str | os.PathLike):
        return given.dump()
    file = Path(given).expanduser()
    data = RunDirectory(file.parent).try_read_mapping(file)
    if not any(True for _ in parse(data or {})):
        raise ValueError(
            f"{name}={str(given)!r} holds no measurement: give the file that {source} wrote, or "
            "leave it out"
        )
    return data


def render(context: ReportContext, title: str) -> tuple[str, list[str]]:
    """Render the page; return it and its sentences. ValueError if jinja2 is not installed."""
    sections = find_sections()
    environment = make_environment(sections)
    summary: list[str] = []
    shown_sections, bodies, box = [], [], []
    for section in sections:
        values = section.build(context)
        summary += section.summarize(context, values)
        box += values.get("box", ())
        template = environment.get_template(f"{section.name}.html")
        shown = {"context": context, "systems": context.systems} | dict(values)
        if body := template.render(shown).strip():
            bodies.append(body)
            shown_sections.append(section)
    page = environment.get_template("page.html").render(
        title=title,
        box=box,
        summary=summary,
        sections=shown_sections,
        bodies=bodies,
        script=SCRIPT,
        # By it the content security policy allows this script and no other.
        script_hash=base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode("ascii"),
    )
    return page, summary


def make_environment(sections: list[Section]) -> Any:
    """Make the jinja2 environment of the page's and the sections' templates."""
    from coterie.report import sections as package

    jinja2 = import_optional("jinja2", "report")
    inline = {f"{each.name}.html": each.template for each in sections if each.template}
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.DictLoader(inline), jinja2.FileSystemLoader([TEMPLATES, *package.__path__])]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=strip_control_characters,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": formatting.format_number,
        "decimals": formatting.format_decimals,
        "signed": formatting.format_signed,
        "interval": formatting.format_interval,
        "count": formatting.format_count,
        "colour": lambda system: f"c{system.index % COLOURS}",
        "mark": lambda system: f"m{system.index % MARKS}",
        "metric": describe_metric,
        "shorten": formatting.truncate,
        "breakable": allow_breaks,
        "largest": heatmap.compute_largest,
        "tint": heatmap.compute_strength,
        "png": heatmap.render_png_uri,
        "polyline": formatting.format_points,
    }
    environment.globals["draw"] = environment.get_template("macros.html").module
    return environment


def strip_control_characters(value: Any) -> Any:
    """Replace what HTML cannot hold: control characters and halves of surrogate pairs."""
    if type(value) is not str:
        return value
    return UNPRINTABLE.sub("\ufffd", value)


def allow_breaks(text: str) -> Any:
    """Allow line breaks after underscores: names are long and cells narrow."""
    from markupsafe import Markup, escape

    return escape(strip_control_characters(text)).replace("_", Markup("_<wbr>"))

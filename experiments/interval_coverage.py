"""Measure the coverage of 95 % intervals: `python -m experiments.interval_coverage`.

Two systems answer samples of TASKS tasks. The logit of a right answer is the sample's own (normal,
the same for both systems and all seeds), plus the system's, plus the seed's (normal, the same for
all tasks of a run); right or wrong is then sampled for each seed. The true values are means over
all samples and seeds. A single seed, where seeds differ, gives no information on other seeds: there
the true value is that run's own, over all samples, and coverage of the mean over seeds is reported
in addition. The result is benchmarks/results/interval-coverage.json.
"""

import argparse
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.provenance import provenance
from coterie.evaluate.estimates import RESAMPLES, Estimates, resample_sums
from coterie.evaluate.intervals import BootstrapSamples, Interval

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "interval-coverage.json"
SEED = 0
TASKS = 4
WORLDS = 500
AT_ONCE = 50
"""Worlds that share their resamples, as systems do, which saves time."""
LIMITS = (0.0, 100.0)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A simulated setting.

    Attributes:
        samples: of each task.
        seeds: of the baseline and of the other system.
        seed_sd: standard deviation between seeds, in logits.
        shift: logits by which the other system is better.
        level: logit of the baseline at a sample of middle difficulty.
        sample_sd: standard deviation between samples, in logits.
    """

    samples: int
    seeds: tuple[int, int]
    seed_sd: float
    shift: float
    level: float = 0.0
    sample_sd: float = 1.5


def asked() -> Iterator[Setting]:
    """Yield the grid over samples, seeds, spread of seeds, and equal and different systems."""
    for samples, seeds, seed_sd, shift in itertools.product(
        (40, 75, 200), (1, 3, 5, 10), (0.0, 0.3), (0.0, 0.5)
    ):
        yield Setting(samples=samples, seeds=(seeds, seeds), seed_sd=seed_sd, shift=shift)


def beyond() -> Iterator[Setting]:
    """Yield further settings: two or unequal seeds, other spreads, very easy or hard samples."""
    for samples, seed_sd in itertools.product((40, 200), (0.0, 0.3)):
        yield Setting(samples=samples, seeds=(2, 2), seed_sd=seed_sd, shift=0.0)
        yield Setting(samples=samples, seeds=(3, 5), seed_sd=seed_sd, shift=0.5)
        yield Setting(samples=samples, seeds=(1, 3), seed_sd=0.0, shift=0.5)
        yield Setting(samples=samples, seeds=(3, 3), seed_sd=seed_sd, shift=0.0, sample_sd=4.0)
        yield Setting(samples=samples, seeds=(3, 3), seed_sd=seed_sd, shift=0.5, level=-2.5)
        yield Setting(samples=samples, seeds=(3, 3), seed_sd=seed_sd, shift=0.5, level=3.5)
    for samples, seed_sd in itertools.product((40, 200), (0.15, 0.6)):
        yield Setting(samples=samples, seeds=(3, 3), seed_sd=seed_sd, shift=0.0)


def simulate(setting: Setting, *, worlds: int, resamples: int, seed: int) -> dict:
    """Return coverage and width of the intervals of scores, differences and delta_m.

    Coverage is the share of worlds whose intervals contain the true value, the mean over tasks.
    `width` is the median, in multiples of that of 1.96 true standard errors.
    """
    random = np.random.default_rng((seed, setting.samples, *setting.seeds))
    held: dict[str, list] = {"score": [], "difference": [], "delta_m": []}
    for start in range(0, worlds, AT_ONCE):
        count = min(AT_ONCE, worlds - start)
        right, own = _answers(setting, count, random)
        for estimates, truth in zip(
            _estimates(right, resamples, (seed, start)), _truths(setting, own), strict=True
        ):
            for what, found in _intervals(estimates).items():
                held[what].append((found, truth[what]))
    single = 1 in setting.seeds and setting.seed_sd > 0
    over_seeds = next(iter(_truths(setting, None)))
    found = {}
    for what, each in held.items():
        ends = np.array([cells for cells, _ in each])  # worlds, cells, (value, low, high)
        truth = np.array([value for _, value in each])[:, None]
        found[what] = {
            "coverage": _coverage(ends, truth),
            "width": float(
                np.median(ends[..., 2] - ends[..., 1])
                / (2 * 1.959964 * (ends[..., 0] - truth).std())
            ),
        }
        if single:
            found[what]["coverage_of_mean_over_seeds"] = _coverage(ends, over_seeds[what])
    return found


def _coverage(ends: np.ndarray, truth: np.ndarray | float) -> float:
    inside = (ends[..., 1] - 1e-9 <= truth) & (truth <= ends[..., 2] + 1e-9)
    return float(inside.mean())


def _answers(
    setting: Setting, worlds: int, random: np.random.Generator
) -> tuple[list[np.ndarray], np.ndarray]:
    """Sample systems' right answers: worlds, tasks, seeds, samples; and first seeds' logits."""
    difficulty = setting.sample_sd * random.standard_normal((worlds, TASKS, 1, setting.samples))
    right, own = [], []
    for seeds, shift in zip(setting.seeds, (0.0, setting.shift), strict=True):
        effects = setting.seed_sd * random.standard_normal((worlds, 1, seeds, 1))
        share = _logistic(difficulty + effects + setting.level + shift)
        right.append((random.random(share.shape) < share).astype(np.float64))
        own.append(effects[:, 0, 0, 0])
    return right, np.stack(own, axis=1)


def _estimates(
    right: list[np.ndarray], resamples: int, seed: tuple[int, ...]
) -> Iterator[Estimates]:
    """Yield each world's estimates, by the estimator that `coterie.compare` uses."""
    samples = right[0].shape[-1]
    drawn = [np.empty((*each.shape[:3], resamples)) for each in right]
    for task in range(TASKS):
        columns = [each[:, task].reshape(-1, samples).T for each in right]
        sums = resample_sums(columns, resamples=resamples, seed=(*seed, task))
        for found, each in zip(drawn, sums, strict=True):
            found[:, task] = 100 * each.T.reshape(*found[:, task].shape) / samples
    for world in range(len(right[0])):
        systems = [
            BootstrapSamples(
                values=100 * answers[world].mean(-1).T,
                draws=draws[world].transpose(1, 2, 0),
                samples=(samples,) * TASKS,
                limits=(LIMITS,) * TASKS,
            )
            for answers, draws in zip(right, drawn, strict=True)
        ]
        yield Estimates(systems=systems, higher_is_better=[True] * TASKS, seed=world)


def _intervals(estimates: Estimates) -> dict[str, list[Interval]]:
    return {
        "score": [estimates.score(1, task) for task in range(TASKS)],
        "difference": [estimates.difference(1, 0, task).interval for task in range(TASKS)],
        "delta_m": [estimates.delta_m(1).interval],
    }


def _truths(setting: Setting, own: np.ndarray | None) -> Iterator[dict[str, float]]:
    """Yield the true values of each world; without `own`, once, those over all seeds."""
    points, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    single = own is not None and 1 in setting.seeds
    for effects in own if own is not None else np.zeros((1, 2)):
        scores = []
        for seeds, shift, effect in zip(setting.seeds, (0.0, setting.shift), effects, strict=True):
            known = single and seeds == 1
            spread = setting.sample_sd if known else np.hypot(setting.sample_sd, setting.seed_sd)
            logits = spread * points + setting.level + shift + (effect if known else 0.0)
            scores.append(100 * float(weights @ _logistic(logits)))
        base, other = scores
        yield {"score": other, "difference": other - base, "delta_m": 100 * (other - base) / base}


def _logistic(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def line(setting: Setting, found: dict) -> str:
    """Return a row of the printed table."""
    cells = [f"{setting.samples:>4} {setting.seeds!s:>8} {setting.seed_sd:>5} {setting.shift:>4}"]
    cells.append(f"{setting.level:>5} {setting.sample_sd:>4}")
    for each in found.values():
        text = f"{100 * each['coverage']:5.1f} {each['width']:5.2f}"
        if "coverage_of_mean_over_seeds" in each:
            text += f" ({100 * each['coverage_of_mean_over_seeds']:.1f})"
        cells.append(text)
    return " | ".join(cells)


def markdown(facts: dict) -> str:
    """Return least and greatest coverage by seeds and their spread, of the settings in `asked`."""
    lines = ["| seeds | spread of seeds, logits | score | difference | delta_m |",
             "|--:|--:|--:|--:|--:|"]  # fmt: skip
    groups: dict[tuple[int, float], list[dict]] = {}
    for row in facts["asked"]:
        groups.setdefault((row["seeds"][0], row["seed_sd"]), []).append(row)
    for (seeds, spread), rows in sorted(groups.items()):
        cells = []
        for what in ("score", "difference", "delta_m"):
            shares = [100 * row[what]["coverage"] for row in rows]
            cells.append(f"{min(shares):.1f} to {max(shares):.1f}")
        lines.append(f"| {seeds} | {spread} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Simulate every setting, print a table, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=WORLDS)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    facts = provenance(torch.device("cpu"))
    facts["versions"] = {**facts["versions"], "numpy": np.__version__}  # type: ignore[dict-item]
    print("   n    seeds    sd shift | level  sd | score: coverage, width | difference | delta_m")
    rows = {"asked": [], "beyond": []}
    for name, settings in (("asked", asked()), ("beyond", beyond())):
        for setting in settings:
            found = simulate(setting, worlds=arguments.worlds, resamples=RESAMPLES, seed=SEED)
            print(line(setting, found), flush=True)
            rows[name].append(asdict(setting) | found)
    facts |= {"seed": SEED, "worlds": arguments.worlds, "tasks": TASKS,
              "resamples": RESAMPLES, **rows}  # fmt: skip
    arguments.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()

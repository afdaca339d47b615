"""`Metrics`: what a server counted, in Prometheus' text format."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the buckets of durations."""


class Histogram:
    """Counts of durations, and their sum."""

    def __init__(self) -> None:
        self.counts, self.total_s = [0] * (len(SECONDS) + 1), 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total_s += seconds


class Metrics:
    """Counters that any thread may add to.

    Args:
        gauges: name -> a function that returns its value now.
    """

    def __init__(self, gauges: Mapping[str, Callable[[], float]]) -> None:
        self.gauges = gauges
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.tokens: Counter[str] = Counter()
        self.first_token, self.request = Histogram(), Histogram()
        self.lock = threading.Lock()

    def count_request(self, path: str, model: str, status: int, seconds: float) -> None:
        """Count a request that has ended; of 499, the client left."""
        with self.lock:
            self.requests[path, model, status] += 1
            self.request.add(seconds)

    def count_tokens(self, kind: str, count: int) -> None:
        """Count tokens of a "prompt" or a "completion"."""
        with self.lock:
            self.tokens[kind] += count

    def add_first_token(self, seconds: float) -> None:
        """Count the time from a request to its first token."""
        with self.lock:
            self.first_token.add(seconds)

    def render(self) -> str:
        """Return the page that Prometheus reads."""
        with self.lock:
            lines = ["# TYPE coterie_requests_total counter"]
            for (path, model, status), count in sorted(self.requests.items()):
                labels = f'path="{path}",model="{model}",status="{status}"'
                lines.append(f"coterie_requests_total{{{labels}}} {count}")
            lines.append("# TYPE coterie_tokens_total counter")
            for kind in ("prompt", "completion"):
                lines.append(f'coterie_tokens_total{{kind="{kind}"}} {self.tokens[kind]}')
            lines += _render("coterie_first_token_seconds", self.first_token)
            lines += _render("coterie_request_seconds", self.request)
        for name, measure in self.gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name} {measure():g}"]
        return "\n".join(lines) + "\n"


def _render(name: str, histogram: Histogram) -> list[str]:
    lines, below = [f"# TYPE {name} histogram"], 0
    for bound, count in zip((*map(str, SECONDS), "+Inf"), histogram.counts, strict=True):
        below += count
        lines.append(f'{name}_bucket{{le="{bound}"}} {below}')
    return [*lines, f"{name}_sum {histogram.total_s:g}", f"{name}_count {below}"]

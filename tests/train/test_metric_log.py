"""Lines of the log: cut where a run goes on, null where there is no number, sums by task."""

import json
import math

from coterie.train.metric_log import (
    LOG_FILE,
    MetricLog,
    flatten_for_trackers,
    read_log,
)


def test_a_resumed_log_ends_at_the_checkpoint(tmp_path):
    journal = MetricLog(tmp_path, step=0, time_s=5.0)
    for step in (1, 2, 3):
        journal.write({"step": step, "loss": math.nan if step == 2 else 0.1})
    with (tmp_path / LOG_FILE).open("a") as file:
        file.write('{"step": 4, "lo')  # killed here
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3]
    assert MetricLog(tmp_path, step=2, time_s=0.0).get_time_s() < 5.0 <= journal.get_time_s()
    text = (tmp_path / LOG_FILE).read_text()
    assert [json.loads(line) for line in text.splitlines()] == [
        {"step": 1, "loss": 0.1}, {"step": 2, "loss": None}
    ]  # fmt: skip


def test_integrations_get_numbers_only():
    use = {layer: {"mean_weight": {"a": row}} for layer, row in
           {"one": [0.5, 0.5], "two": [0.0, 1.0]}.items()}  # fmt: skip
    record = {"step": 3, "stage": "x", "loss": 1.0, "task_loss": {"a": 2.0}, "use": use}
    both = {"information": {"one": 0.5, "two": 0.25}}
    assert flatten_for_trackers(both) == {
        "information/mean": 0.375, "information/one": 0.5, "information/two": 0.25
    }  # fmt: skip
    assert flatten_for_trackers(record) == {
        "loss": 1.0, "task_loss/a": 2.0, "use/a/0_of_2": 0.25, "use/a/1_of_2": 0.75
    }  # fmt: skip

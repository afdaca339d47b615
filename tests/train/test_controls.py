from pathlib import Path

from coterie.train.controls import describe_control, make_sensor_control
from coterie.train.run_directory import RunDirectory


def test_controls_of_sensors_are_found_and_described(tmp_path: Path) -> None:
    both = make_sensor_control(("infrared", "depth"))
    assert both == "without-depth+infrared"
    assert describe_control(both) == "without depth and infrared"
    assert describe_control("untrained") == "untrained"
    run = RunDirectory(tmp_path)
    for control in ("", both, "blind", make_sensor_control(("depth",))):
        run.scores_file(control).write_text("{}")
    assert run.list_controls() == ["blind", "without-depth", both]

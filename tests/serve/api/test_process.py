"""`coterie serve` as a process: it says where it is, asks for the key, and ends on SIGTERM."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.api.test_hostile_requests import GOOD, send
from tests.serve.engines import two_tasks


@pytest.mark.skipif(os.name == "nt", reason="has no SIGTERM")
@pytest.mark.slow
def test_a_process_from_its_start_to_its_end(tmp_path: Path) -> None:
    made = two_tasks(tmp_path)
    command = [sys.executable, "-m", "coterie", "serve", str(made.folder), "--port", "0"]
    key = {"COTERIE_API_KEY": "secret"}
    process = subprocess.Popen(
        [*command, "--device", "cpu"], stderr=subprocess.PIPE, text=True, env=os.environ | key
    )
    assert process.stderr is not None
    try:
        lines = iter(process.stderr.readline, "")
        found = next(filter(None, (re.search(r"yes, no at (http://\S+)/v1, ", x) for x in lines)))
        body = json.dumps(GOOD)
        assert send(found[1], body)[0] == 401
        headers = {"Content-Type": "application/json", "Authorization": "Bearer secret"}
        assert send(found[1], body, headers=headers)[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.communicate()

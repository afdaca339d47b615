"""The page in a real browser: no request, no error, nothing wider than a phone."""

import re
import subprocess
from pathlib import Path

import pytest

from coterie.report import report
from tests.browser import BROWSER, WITHOUT
from tests.report import synthetic

PROBE = """<script>
const said = [];
addEventListener("error", e => said.push("ERROR " + e.message));
addEventListener("securitypolicyviolation", e => said.push("REFUSED " + e.blockedURI));
addEventListener("load", () => {
  const root = document.documentElement;
  const held = performance.getEntriesByType("resource").filter(e => !e.name.startsWith("data:"));
  const lost = [...document.images].filter(i => !i.naturalWidth).length;
  said.push("OF " + innerWidth, "OVER " + (root.scrollWidth - root.clientWidth));
  said.push("LOADED " + held.length, "LOST " + lost);
  parent.postMessage(said.join(" "), "*");
});
</script>"""
FRAME = """<!doctype html><title>nothing was said</title>
<script>addEventListener("message", e => document.title = e.data);</script>
<iframe src="probed.html" style="border:0;width:{}px;height:800px"></iframe>"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason=WITHOUT)
@pytest.mark.parametrize("width_px", [360, 1280])
def test_the_page_in_a_browser(tmp_path: Path, width_px: int) -> None:
    assert BROWSER is not None
    kinds = (synthetic.Kind("a_task_whose_name_goes_on_and_on_for_longer_than_any_cell"),)
    runs = synthetic.study(tmp_path, (*synthetic.TASKS, *kinds))
    at = report(runs, out=tmp_path / "page.html", conflict=synthetic.before())
    text = at.read_text(encoding="utf-8")
    # The page's policy lets no script but its own run, so the probe's is let in, for this copy.
    policy = re.compile(r"script-src 'sha256-[^']*'")
    probed = policy.sub("script-src 'unsafe-inline'", text, count=1)
    probed = probed.replace("<title>", PROBE + "<title>", 1)
    (tmp_path / "probed.html").write_text(probed, encoding="utf-8")
    # In a frame, as no window can be as narrow as a phone.
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width_px), encoding="utf-8")
    log = tmp_path / "net.json"
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,900",
            f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={log}",
            "--virtual-time-budget=3000", "--dump-dom", frame.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None
    assert title[1] == f"OF {width_px} OVER 0 LOADED 0 LOST 0"
    asked = set(re.findall(r'"url":"(https?://[^"]*)"', log.read_text(encoding="utf-8")))
    # What the browser asks for itself (updates) is of no page here.
    assert not [url for url in asked if "page" in url or "example" in url], sorted(asked)

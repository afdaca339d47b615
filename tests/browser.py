"""Headless Chromium, driven over its debugging pipe: what a person sees, clicks and types.

The protocol is Chrome's DevTools Protocol (https://chromedevtools.github.io/devtools-protocol),
as JSON with a zero byte after each message, on file descriptors 3 and 4 of the browser.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "chromium-headless-shell", "google-chrome")
BROWSER = next((at for name in NAMES if (at := shutil.which(name))), None)
WITHOUT = f"none of {', '.join(NAMES)} is on PATH"
LAUNCH = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
LAUNCH += "os.execv(sys.argv[3], sys.argv[3:])"
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--mute-audio",
    "--remote-debugging-pipe", "--disable-background-networking", "--disable-component-update",
    # A microphone that beeps, which every page may use.
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
)  # fmt: skip
KEYS = {
    "Tab": 9, "Enter": 13, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38,
    "ArrowRight": 39, "ArrowDown": 40, " ": 32,
}  # fmt: skip
SHIFT, CONTROL = 8, 2
PATIENCE_S = 60.0


class Pipe:
    """Messages to and from a browser."""

    def __init__(self, reading: int, writing: int) -> None:
        self.reading, self.writing, self.held = reading, writing, b""
        self.count = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Return the result of a command; events that come before it are kept."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self.writing, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = self.receive(deadline)
            if found.get("id") == self.count:
                assert "error" not in found, (method, found["error"])
                return found["result"]
            self.events.append(found)

    def receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self.held:
            ready, _, _ = select.select([self.reading], [], [], max(0, deadline - time.monotonic()))
            assert ready, "the browser said nothing"
            part = os.read(self.reading, 2**16)
            assert part, "the browser ended"
            self.held += part
        message, _, self.held = self.held.partition(b"\0")
        return json.loads(message)


class Page:
    """A tab of a browser, of a size."""

    def __init__(self, pipe: Pipe, width_px: int, height_px: int, *, is_dark: bool = False) -> None:
        self.pipe = pipe
        target = pipe.call("Target.createTarget", url="about:blank")["targetId"]
        attached = pipe.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width_px, height=height_px,
                  deviceScaleFactor=1, mobile=width_px < 600)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self.pipe.call(method, self.session, **params)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """Return the value of JavaScript, awaited. AssertionError for what it throws."""
        given = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        found = self.call("Runtime.evaluate", userGesture=True, **given)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, condition: str, timeout_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not self.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"not in {timeout_s} s: {condition}"
            time.sleep(0.05)

    def text(self, selector: str) -> str:
        """The text of an element as it is shown."""
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def click(self, selector: str) -> None:
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def press(self, key: str, modifiers: int = 0) -> None:
        given = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"Enter": "\r", " ": " "}.get(key, "")
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, modifiers=modifiers, **given)
        self.call("Input.dispatchKeyEvent", type="keyUp", modifiers=modifiers, **given)

    def write(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def upload(self, selector: str, file: Path) -> None:
        """Choose a file in a field."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file.resolve())])

    def focused(self) -> str:
        """The id of what has the focus."""
        return self.evaluate("document.activeElement.id")

    def problems(self) -> list[str]:
        """What the page's programs and policies complained of, and where it loaded from."""
        found = []
        for event in self.pipe.events:
            if event.get("sessionId") == self.session:
                params = event["params"]
                if event["method"] == "Runtime.exceptionThrown":
                    found.append(str(params["exceptionDetails"]))
                if event["method"] == "Log.entryAdded" and params["entry"]["source"] != "network":
                    found.append(params["entry"]["text"])
        return found

    def requested(self) -> set[str]:
        """The addresses that the page asked for, but for data in itself."""
        sent = [each for each in self.pipe.events if each["method"] == "Network.requestWillBeSent"]
        urls = {each["params"]["request"]["url"] for each in sent}
        return {url for url in urls if not url.startswith(("data:", "blob:", "about:"))}

    def capture(self) -> bytes:
        """A picture of the window, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


@contextmanager
def browsing(profile: Path) -> Iterator[Pipe]:
    """Yield the pipe of a browser with a new profile, which ends with the block."""
    assert BROWSER is not None
    ours, theirs = os.pipe(), os.pipe()
    to_browser, from_browser = (
        fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (ours[0], theirs[1])
    )
    command = [sys.executable, "-c", LAUNCH, str(to_browser), str(from_browser), BROWSER]
    process = subprocess.Popen(
        [*command, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for each in (to_browser, from_browser, ours[0], theirs[1]):
        os.close(each)
    try:
        yield Pipe(theirs[0], ours[1])
    finally:
        os.close(ours[1])
        os.close(theirs[0])
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

"""A headless Chromium, driven through its debugging pipe.

    browser = Browser(directory)
    browser.open("http://127.0.0.1:4321/")
    browser.evaluate("document.title")
    browser.screenshot(path, width=400, dark=True)
"""
import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

from harness import TIMEOUT

CHROMIUM = shutil.which("chromium")


class Browser:
    """One page. What it said and asked for is kept: `problems` (errors, and what its policy refused), `requests`."""

    def __init__(self, directory):
        self._directory = Path(directory)
        self.problems, self.requests = [], []
        self._ids = iter(range(1, 1 << 30))
        self._read_buffer = b""
        self._session = None
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        # It reads from descriptor 3 and writes to 4.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._log = open(self._directory / "chromium.log", "wb")
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-extensions",
             "--disable-component-update", f"--user-data-dir={self._directory / 'profile'}", "--remote-debugging-pipe"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, pass_fds=(theirs_in, theirs_out),
            env={**os.environ, "HOME": str(self._directory)})
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            self._attach()
        except BaseException:
            self.stop()
            raise

    def _attach(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        # They would lie over the page, or take from its width.
        self.call("Emulation.setScrollbarsHidden", hidden=True)
        self.shape()

    def call(self, method, **params):
        """One command of the protocol; returns its result."""
        message = {"id": next(self._ids), "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + TIMEOUT
        while True:
            answer = self._next_message(method, deadline)
            if answer.get("id") == message["id"]:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            self._on_event(answer)

    def _next_message(self, waiting_for, deadline):
        while b"\0" not in self._read_buffer:
            ready = select.select([self._from], [], [], max(0, deadline - time.monotonic()))[0]
            piece = os.read(self._from, 1 << 20) if ready else b""
            if not piece:
                log = (self._directory / "chromium.log").read_text(errors="replace")
                raise AssertionError(f"chromium says nothing to {waiting_for}: {log[-3000:]}")
            self._read_buffer += piece
        message, self._read_buffer = self._read_buffer.split(b"\0", 1)
        return json.loads(message)

    def _on_event(self, event):
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def shape(self, width=1280, height=900, dark=False):
        """The size of the page, in its own pixels, and the scheme that is preferred."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def open(self, url):
        self.call("Page.navigate", url=url)

    def evaluate(self, expression):
        """What a script's expression is in the page, as JSON has it. Without a document it is None."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            return None
        return result["result"].get("value")

    def screenshot(self, path, width=1280, dark=False):
        """All of the page, however long."""
        self.shape(width, dark=dark)
        # The next frame has the new shape.
        self.call("Runtime.evaluate", awaitPromise=True,
                  expression="new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        png = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(png))

    def stop(self):
        self._process.kill()
        self._process.wait(30)
        os.close(self._to)
        os.close(self._from)
        self._log.close()

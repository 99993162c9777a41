"""The status page: who may ask for it, and what a real browser shows of it."""
import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import time
import unittest
import urllib.parse

from browser import CHROMIUM, Browser
from harness import BLOBCTL, DONE, FAILED, PERMISSION, ROOT, TIMEOUT, USAGE, E2eTest
from nginx import Nginx
from peers import write_random

MIB = 1 << 20
ANYONE = '[serve]\nmode = "anyone"\n'
SHOTS = ROOT / "build" / "test-logs"
# Whatever of it were read as HTML would say so in the title.
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


class Dashboard:
    """A running `blobctl dashboard`."""

    def __init__(self, daemon, *options):
        self.process = daemon.ctl_start("dashboard", "--json", *options)
        if not select.select([self.process.stdout], [], [], TIMEOUT)[0]:
            raise AssertionError("blobctl dashboard says nothing")
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.stderr.read().decode())
        self.url = json.loads(line)["url"]
        parsed = urllib.parse.urlparse(self.url)
        self.port, self.path = parsed.port, parsed.path

    def ask(self, path=None, method="GET", hosts=None, headers=(), body=b"", timeout=TIMEOUT):
        """One request; returns code, headers and text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.putrequest(method, self.path if path is None else path, skip_host=True)
            for host in [f"127.0.0.1:{self.port}"] if hosts is None else hosts:
                connection.putheader("Host", host)
            for name, value in headers:
                connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def data(self):
        return json.loads(self.ask(self.path + "data")[2])

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(TIMEOUT)
        self.process.stdout.close()
        self.process.stderr.close()


class DashboardTest(E2eTest):
    def start_dashboard(self, daemon=None, *options):
        return self.run_peer(Dashboard(daemon or self.daemon, *options))


class WhoMayAsk(DashboardTest):
    def test_with_the_token_and_this_host(self):
        page = self.start_dashboard()
        self.assertRegex(page.url, r"^http://127\.0\.0\.1:\d+/[0-9a-f]{32}/$")
        for host in (f"127.0.0.1:{page.port}", f"localhost:{page.port}"):
            code, headers, text = page.ask(hosts=[host])
            self.assertEqual(code, 200)
            self.assertIn("<h1>blobd</h1>", text)
            policy = headers["Content-Security-Policy"]
            self.assertIn("default-src 'none'", policy)
            self.assertNotIn("unsafe", policy)
            nonce = re.search(r"script-src 'nonce-(\w+)'", policy).group(1)
            self.assertIn(f'<script nonce="{nonce}">', text)
            self.assert_careful(headers)
        code, headers, text = page.ask(method="HEAD")
        self.assertEqual((code, text), (200, ""))
        code, headers, text = page.ask(page.path + "data")
        self.assertEqual((code, headers["Content-Type"]), (200, "application/json"))
        self.assert_careful(headers)
        json.loads(text)

    def assert_careful(self, headers):
        for name, value in (("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"),
                            ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"),
                            ("Cross-Origin-Resource-Policy", "same-origin")):
            self.assertEqual(headers[name], value)
        self.assertIsNone(headers["Access-Control-Allow-Origin"])
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])

    def test_nobody_else(self):
        page = self.start_dashboard()
        wrong = page.path[:-2] + ("0" if page.path[-2] != "0" else "1") + "/"
        cases = [
            (403, dict(path="/")), (403, dict(path="/data")), (403, dict(path="/favicon.ico")),
            (403, dict(path=wrong)), (403, dict(path=wrong + "data")), (403, dict(path=page.path[:-2] + "/")),
            (403, dict(path=f"/?{page.path[1:-1]}")), (404, dict(path=page.path + "../")),
            (403, dict(hosts=["evil.example"])), (403, dict(hosts=[f"evil.example:{page.port}"])),
            (403, dict(hosts=["127.0.0.1"])), (403, dict(hosts=["localhost"])),
            (403, dict(path=page.path + "data", hosts=["evil.example"])),
            (405, dict(method="POST", body=b"x")), (405, dict(method="POST")), (405, dict(method="DELETE")),
            (405, dict(method="OPTIONS")), (400, dict(body=b"x")),
        ]
        for expected, request in cases:
            with self.subTest(**request):
                code, headers, text = page.ask(**request)
                self.assertEqual(code, expected, text)
                self.assertTrue(headers["Content-Type"].startswith("text/plain"))
                self.assertRegex(text, r"^blobctl dashboard: .*\w+")
                self.assertNotIn(page.path.strip("/"), text)
                self.assert_careful(headers)
        # Without a host, and with two, whatever is said of it, nothing of the page comes.
        for hosts in ([], [f"127.0.0.1:{page.port}", "evil.example"]):
            code, _, text = page.ask(hosts=hosts)
            self.assertIn(code, (400, 403))
            self.assertNotIn("<h1>", text)
        self.assertEqual(page.ask()[0], 200)

    def test_it_listens_on_loopback_only(self):
        page = self.start_dashboard()
        for address in ("127.0.0.2", "::1"):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family) as other, self.assertRaises(OSError):
                other.connect((address, page.port))

    def test_who_sends_too_much_or_nothing_is_no_harm(self):
        page = self.start_dashboard()
        try:
            code = page.ask(headers=[("X-Much", "x" * 200_000)])[0]
            self.assertGreaterEqual(code, 400)
        except (OSError, http.client.HTTPException):
            pass  # it closed the connection before all of it was sent
        silent = [socket.create_connection(("127.0.0.1", page.port), TIMEOUT) for _ in range(40)]
        self.assertEqual(page.ask()[0], 200)
        # Beyond the limit they wait for each other.
        silent += [socket.create_connection(("127.0.0.1", page.port), TIMEOUT) for _ in range(60)]
        for each in silent:
            each.close()
        self.daemon.wait_until("it answers again", lambda: self.answers(page))

    def test_it_ends_at_once_with_as_many_connections_as_it_takes(self):
        page = self.start_dashboard()
        silent = [socket.create_connection(("127.0.0.1", page.port), TIMEOUT) for _ in range(64)]
        for each in silent:
            self.addCleanup(each.close)
        # It has taken all of them: one more is left alone.
        self.daemon.wait_until("no more is answered", lambda: not self.answers(page, 1))
        began = time.monotonic()
        self.assertEqual(page.end(), DONE)
        # Else it ends when the first of them has been silent for too long: 30 s.
        self.assertLess(time.monotonic() - began, 15)

    @staticmethod
    def answers(page, timeout=TIMEOUT):
        try:
            return page.ask(timeout=timeout)[0] == 200
        except (OSError, http.client.HTTPException):
            return False


class OnTheCommandLine(DashboardTest):
    def test_it_prints_the_address_and_ends_on_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            page = self.start_dashboard()
            self.assertEqual(page.ask()[0], 200)
            self.assertEqual(page.end(number), DONE)
            self.assertEqual(page.process.stderr.read(), b"")
        plain = self.daemon.ctl_start("dashboard")
        self.addCleanup(plain.communicate)
        for stream in (plain.stdout, plain.stderr):
            self.assertTrue(select.select([stream], [], [], TIMEOUT)[0], "blobctl dashboard says nothing")
        address = plain.stdout.readline().decode()
        self.assertRegex(address, r"^http://127\.0\.0\.1:\d+/[0-9a-f]{32}/\n$")
        self.assertIn(b"Ctrl-C ends it", plain.stderr.readline())
        plain.terminate()
        self.assertEqual(plain.wait(TIMEOUT), DONE)

    @unittest.skipUnless(os.geteuid() == 0, "only root may act as somebody else")
    def test_who_may_not_use_the_socket_is_told_so(self):
        os.chmod(self.daemon.directory, 0o755)
        os.chmod(self.directory, 0o755)
        somebody = {"user": 12345, "group": 12345, "extra_groups": [], "cwd": "/"}
        if subprocess.run([str(BLOBCTL), "--version"], capture_output=True, check=False, **somebody).returncode != 0:
            self.skipTest("another user may not run blobctl here")
        refused = subprocess.run(self.daemon.ctl_command("dashboard"), capture_output=True, text=True, timeout=TIMEOUT,
                                 check=False, **somebody)
        self.assertEqual(refused.returncode, PERMISSION, refused.stderr)
        self.assertEqual(refused.stdout, "")

    def test_a_stopped_daemon_has_none(self):
        self.assertIn("shows what a running daemon does", self.ctl("--offline", "dashboard", code=USAGE).text)

    def test_the_port_can_be_chosen(self):
        page = self.start_dashboard()
        taken = self.ctl("dashboard", "--port", page.port, code=FAILED)
        self.assertIn(f"cannot listen at 127.0.0.1:{page.port}", taken.text)
        self.assertIn("--port", taken.text)
        self.assertEqual(page.end(), DONE)
        again = self.start_dashboard(None, "--port", str(page.port))
        self.assertEqual(again.port, page.port)
        self.assertNotEqual(again.path, page.path)
        for bad in ("0", "65536", "x", "-1"):
            self.assertEqual(self.ctl("dashboard", "--port", bad, code=None).code, USAGE, bad)


@unittest.skipUnless(CHROMIUM, "chromium is not installed: tests/install-deps --tests does that")
class InABrowser(DashboardTest):
    """The daemon of the test has the content, and a web server, too; a second one gets it from both."""

    config = ANYONE

    def setUp(self):
        super().setUp()
        self.browser = self.run_peer(Browser(self.directory))

    def prepare(self):
        self.mirror = self.run_peer(Nginx(self.directory / "nginx"))

    def start_getter(self):
        """Slow enough for a download to go on as long as a test looks at it."""
        origin = f"http://127.0.0.1:{self.mirror.port}"
        return self.start_daemon("getter", f'drain_grace_ms = 100\n[mirrors.origins."{origin}"]\nallow_local = true\n'
                                           '[limits]\ndownload_rate = "200kB/s"\n')

    def start_download(self, getter, name, *options, size=64 * MIB):
        """From a node and a mirror, for a good while; returns both providers' names."""
        source = write_random(self.mirror.www / name, size)
        blob = self.daemon.add(source)
        url = f"http://127.0.0.1:{self.mirror.port}/limited/{urllib.parse.quote(name)}"
        queued = getter.ctl("queue", "-q", blob, "--from", url, "--from", self.daemon.provider, *options)
        self.assertEqual(queued.code, DONE, queued.text)
        return url, self.daemon.status()["nodeId"]

    def text(self, selector="body"):
        """What is to be seen of it."""
        return self.browser.evaluate(f"((node) => node.checkVisibility() ? node.innerText : '')"
                                     f"(document.querySelector({json.dumps(selector)}))") or ""

    def texts(self, selector):
        return self.browser.evaluate(
            f"[...document.querySelectorAll({json.dumps(selector)})].map((each) => each.textContent)") or []

    def wait_for_text(self, text, selector="body"):
        try:
            self.daemon.wait_until(f"the page says {text}", lambda: text in self.text(selector))
        except AssertionError as failure:
            raise AssertionError(f"{failure}; it says {self.text()[:3000]!r}, {self.browser.problems}") from failure

    def points_of_areas(self):
        return self.browser.evaluate("[...document.querySelectorAll('#down .area')]"
                                     ".map((area) => area.getAttribute('d').split('L').length)") or [0]

    def assert_no_problems(self, page):
        self.assertEqual(self.browser.problems, [])
        foreign = [url for url in self.browser.requests
                   if not url.startswith((f"http://127.0.0.1:{page.port}/", "data:image/svg", "about:"))]
        self.assertEqual(foreign, [])

    def test_a_download_from_two_providers(self):
        getter = self.start_getter()
        url, node = self.start_download(getter, "the sea.raw")
        getter.ctl("queue", "5a" * 32, "--label", "wanted by nobody who has it", "--from", "ab" * 32 + "@127.0.0.1:9")
        page = self.start_dashboard(getter)
        self.browser.open(page.url)

        self.daemon.wait_until("both have brought something",
                               lambda: len([each for each in self.texts(".share .part") if each != "0 %"]) == 2)
        self.assertEqual(self.texts(".download h3"), ["the sea.raw"])
        self.assertEqual(sorted(self.texts(".share bdi")), sorted([url, node[:10]]))
        shares = [float(each.split()[0]) for each in self.texts(".share .part")]
        self.assertAlmostEqual(sum(shares), 100, delta=1)
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('.download .bar span').length"), 2)
        # The plot has an area for each of them, of more than one point.
        self.daemon.wait_until("both are plotted", lambda: {url, node[:10]} <= set(self.texts("#down .legend bdi")))
        self.daemon.wait_until("their areas grow", lambda: min(self.points_of_areas()) > 20)
        self.assertGreaterEqual(len(self.points_of_areas()), 2)
        self.assertRegex(self.text("#down strong"), r"\d [kM]B/s")
        # What waits, and why; and who is in touch.
        self.wait_for_text("wanted by nobody who has it", "#waiting")
        self.assertIn("abababab", self.text("#waiting"))
        self.wait_for_text(node[:10], "#providers")
        self.wait_for_text(url, "#providers")
        self.wait_for_text("running", "#state")

        for width in (1280, 400):
            for dark in (False, True):
                self.browser.screenshot(SHOTS / f"dashboard-{width}-{'dark' if dark else 'light'}.png", width, dark)
                wide = self.browser.evaluate("document.documentElement.scrollWidth")
                self.assertLessEqual(wide, width, "the page has to be scrolled sideways")
        self.assert_no_problems(page)

    def test_items_with_the_same_name_are_shown_once_each(self):
        page = self.start_dashboard()
        self.browser.open(page.url)
        self.wait_for_text("running", "#state")
        # Names that are hidden from us are all the same.
        shown = self.browser.evaluate("""(() => {
            const list = make("ul");
            const show = (items) => {
              keep(list, items, (item) => item, () => make("li"), setText);
              return [...list.children].map((each) => each.textContent);
            };
            for (let round = 0; round < 10; ++round) show(["a", "a", "", "b", "", "a"]);
            return [show(["a", "a", "", "b", "", "a"]), show(["b", "", "a", "a"]), show([])];
        })()""")
        self.assertEqual(shown, [["a", "a", "", "b", "", "a"], ["b", "", "a", "a"], []])
        self.assert_no_problems(page)

    def test_names_are_text(self):
        getter = self.start_getter()
        name = "<script>document.title='taken'<\uff0fscript>.raw"
        url, _ = self.start_download(getter, name)
        getter.ctl("queue", "5a" * 32, "--label", HOSTILE, "--from", "ab" * 32 + "@127.0.0.1:9")
        page = self.start_dashboard(getter)
        self.browser.open(page.url)
        self.wait_for_text(HOSTILE, "#waiting")
        self.wait_for_text(name, "#downloads")
        # Not one element that is not the page's own.
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('img, iframe, body script').length"), 1)
        self.assertNotIn("taken", self.browser.evaluate("document.title"))
        self.assert_no_problems(page)

    def test_with_nothing_to_show_it_says_what_to_do(self):
        page = self.start_dashboard()
        self.browser.open(page.url)
        for part, advice in (("downloads", "blobctl get TICKET"), ("waiting", "blobctl queue TICKET"),
                             ("providers", "blobctl remotes")):
            self.wait_for_text(advice, f"#{part}-none")
        self.browser.screenshot(SHOTS / "dashboard-empty.png")
        self.assert_no_problems(page)

    def test_a_daemon_that_hangs(self):
        page = self.start_dashboard()
        self.browser.open(page.url)
        self.wait_for_text("running", "#state")
        os.kill(self.daemon.pid, signal.SIGSTOP)
        try:
            self.wait_for_text("blobd has not answered for", "#notices")
            self.wait_for_text("no answer", "#state")
            self.wait_for_text("old", "#age")
            # Nothing is known of that time.
            self.assertLess(page.data()["history"]["ms"][-1], page.data()["now_ms"] - 2000)
        finally:
            os.kill(self.daemon.pid, signal.SIGCONT)
        self.wait_for_text("running", "#state")
        self.assertEqual(self.text("#notices").strip(), "")
        self.assert_no_problems(page)

    def test_a_daemon_that_goes_away_and_comes_back(self):
        self.daemon.stop()
        page = self.start_dashboard()
        self.browser.open(page.url)
        self.wait_for_text("blobd cannot be reached", "#notices")
        self.wait_for_text("start it with", "#notices")
        self.assertFalse(page.data()["answered"])
        self.daemon.start()
        self.wait_for_text("running", "#state")
        self.assertEqual(self.text("#notices").strip(), "")
        self.daemon.stop()
        self.wait_for_text("blobd cannot be reached", "#notices")
        self.wait_for_text("old", "#age")
        self.browser.screenshot(SHOTS / "dashboard-unreachable.png")
        self.daemon.start()
        self.wait_for_text("running", "#state")
        self.assertEqual(self.text("#age"), "")
        self.assert_no_problems(page)
        # And so it is when the dashboard itself has gone.
        self.assertEqual(page.end(), DONE)
        self.wait_for_text("does not answer any more", "#notices")


if __name__ == "__main__":
    unittest.main()

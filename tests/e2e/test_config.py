"""The configuration: files, drop-ins, the environment and the command line; what is shown of it; reading it again."""
import os
import subprocess
import unittest

from harness import BLOBD, DONE, FAILED, NOT_FOUND, PERMISSION, USAGE, E2eTest

SECRETS = ("hush-proxy", "hush-header", "hush-query")
MIRRORS = ('[mirrors]\nproxy = "http://user:hush-proxy@127.0.0.1:9"\n'
           'templates = ["https://mirror.example/{hash}?key=hush-query"]\n'
           '[mirrors.origins."https://mirror.example"]\nheaders = { Authorization = "hush-header" }\nconnections = 2\n')


def environment(**settings):
    """Without what is the tests' own: to blobd it would be configuration."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("BLOBD_")}, **settings}


def check(path):
    return subprocess.run([str(BLOBD), "--check-config", "--config", str(path)], env=environment(),
                          capture_output=True, text=True, check=False)


class Configured(E2eTest):
    config = "workers = 2\n[limits]\nrequests = 7\n"
    environment = {}

    def prepare(self):
        self.daemon.environment = dict(self.environment)

    def write(self, config):
        (self.directory / "blobd.toml").write_text(config)

    def values(self, *args):
        return {value["key"]: value for value in self.ctl("config", "dump", "--json", *args).json()["values"]}

    def reload(self, *args, code=DONE):
        return self.ctl("reload", "--json", *args, code=code).json()


class Files(Configured):
    """The default file with drop-ins beside it, in place of one that is named."""
    config = None

    def prepare(self):
        super().prepare()
        self.place = self.directory / "etc"
        (self.place / "conf.d").mkdir(parents=True)
        (self.place / "blobd.toml").write_text("workers = 1\n[limits]\nrequests = 5\nconnections = 6\n")
        (self.place / "conf.d" / "10-a.toml").write_text("[limits]\nrequests = 7\n")
        (self.place / "conf.d" / "20-b.toml").write_text("\n\nlimits.requests = 9\n")
        self.daemon.environment = {"CONFIGURATION_DIRECTORY": str(self.place), "BLOBD_LIMITS_CONNECTIONS": "11",
                                   "BLOBD_LOG_LEVEL": "debug", "BLOBD_STORE_MAXBYTES": "5", "BLOBD_SERVE_MODE": ""}

    def test_each_value_says_where_it_comes_from(self):
        values = self.values()
        requests = values["limits.requests"]
        self.assertEqual((requests["value"], requests["origin"], requests["line"]), ("9", "CONFIG_ORIGIN_FILE", 3))
        self.assertEqual(requests["place"], str(self.place / "conf.d" / "20-b.toml"))
        connections = values["limits.connections"]
        self.assertEqual((connections["value"], connections["origin"], connections["place"]),
                         ("11", "CONFIG_ORIGIN_ENVIRONMENT", "BLOBD_LIMITS_CONNECTIONS"))
        self.assertEqual(values["log_level"]["value"], '"debug"')
        self.assertEqual(values["state_dir"]["origin"], "CONFIG_ORIGIN_COMMAND_LINE")
        self.assertEqual(values["state_dir"]["place"], "--state-dir")
        self.assertEqual(values["serve.mode"]["origin"], "CONFIG_ORIGIN_DEFAULT")
        self.assertEqual([file.rsplit("/", 1)[1] for file in self.ctl("config", "dump", "--json").json()["files"]],
                         ["blobd.toml", "10-a.toml", "20-b.toml"])
        limits = {limit["name"]: limit["value"] for limit in self.ctl("limits", "--json").json()["limits"]}
        self.assertEqual((limits["requests"], limits["connections"]), ("9", "11"))
        self.assertIn("BLOBD_STORE_MAXBYTES in the environment is no key of the configuration: did you mean "
                      "BLOBD_STORE_MAX_BYTES?", self.daemon.log())

    def test_the_environment_stays_before_files_that_change(self):
        (self.place / "conf.d" / "20-b.toml").write_text("limits.connections = 3\n")
        keys = {key["key"]: key for key in self.reload()["keys"]}
        self.assertEqual(set(keys), {"limits.requests"})
        self.assertEqual((keys["limits.requests"]["before"], keys["limits.requests"]["after"]), ("9", "7"))
        self.assertEqual(self.values("limits.connections")["limits.connections"]["value"], "11")

    def test_a_part_can_be_asked_for(self):
        self.assertEqual(set(self.values("retry")), {f"retry.{name}" for name in (
            "initial_delay_ms", "retries", "unreachable_first_ms", "unreachable_max_ms")})
        self.assertEqual(set(self.values("limits", "--changed")), {"limits.requests", "limits.connections"})
        self.assertEqual(self.ctl("config", "dump", "-q", "limits.requests").text, "limits.requests = 9\n")
        self.ctl("config", "dump", "limit", code=NOT_FOUND)
        self.ctl("config", code=USAGE)


class Checks(unittest.TestCase):
    def check(self, **settings):
        return subprocess.run([str(BLOBD), "--check-config"], capture_output=True, text=True, check=False,
                              env=environment(CONFIGURATION_DIRECTORY="/nonexistent", **settings))

    def test_the_environment_is_checked_too(self):
        done = self.check(BLOBD_STORE_MAX_BYTES="lots")
        self.assertEqual(done.returncode, 2)
        self.assertIn("BLOBD_STORE_MAX_BYTES: ", done.stderr)
        self.assertIn("expected a size from 0 to 1152921504606846976 bytes", done.stderr)
        done = self.check(BLOBD_LOG_LVL="secret")
        self.assertEqual(done.returncode, 0)
        self.assertIn("did you mean BLOBD_LOG_LEVEL?", done.stderr)
        self.assertNotIn("secret", done.stderr)
        self.assertEqual(self.check(BLOBD_OPTIONS="--listen [::]:0").stderr, "")


class Reloads(Configured):
    def test_each_key_is_reported_on(self):
        self.ctl("limits", "connections=4", "--persist")
        self.write("workers = 3\nlog_level = \"debug\"\n[limits]\nconnections = 9\n")
        for options in (("--dry-run",), ()):
            report = self.reload(*options, code=FAILED)
            keys = {key["key"]: key for key in report["keys"]}
            self.assertEqual({name: key["result"] for name, key in keys.items()}, {
                "limits.connections": "RELOAD_RESULT_REFUSED", "limits.requests": "RELOAD_RESULT_APPLIED",
                "log_level": "RELOAD_RESULT_APPLIED", "workers": "RELOAD_RESULT_NEEDS_RESTART"})
            self.assertIn("blobctl limits --reset connections", keys["limits.connections"]["reason"])
            self.assertEqual((keys["limits.requests"]["before"], keys["limits.requests"]["after"]), ("7", ""))
            self.assertEqual(keys["log_level"]["after"], '"debug"')
            self.assertEqual(report["files"], [str(self.directory / "blobd.toml")])
        values = self.values()
        self.assertEqual((values["workers"]["value"], values["workers"]["afterRestart"]), ("2", "3"))
        self.assertEqual(values["log_level"]["value"], '"debug"')
        self.assertFalse(values["workers"]["isLive"])
        limits = {limit["name"]: limit["value"] for limit in self.ctl("limits", "--json").json()["limits"]}
        self.assertEqual((limits["connections"], limits["requests"]), ("4", "50"))
        # What needs a restart is told until there was one, what is refused until it is not, and the journal has the same
        # words.
        self.assertEqual([key["key"] for key in self.reload(code=FAILED)["keys"]], ["limits.connections", "workers"])
        self.ctl("limits", "--reset", "connections")
        limits = {limit["name"]: limit["value"] for limit in self.ctl("limits", "--json").json()["limits"]}
        self.assertEqual(limits["connections"], "9")
        self.assertEqual([key["key"] for key in self.reload()["keys"]], ["limits.connections", "workers"])
        text = self.ctl("reload").text
        self.assertIn("needs a restart", text)
        self.assertIn("1 of them needs a restart of blobd.", text)
        log = self.daemon.log()
        self.assertIn("workers is 3 in the configuration and needs a restart; until then it is 2", log)
        self.assertIn("limits.connections is 9 in the configuration and cannot be taken: ", log)
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(self.reload()["keys"], [])
        self.assertIn("nothing has changed", self.ctl("reload").text)

    def test_a_dry_run_and_a_diff_change_nothing(self):
        self.write("workers = 3\nlog_level = \"debug\"\n[limits]\nrequests = 7\n")
        diff = self.ctl("config", "diff").text
        self.assertIn("log_level", diff)
        self.assertIn("can be reloaded", diff)
        self.assertIn("needs a restart", diff)
        self.assertEqual(self.ctl("config", "diff", "-q").text.split(), ["log_level", "workers"])
        self.ctl("reload", "--dry-run")
        self.assertEqual(self.values("log_level")["log_level"]["value"], '"info"')
        self.assertNotIn("read again", self.daemon.log())

    def test_files_that_cannot_be_used_change_nothing(self):
        self.write("log_level = \"debug\"\n[limits]\nrequest = 9\n")
        for command in (("reload",), ("reload", "--dry-run"), ("config", "diff")):
            result = self.ctl(*command, code=FAILED)
            self.assertIn("blobd.toml:3: unknown key limits.request: did you mean limits.requests?", result.text)
        self.assertEqual(self.values("log_level")["log_level"]["value"], '"info"')
        (self.directory / "blobd.toml").unlink()
        self.assertIn("blobd.toml", self.ctl("reload", code=FAILED).text)

    def test_a_draining_daemon_is_reloaded_as_any_other(self):
        self.ctl("drain")
        self.write("workers = 2\nlog_level = \"debug\"\n[limits]\nrequests = 9\n")
        self.assertEqual([key["result"] for key in self.reload()["keys"]], ["RELOAD_RESULT_APPLIED"] * 2)

    def test_only_administrators_reload(self):
        if os.geteuid() != 0:
            self.skipTest("needs another user")
        self.directory.chmod(0o755)
        self.daemon.socket.chmod(0o666)
        for command, code in ((("reload",), PERMISSION), (("reload", "--dry-run"), PERMISSION),
                              (("config", "diff"), PERMISSION), (("config", "dump"), DONE)):
            done = subprocess.run(["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups",
                                   *self.daemon.ctl_command(*command)], capture_output=True, check=False)
            self.assertEqual(done.returncode, code, done.stderr)


class Dumps(Configured):
    config = Configured.config + MIRRORS

    def test_a_dump_is_a_file_that_says_the_same(self):
        dump = self.ctl("config", "dump")
        self.assertIn("\nrequests = 7  # ", dump.text)
        self.assertIn('\n#log_level = "info"  # default\n', dump.text)
        self.assertIn("blobd.toml:3", dump.text)
        other = self.start_daemon("other", "# nothing\n", wait=False)
        path = other.directory / "blobd.toml"
        path.write_bytes(dump.stdout)
        done = check(path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        other.start()
        here = self.values()
        there = {value["key"]: value for value in other.ctl("config", "dump", "--json").json()["values"]}
        for key, value in here.items():
            if value["isSecret"]:
                continue
            if key in ("state_dir", "socket", "data_socket", "listen"):  # by the command line of each
                continue
            self.assertEqual(there[key]["value"], value["value"], key)
        short = self.ctl("config", "dump", "-q")
        path.write_bytes(short.stdout)
        done = check(path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_secrets_are_shown_to_nobody(self):
        def assert_none(text):
            for secret in SECRETS:
                self.assertNotIn(secret, text)
        assert_none(self.ctl("config", "dump").text)
        assert_none(self.ctl("config", "dump", "--json").text)
        values = self.values("mirrors")
        hidden = {key for key, value in values.items() if value["isSecret"]}
        self.assertEqual(hidden, {"mirrors.proxy", "mirrors.templates",
                                  'mirrors.origins."https://mirror.example".headers'})
        self.assertEqual(values['mirrors.origins."https://mirror.example".connections']["value"], "2")
        self.write(Configured.config + MIRRORS.replace("hush", "hush-hush"))
        for command in (("config", "diff"), ("reload",), ("reload", "--json"), ("config", "dump", "--json")):
            result = self.ctl(*command)
            assert_none(result.text.replace("hush-hush", "hush"))
            if command[0] == "reload":
                self.assertIn("mirrors.proxy", result.text)
        assert_none(self.daemon.log().replace("hush-hush", "hush"))
        self.assertIn("hidden", self.daemon.log())


if __name__ == "__main__":
    unittest.main()

"""What the packages say agrees with what the programs do: configuration, manual pages, guide."""
import functools
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("BLOBD_BUILD", ROOT / "build" / "dev")).resolve()
BLOBD = BUILD / "daemon" / "blobd"
BLOBCTL = BUILD / "client" / "blobctl"
PACKAGING = ROOT / "packaging"
GUIDE = PACKAGING / "docs" / "operations.md"


@functools.cache
def help_of(program, *command):
    return subprocess.run([str(program), *command, "--help"], check=True, capture_output=True, text=True).stdout


def commands_of(text):
    """The names under "Commands:" of blobctl's help text: several in a line, behind the name of their group."""
    listed = text.split("\nCommands:\n", 1)[1].split("\n\n", 1)[0]
    return set(re.findall(r"\b(?<![A-Z])[a-z][a-z-]*\b", listed))


def options_of(text):
    return set(re.findall(r"(--[a-z-]+)", text))


def options_of_command(command):
    """With those of what it has below it, as "config dump"."""
    text = help_of(BLOBCTL, command)
    below = re.search(r"\nCommands:\n(.*?)(\n\n|\Z)", text, re.DOTALL)
    names = re.findall(r"^  ([a-z-]+)", below.group(1), re.MULTILINE) if below else []
    return options_of(text).union(*(options_of(help_of(BLOBCTL, command, name)) for name in names))


def settings_of(text):
    """Keys with their values in a file in which every key is commented out."""
    section, found = "", {}
    for line in text.splitlines():
        if header := re.match(r"\[(\w+)\]$", line):
            section = header.group(1) + "."
        elif setting := re.match(r"#(\w+) = (.*)$", line):
            found[section + setting.group(1)] = setting.group(2)
    return found


class ConfigurationTest(unittest.TestCase):
    conffile = (PACKAGING / "config" / "blobd.toml").read_text()

    def check(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(text)
            file.flush()
            return subprocess.run([str(BLOBD), "--config", file.name, "--check-config"], capture_output=True, text=True,
                                  check=False)

    def test_it_is_valid_as_it_is_and_with_every_key_in_use(self):
        self.assertEqual(self.check(self.conffile).returncode, 0)
        in_use = re.sub(r"^#(\w+ = )", r"\1", self.conffile, flags=re.MULTILINE)
        done = self.check(in_use)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_readme_has_every_key(self):
        # That the file and the manual have, with the defaults, daemon/config_keys_test.cc looks at.
        readme = (ROOT / "README.md").read_text()
        for key in settings_of(self.conffile):
            self.assertRegex(readme, rf"`{re.escape(key)}`", key)


class ManualTest(unittest.TestCase):
    def test_blobctl_has_every_command_with_every_option(self):
        manual = (PACKAGING / "man" / "blobctl.1.scd").read_text()
        top = help_of(BLOBCTL)
        missing = sorted(c for c in commands_of(top) if not re.search(rf"\*{c}\b", manual))
        self.assertEqual(missing, [])
        options = options_of(top)
        for command in commands_of(top) - {"registry"}:
            options |= options_of_command(command)
        self.assertEqual(sorted(o for o in options if o not in manual), [])

    def test_blobd_has_every_option_and_event(self):
        manual = (PACKAGING / "man" / "blobd.8.scd").read_text()
        self.assertEqual(sorted(o for o in options_of(help_of(BLOBD)) if o not in manual), [])
        events = re.findall(r'return "(\w{32})"', (ROOT / "daemon" / "log_events.cc").read_text())
        self.assertEqual([event for event in events if event not in manual], [])


class LintianTest(unittest.TestCase):
    def test_the_packages_are_as_debian_wants_them(self):
        changes = sorted((ROOT / "build" / "deb").glob("*.changes"))
        self.assertEqual(len(changes), 1, "run packaging/build-deb")
        done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", str(changes[0])],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stdout + done.stderr)


class MonitoringTest(unittest.TestCase):
    def test_alerts_dashboard_and_guide_name_metrics_that_exist(self):
        source = (ROOT / "daemon" / "metrics_text.cc").read_text()
        known = set(re.findall(r'"(blobd_\w+)"', source))
        histograms = set(re.findall(r'text\.Begin\("(blobd_\w+)", Type::kHistogram', source))
        known |= {name + end for name in histograms for end in ("_bucket", "_sum", "_count")}
        for path in (PACKAGING / "monitoring" / "blobd.rules.yml", PACKAGING / "monitoring" / "grafana-dashboard.json",
                     GUIDE):
            named = set(re.findall(r"\bblobd_[a-z_]+\b(?!\*)", path.read_text())) - {"blobd_NEW"}
            self.assertEqual(sorted(named - known), [], path.name)
        json.loads((PACKAGING / "monitoring" / "grafana-dashboard.json").read_text())

    def test_alerts_say_what_to_do(self):
        text = (PACKAGING / "monitoring" / "blobd.rules.yml").read_text()
        self.assertEqual(text.count("- alert:"), text.count("do: "))
        for command in re.findall(r"blobctl ([a-z]+)", text):
            self.assertIn(command, commands_of(help_of(BLOBCTL)))


class GuideTest(unittest.TestCase):
    def test_its_commands_and_options_exist(self):
        known = commands_of(help_of(BLOBCTL))
        wrong = []
        for path in (GUIDE, ROOT / "README.md", ROOT / "SECURITY.md"):
            text = path.read_text()
            for command, rest in re.findall(r"\bblobctl ((?!is\b|asks\b|and\b)[a-z][a-z-]+)\b([^;`\n]*)", text):
                if command not in known:
                    wrong.append(f"{path.name}: blobctl {command}")
                    continue
                given = set(re.findall(r"(--[a-z-]+)", rest.split("#")[0]))
                wrong += [f"{path.name}: blobctl {command} {option}"
                          for option in sorted(given - options_of_command(command) - options_of(help_of(BLOBCTL)))]
        self.assertEqual(wrong, [])

    def test_each_trouble_names_the_command_that_shows_it(self):
        table = GUIDE.read_text().split("\n## Trouble")[1].split("\n\n")[1]
        rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()[2:]]
        self.assertGreater(len(rows), 15)
        for seen, command, means in rows:
            self.assertRegex(command, r"^`(sudo -u blobd )?(blobctl|systemctl|journalctl|id|ss)\b", seen)
            self.assertTrue(means, seen)


if __name__ == "__main__":
    unittest.main()

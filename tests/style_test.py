#!/usr/bin/env python3
"""Checks that hold for every file we write: formatting, length, no path of somebody's machine."""
import re
import shutil
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINES_MAX = 600
# Not written by hand, or not ours.
UNCOUNTED = {"LICENSE", "api-v1.txt", "api.md", "package-lock.json"}
# Put together, so that this file does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:wor" + r"k|roo" + r"t|hom" + r"e/\w+)/[\w.]")
REGISTRY_URL = re.compile(r'"resolved"\s*:')


def our_files():
    """Files that git tracks or would track."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        check=True, capture_output=True).stdout.decode()
    files = sorted(ROOT / name for name in set(listed.split("\0")) if name)
    return [f for f in files if f.is_file() and not f.is_symlink()]


def text_of(path):
    """The file's text; None if it is not text."""
    data = path.read_bytes()
    if b"\0" in data:
        return None
    return data.decode("utf-8", errors="replace")


def cpp_files():
    return [f for f in our_files() if f.suffix in {".h", ".cc", ".c"}]


class Style(unittest.TestCase):
    def assert_none(self, wrong):
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_clang_format(self):
        self.assertIsNotNone(shutil.which("clang-format"), "tests/install-deps --tests installs it")
        files = [str(f.relative_to(ROOT)) for f in cpp_files()]
        result = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], cwd=ROOT,
                                capture_output=True, text=True, check=False)
        wrong = sorted({line.split(":", 1)[0] for line in result.stderr.splitlines()
                        if "-Wclang-format-violations" in line})
        self.assertEqual(result.returncode, 0, "\nclang-format -i " + " ".join(wrong))

    def test_no_file_is_too_long(self):
        wrong = []
        for path in our_files():
            text = text_of(path)
            if text is None or path.name in UNCOUNTED:
                continue
            lines = text.count("\n")
            if lines > LINES_MAX:
                wrong.append(f"{path.relative_to(ROOT)}: {lines} lines, at most {LINES_MAX}")
        self.assert_none(wrong)

    def test_no_path_of_a_machine(self):
        wrong = []
        for path in our_files():
            for number, line in enumerate((text_of(path) or "").splitlines(), 1):
                if MACHINE_PATH.search(line):
                    wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
        self.assert_none(wrong)

    def test_lock_files_name_no_registry(self):
        wrong = [str(path.relative_to(ROOT)) for path in our_files()
                 if path.name == "package-lock.json" and REGISTRY_URL.search(text_of(path) or "")]
        self.assert_none(wrong)

    def test_headers_are_guarded(self):
        wrong = [str(path.relative_to(ROOT)) for path in cpp_files() if path.suffix == ".h"
                 and "#pragma once" not in (text_of(path) or "")
                 and not re.search(r"^#ifndef \w+_H_?\s*\n#define", text_of(path) or "", re.MULTILINE)]
        self.assert_none(wrong)

    def test_scripts_are_executable(self):
        wrong = [str(path.relative_to(ROOT)) for path in our_files()
                 if (text_of(path) or "").startswith("#!/usr/bin/env bash") and not path.stat().st_mode & 0o100]
        self.assert_none(wrong)

    def test_shellcheck(self):
        if shutil.which("shellcheck") is None:
            self.skipTest("shellcheck is not installed")
        scripts = [str(f) for f in our_files() if (text_of(f) or "").startswith("#!/usr/bin/env bash")]
        result = subprocess.run(["shellcheck", "-x", *scripts], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, "\n" + result.stdout)

    def test_tests_that_readmes_name_exist(self):
        known = set()
        for path in cpp_files():
            known.update(re.findall(r"^TEST(?:_F)?\((\w+),\s*(\w+)\)", text_of(path) or "", re.MULTILINE))
        wrong = []
        for path in our_files():
            if path.name != "README.md":
                continue
            for suite, name in re.findall(r"`([A-Z]\w+)\.([A-Z]\w+)`", text_of(path) or ""):
                if (suite, name) not in known:
                    wrong.append(f"{path.relative_to(ROOT)}: there is no test {suite}.{name}")
        self.assert_none(wrong)


if __name__ == "__main__":
    unittest.main()

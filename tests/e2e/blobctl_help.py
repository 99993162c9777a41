"""The commands of blobctl as the program itself lists them: a new one is known here without being written down."""
import functools
import re
import subprocess
import unicodedata

from harness import BLOBCTL, DONE, TIMEOUT


def run(*args, **kwargs):
    return subprocess.run([str(BLOBCTL), *args], capture_output=True, text=True, timeout=TIMEOUT, check=False, **kwargs)


@functools.lru_cache(maxsize=None)
def help_of(*command):
    done = run(*command, "--help")
    assert done.returncode == DONE, done
    return done.stdout


def commands():
    """Every command, with those of commands of their own."""
    listed = help_of().split("\nCommands:\n")[1].split("\n\n")[0]
    for name in re.findall(r"\b(?<![A-Z])[a-z][a-z-]*", listed):
        yield (name,)
        text = help_of(name)
        below = text.split("\nCommands:\n")[1].split("\n\n")[0] if "\nCommands:\n" in text else ""
        for inner in re.findall(r"^  ([a-z-]+)", below, re.MULTILINE):
            yield (name, inner)


def width(text):
    """In columns of a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)

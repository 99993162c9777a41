"""What a comparison is: two sides that do the same work in turn, and the figures that are read off them."""
import dataclasses
import statistics
from typing import Callable, Optional

# How a figure comes from ours and theirs.
FASTER = "theirs / ours"    # of times: how many times as fast
SHARE = "ours / theirs"     # of costs and rates: how many times as much
MORE = "ours - theirs"
ALONE = "ours"

DEFAULT_SYNC = "blobd: default sync"
WARM = "warm page cache"


@dataclasses.dataclass(frozen=True)
class Run:
    """What one side took for one piece of work; None for what was not looked at."""
    seconds: Optional[float] = None
    cpu_seconds: Optional[float] = None
    peak_mib: Optional[float] = None        # of the getting process, VmHWM
    provider_mib: Optional[float] = None    # of the providing one
    per_second: Optional[float] = None
    kib: Optional[float] = None             # resident memory
    wakes_per_second: Optional[float] = None

    def with_provider(self, peak_mib):
        return dataclasses.replace(self, provider_mib=peak_mib)


@dataclasses.dataclass(frozen=True)
class Figure:
    """One row of the report. `of` reads a number in `unit` off a run."""
    of: Callable[[Run], float]
    how: str
    unit: str
    name: str = "time"
    least: Optional[float] = None
    most: Optional[float] = None

    @property
    def target(self):
        if self.least is not None:
            return f">= {self.least:g}"
        return f"<= {self.most:g}" if self.most is not None else "none"

    def is_met(self, value):
        """None if there is no target."""
        if self.least is not None:
            return value >= self.least
        return value <= self.most if self.most is not None else None

    def value(self, ours, theirs):
        if self.how == ALONE:
            return ours
        return {FASTER: lambda: theirs / ours, SHARE: lambda: ours / theirs, MORE: lambda: ours - theirs}[self.how]()


def times_as_fast(least=None):
    return Figure(lambda run: run.seconds, FASTER, "s", least=least)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """`theirs` is None where ours is held against a fixed bound. `needs`: programs and rights (tools.py)."""
    name: str
    ours: Callable[[], Run]
    theirs: Optional[Callable[[], Run]]
    figures: tuple
    needs: tuple = ()
    sync: str = DEFAULT_SYNC
    cache: str = WARM
    size: Optional[int] = None      # bytes of content, to say MB/s
    output: Optional[bool] = None   # written to a file of the caller's (-o), too; None: nothing to write
    is_long: bool = False           # takes minutes: only with --long
    times: Optional[int] = None     # at most so many pairs
    why_not: Optional[str] = None   # why it cannot be measured at all

    def run(self, pairs):
        """Measures it; returns its rows as they are reported."""
        runs = [(self.ours(), self.theirs() if self.theirs else Run()) for _ in range(min(pairs, self.times or pairs))]
        return [self._row(figure, runs) for figure in self.figures]

    def _row(self, figure, runs):
        pairs = [(figure.of(ours), figure.of(theirs) if figure.how != ALONE else None) for ours, theirs in runs]
        values = sorted(figure.value(ours, theirs) for ours, theirs in pairs)
        median = statistics.median(values)
        return {
            "row": self.name, "figure": figure.name, "how": figure.how, "unit": figure.unit,
            "value": {"min": values[0], "median": median, "max": values[-1]},
            "target": figure.target, "least": figure.least, "most": figure.most, "met": figure.is_met(median),
            "sync": self.sync, "cache": self.cache, "output": self.output, "size_bytes": self.size,
            "ours": statistics.median(ours for ours, _ in pairs),
            "theirs": statistics.median(theirs for _, theirs in pairs) if figure.how != ALONE else None,
            "pairs": [{"ours": ours, "theirs": theirs} for ours, theirs in pairs],
        }


def number(value):
    """Three digits, or as many as there are before the point."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def span_of(row):
    value = row["value"]
    return f"{number(value['median'])} ({number(value['min'])} to {number(value['max'])})"


def in_words(row):
    """A row for people, in one line."""
    span = span_of(row)
    if row["how"] == ALONE:
        text = f"{span} {row['unit']}"
    elif row["unit"] == "s" and row["size_bytes"]:
        megabytes = row["size_bytes"] / 1e6
        text = f"blobd {number(megabytes / row['ours'])} MB/s, other {number(megabytes / row['theirs'])} MB/s, ratio {span}"
    elif row["how"] == MORE:
        text = f"blobd {number(row['ours'])}, other {number(row['theirs'])}, more {span} {row['unit']}"
    else:
        unit = row["unit"]
        text = f"blobd {number(row['ours'])} {unit}, other {number(row['theirs'])} {unit}, ratio {span}"
    return f"{row['figure']}: {text}; target {row['target']}"

#!/usr/bin/env python3
"""What bench/run reads off its runs, and that its picture is one."""
import itertools
import unittest
import xml.dom.minidom

import plot
from measure import ALONE, FASTER, MORE, SHARE, Comparison, Figure, Run, in_words, times_as_fast


def rows(ours, theirs, *figures, size=None):
    """Of runs that took so many seconds, one after the other."""
    sides = [(lambda values=itertools.cycle(values): Run(seconds=next(values))) for values in (ours, theirs)]
    return Comparison("a row", *sides, figures, size=size).run(len(ours))


def seconds(how, **target):
    return Figure(lambda run: run.seconds, how, "s", **target)


class MeasureTest(unittest.TestCase):
    def test_how_a_figure_comes_from_both_sides(self):
        for how, value in ((FASTER, 4.0), (SHARE, 0.25), (MORE, -6.0), (ALONE, 2.0)):
            with self.subTest(how):
                self.assertEqual(rows([2.0], [8.0], seconds(how))[0]["value"]["median"], value)

    def test_pairs_are_compared_one_by_one(self):
        row = rows([1.0, 2.0, 4.0], [2.0, 6.0, 4.0], times_as_fast(3))[0]
        self.assertEqual(row["value"], {"min": 1.0, "median": 2.0, "max": 3.0})
        self.assertEqual(row["pairs"][1], {"ours": 2.0, "theirs": 6.0})

    def test_a_target_is_met_by_the_median(self):
        for figure, met, text in ((times_as_fast(3), True, ">= 3"), (times_as_fast(4.5), False, ">= 4.5"),
                                  (seconds(SHARE, most=0.25), True, "<= 0.25"), (seconds(SHARE, most=0.2), False, "<= 0.2"),
                                  (times_as_fast(), None, "none")):
            with self.subTest(text):
                row = rows([1.0], [4.0], figure)[0]
                self.assertEqual((row["met"], row["target"]), (met, text))

    def test_one_side_alone_and_fewer_pairs(self):
        calls = []
        comparison = Comparison("a row", lambda: calls.append(1) or Run(seconds=3.0), None, (seconds(ALONE, most=5),), times=2)
        row = comparison.run(5)[0]
        self.assertEqual((len(calls), row["theirs"], row["met"]), (2, None, True))

    def test_words(self):
        self.assertIn("blobd 100 MB/s, other 25 MB/s, ratio 4 (4 to 4); target >= 3",
                      in_words(rows([1.0], [4.0], times_as_fast(3), size=100_000_000)[0]))
        self.assertIn("2 (2 to 2) s; target <= 5", in_words(rows([2.0], [2.0], seconds(ALONE, most=5))[0]))


class PlotTest(unittest.TestCase):
    def test_every_row_is_in_a_document_that_can_be_read(self):
        some = rows([1.0, 2.0], [4.0, 4.0], times_as_fast(3), seconds(SHARE), seconds(ALONE, most=1), seconds(MORE, most=9))
        some.append({**some[0], "row": "<&> " + "long " * 50})
        document = xml.dom.minidom.parseString(plot.svg(some, 'a "caption" & more'))
        self.assertEqual(len(document.getElementsByTagName("circle")), len(some))
        # What has a target has a hook.
        self.assertEqual(len(document.getElementsByTagName("path")), sum(row["target"] != "none" for row in some))

    def test_no_row_and_nothing_above_zero(self):
        xml.dom.minidom.parseString(plot.svg([], "nothing"))
        xml.dom.minidom.parseString(plot.svg(rows([1.0], [1.0], seconds(MORE, most=9)), "no difference"))


if __name__ == "__main__":
    unittest.main()

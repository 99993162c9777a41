#!/usr/bin/env python3
"""Counts what a run of ctest did: count_results.py JUNIT_FILE GTEST_DIRECTORY > counts.json

A GoogleTest program that left its XML report counts with every single test in it, anything else as one test. A program
that failed although its report knows of no failure (it crashed, or a sanitizer spoke up) counts as one failure more.
"""
import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def count_gtest(report):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        if case.find("failure") is not None:
            counts["failed"] += 1
        elif case.get("status") == "notrun":
            continue
        elif case.get("result") == "skipped":
            counts["skipped"] += 1
        else:
            counts["passed"] += 1
    return counts


def main():
    junit, gtest = Path(sys.argv[1]), Path(sys.argv[2])
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for entry in ElementTree.parse(junit).getroot().iter("testcase"):
        ended_well = entry.get("status") == "run"
        # A program that was not built is "notrun" as well, and that is a failure.
        reason = entry.find("skipped")
        was_skipped = entry.get("status") == "disabled" or (
            reason is not None and reason.get("message", "").startswith("SKIP_"))
        counts = {"passed": int(ended_well), "failed": int(not ended_well and not was_skipped),
                  "skipped": int(was_skipped)}
        report = gtest / f"{entry.get('name')}.xml"
        if report.exists():
            try:
                counts = count_gtest(report)
            except ElementTree.ParseError:
                counts = {"passed": 0, "failed": 0, "skipped": 0}
            if not ended_well and counts["failed"] == 0:
                counts["failed"] = 1
        for name, count in counts.items():
            total[name] += count
    print(json.dumps(total))


if __name__ == "__main__":
    main()

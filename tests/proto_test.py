#!/usr/bin/env python3
"""The API has words for everything, its reference is up to date, and nothing that was released is gone."""
import tempfile
import unittest
from pathlib import Path

import api_reference

BEFORE = """\
// A file.
syntax = "proto3";
package blobd.v1;
service S {
  // One.
  rpc One(Question) returns (stream Answer);
}
message Question {
  // Text.
  string text = 1;
  // Numbers.
  repeated uint64 numbers = 2;
  // Perhaps.
  optional bool perhaps = 3;
  oneof which {
    // A.
    string a = 4;
    // B.
    bytes b = 5;
  }
  // By name.
  map<string, Answer> by_name = 6;
}
message Answer {
  // How.
  How how = 1;
  // Inside.
  message Inner {
    // Deep.
    int64 deep = 1;
  }
}
// How.
enum How {
  // Not said.
  HOW_UNSPECIFIED = 0;
  // Well.
  HOW_WELL = 1;
}
"""


class Reference(unittest.TestCase):
    def test_it_is_up_to_date_and_nothing_that_was_released_is_gone(self):
        said = api_reference.problems()
        self.assertEqual(said, [], "\n".join(said))

    def test_every_method_has_a_right(self):
        rights = api_reference.read_rights()
        for file in api_reference.read_files():
            for service in file.services:
                for method in service.members:
                    self.assertIn(f"{api_reference.short(service.name)}.{method.name}", rights)

    def test_reasons_have_a_meaning(self):
        for _, reasons in api_reference.read_reasons():
            for reason in reasons:
                self.assertTrue(reason.meaning, reason.name)


class Promises(unittest.TestCase):
    def describe(self, text):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "blobd" / "v1" / "s.proto"
            path.parent.mkdir(parents=True)
            path.write_text(text)
            self.files = api_reference.read_files(Path(directory))
        return api_reference.describe(self.files, [("", [api_reference.Reason("WORD", "", "")])])

    def test_everything_is_described(self):
        self.assertEqual(self.describe(BEFORE), {
            "method blobd.v1.S.One": "blobd.v1.Question -> stream blobd.v1.Answer",
            "message blobd.v1.Question": "",
            "field blobd.v1.Question 1": "string text",
            "field blobd.v1.Question 2": "repeated uint64 numbers",
            "field blobd.v1.Question 3": "optional bool perhaps",
            "field blobd.v1.Question 4": "string a of which",
            "field blobd.v1.Question 5": "bytes b of which",
            "field blobd.v1.Question 6": "map<string, blobd.v1.Answer> by_name",
            "message blobd.v1.Answer": "",
            "field blobd.v1.Answer 1": "blobd.v1.How how",
            "message blobd.v1.Answer.Inner": "",
            "field blobd.v1.Answer.Inner 1": "int64 deep",
            "value blobd.v1.How 0": "HOW_UNSPECIFIED",
            "value blobd.v1.How 1": "HOW_WELL",
            "reason WORD": "",
        })
        self.assertEqual(api_reference.without_comment(self.files), [])

    def test_it_is_kept_as_text(self):
        lines = self.describe(BEFORE)
        self.assertEqual(api_reference.parse_released(api_reference.format_released(lines)), lines)

    def test_what_breaks_callers_is_told(self):
        released = self.describe(BEFORE)
        for old, new, what in (
                ("string text = 1", "string words = 1", "field blobd.v1.Question 1"),
                ("string text = 1", "bytes text = 1", "field blobd.v1.Question 1"),
                ("string text = 1", "string text = 7", "field blobd.v1.Question 1"),
                ("string text = 1", "optional string text = 1", "field blobd.v1.Question 1"),
                ("repeated uint64", "uint64", "field blobd.v1.Question 2"),
                ("  // Deep.\n    int64 deep = 1;\n", "", "field blobd.v1.Answer.Inner 1"),
                ("HOW_WELL = 1", "HOW_WELL = 2", "value blobd.v1.How 1"),
                ("rpc One", "rpc Other", "method blobd.v1.S.One"),
                ("(stream Answer)", "(Answer)", "method blobd.v1.S.One"),
                ("message Inner", "message Another", "message blobd.v1.Answer.Inner")):
            with self.subTest(old=old, new=new):
                self.assertIn(old, BEFORE)
                broken = api_reference.broken_promises(released, self.describe(BEFORE.replace(old, new)))
                self.assertTrue(any(each.startswith(what + " ") for each in broken), broken)
                self.assertTrue(all("keep it" in each for each in broken), broken)

    def test_additions_break_nothing(self):
        released = self.describe(BEFORE)
        for old, new in (("  // Numbers.", "  // More.\n  string more = 9;\n  // Numbers."),
                         ("  // Well.", "  // Badly.\n  HOW_BADLY = 2;\n  // Well."),
                         ("  // One.", "  // Two.\n  rpc Two(Question) returns (Answer);\n  // One."),
                         ("message Answer {", "message More {}\nmessage Answer {")):
            with self.subTest(new=new):
                self.assertEqual(api_reference.broken_promises(released, self.describe(BEFORE.replace(old, new))), [])

    def test_what_has_no_comment_is_told(self):
        for comment, name in (("  // Text.\n", "blobd.v1.Question.text"), ("  // One.\n", "blobd.v1.S.One"),
                              ("// How.\nenum", "blobd.v1.How"), ("  // Well.\n", "blobd.v1.How.HOW_WELL"),
                              ("// A file.\n", "blobd/v1/s.proto")):
            with self.subTest(name):
                self.assertIn(comment, BEFORE)
                self.describe(BEFORE.replace(comment, "enum" if comment.endswith("enum") else "", 1))
                self.assertEqual(api_reference.without_comment(self.files), [name])


if __name__ == "__main__":
    unittest.main()

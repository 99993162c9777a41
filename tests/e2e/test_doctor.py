"""doctor, with a daemon and without one."""
import os
import signal
import unittest

from harness import DONE, FAILED, E2eTest


class Doctor(E2eTest):
    def findings(self, *args, code=DONE):
        document = self.ctl("doctor", "--json", *args, code=code).json()
        self.assertEqual(document["problems"], sum(f["verdict"] == "problem" for f in document["findings"]))
        for finding in document["findings"]:
            if finding["verdict"] != "ok":
                self.assertTrue(finding["next"], finding)
        return {finding["check"]: finding for finding in document["findings"]}

    def test_a_daemon_that_is_well(self):
        findings = self.findings()
        for check in ("socket", "group", "daemon", "state", "disk", "lookup", "port", "buffers", "clock"):
            self.assertIn(check, findings)
            self.assertNotEqual(findings[check]["verdict"], "problem", findings[check])
        self.assertIn("is for this machine only", findings["port"]["said"])
        self.assertIn("you", findings["group"]["said"])
        text = self.ctl("doctor").text
        self.assertRegex(text, r"(?m)^ok +socket +/")
        self.assertRegex(text, r"0 problems, \d+ warnings?\n\Z")
        self.assertNotRegex(self.ctl("doctor", "-q").text, r"(?m)^ok ")

    def test_what_is_wrong_has_a_next_step(self):
        self.ctl("pause", "--everything")
        self.assertIn("blobctl resume --everything", self.findings()["state"]["next"])
        self.daemon.stop()
        findings = self.findings(code=FAILED)
        self.assertEqual(findings["socket"]["verdict"], "problem")
        self.assertIn("start it with", findings["socket"]["next"])
        self.assertNotIn("daemon", findings)
        self.assertIn("clock", findings, "what needs no daemon is looked at all the same")

    def test_a_daemon_that_hangs(self):
        os.kill(self.daemon.pid, signal.SIGSTOP)
        try:
            finding = self.findings(code=FAILED)["daemon"]
        finally:
            os.kill(self.daemon.pid, signal.SIGCONT)
        self.assertEqual(finding["verdict"], "problem")
        self.assertIn("does not answer", finding["said"])


if __name__ == "__main__":
    unittest.main()

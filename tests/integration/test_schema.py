"""Reports and their schema: the schema is one, and describes every report that the library's own tests make.

Those of the command are held against it wherever a test reads one (adk.py).
"""
import copy
import json
import os
import re
import subprocess
import sys
import unittest

import adk

TESTS = os.environ.get("ADK_TESTS") or os.path.join(adk.ROOT, "build", "dev", "tests", "bin")
# Those that make reports: of every outcome, of failed calls, with bytes that are no text, of other backends, the tool's.
MAKERS = ["test_report", "test_backend", "test_executor", "test_wasm_reject", "test_wasm_determinism", "test_tool",
          "test_tool_read"]


class Schema(adk.Case):
    def test_is_one(self):
        adk.jsonschema.Draft202012Validator.check_schema(adk.SCHEMA)

    def test_reports_of_the_library(self):
        path = os.path.join(self.directory, "reports")
        outcomes = set()
        for name in MAKERS:
            done = subprocess.run([os.path.join(TESTS, name)], env=dict(os.environ, ADK_TEST_REPORTS=path),
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=adk.PATIENCE, check=False)
            self.assertEqual(done.returncode, 0, done.stdout)
        with open(path, encoding="utf-8") as reports:
            for line in reports:
                report = json.loads(line)
                self.assertEqual(adk.schema_violations(report) + adk.violations(report, adk.SCHEMA), [], line)
                outcomes.add(report["outcome"])
        self.assertEqual(outcomes, set(adk.SCHEMA["properties"]["outcome"]["enum"]))

    def test_the_report_without_memory(self):
        """It stands in the command's source, as a constant."""
        with open(os.path.join(adk.ROOT, "src", "cli", "report.c"), encoding="utf-8") as source:
            constant = re.search(r"out_of_memory\[\] =(.*?);\n", source.read(), re.S).group(1)
        text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', constant)).replace('\\"', '"')
        report = json.loads(text)
        self.assertEqual(adk.schema_violations(report) + adk.violations(report, adk.SCHEMA), [])
        self.assertEqual((report["outcome"], report["reason"]), (None, "nomem"))

    def test_what_it_refuses(self):
        good = self.report(adk.wat_exit(3))
        for change in ({"outcome": "crashed"}, {"exit_code": -1}, {"exit_code": "3"}, {"stdout": None}, {"report": 2},
                       {"usage": {}}, {"limits": {}}, {"files": [{}]}, {"trap": {}}, {"phase": "later"}, {"hint": 1},
                       {"bytes": {"stdout": -1, "stderr": 0}}, {"truncated": {"stdout": 1, "stderr": False}}):
            bad = copy.deepcopy(good)
            bad.update(change)
            self.assertNotEqual(adk.schema_violations(bad), [], change)
        for key in good:
            bad = copy.deepcopy(good)
            del bad[key]
            self.assertNotEqual(adk.schema_violations(bad), [], key)


if __name__ == "__main__":
    if adk.jsonschema is None:
        print("skipped: the package jsonschema is missing (Debian: python3-jsonschema)")
        sys.exit(77)
    adk.main()

"""Runs modules of the standard library's own tests, inside: suite.py MODULE... prints one JSON object a module and line."""
import io
import json
import sys
import time
import unittest

# Parts of names of tests, from standard input; the reasons are in test_cpython.py.
LEFT_OUT = json.loads(sys.stdin.read() or "[]")


def tests_of(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test


def run(name):
    began = time.monotonic()
    wanted = unittest.TestSuite(test for test in tests_of(unittest.defaultTestLoader.loadTestsFromName("test." + name))
                                if not any(part in test.id() for part in LEFT_OUT))
    result = unittest.TextTestRunner(io.StringIO(), verbosity=0, buffer=True).run(wanted)
    return {"run": result.testsRun, "skipped": len(result.skipped), "seconds": round(time.monotonic() - began, 1),
            "failed": {test.id(): trace for test, trace in result.failures + result.errors}}


sys.path.insert(0, "/suite")
for module in sys.argv[1:]:
    try:
        outcome = run(module)
    except Exception as error:
        outcome = {"run": 0, "skipped": 0, "failed": {module: repr(error)}}
    print(json.dumps({"module": module, **outcome}), flush=True)

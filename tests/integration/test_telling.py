"""What the command tells of runs beside their output: spans, capabilities, and on a terminal a summary and progress."""
import json
import os
import pty
import re
import stat
import subprocess
import unittest

import adk
import runtimes
from adk import WAT_LOOP, wat, wat_exit, wat_print

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
KEYS = ["trace", "name", "trace_id", "span_id", "parent_span_id", "trace_flags", "backend", "language", "outcome", "phase",
        "exit_code", "error", "start_ns", "duration_ns", "compile_ns", "instantiate_ns", "run_ns"]


class Trace(adk.Case):
    def spans(self, *arguments, status, traceparent=None, **options):
        """Runs with --trace into a new file, and returns the spans there."""
        path = os.path.join(self.directory, "trace")
        if os.path.exists(path):
            os.unlink(path)
        env = {name: value for name, value in os.environ.items() if name != "TRACEPARENT"}
        if traceparent is not None:
            env["TRACEPARENT"] = traceparent
        self.expect(self.ran("run", "--trace", path, *arguments, env=env, **options), status)
        with open(path, encoding="ascii") as file:
            return [self.span(line) for line in file]

    def span(self, line):
        self.assertTrue(line.endswith("\n"))
        span = json.loads(line)
        self.assertEqual(list(span), KEYS)
        self.assertEqual((span["trace"], span["name"]), (1, "adk-sandbox run"))
        for key, size in (("trace_id", 32), ("span_id", 16), ("trace_flags", 2)):
            self.assertRegex(span[key], "^[0-9a-f]{%d}$" % size)
        self.assertGreaterEqual(span["duration_ns"], span["compile_ns"] + span["instantiate_ns"] + span["run_ns"])
        return span

    def test_a_span_for_each_outcome(self):
        cases = [(wat_exit(7), ("exited", None, 7), 7), (wat("(unreachable)"), ("trapped", "run", None), 134),
                 ("nonsense", ("rejected", None, None), 126)]
        for text, ending, status in cases:
            span, = self.spans(self.file("t.wat", text), status=status)
            self.assertEqual((span["outcome"], span["phase"], span["exit_code"]), ending)
            self.assertEqual((span["backend"], span["language"], span["error"]), ("wasm", "wasm", None))
        span, = self.spans("-t", "50ms", self.file("t.wat", WAT_LOOP), status=124)
        self.assertEqual((span["outcome"], span["phase"], span["exit_code"]), ("timed_out", "run", None))
        self.assertGreaterEqual(span["duration_ns"], 50_000_000)

    def test_nothing_of_the_run_is_in_it(self):
        path = self.file("t.wat", wat_print(b"secret-output", then="(call $proc_exit (i32.const 3))"))
        span, = self.spans("-e", "SECRET=secret-variable", "-i", self.file("in", "secret-input"), "--", path, "secret-word",
                           status=3)
        self.assertNotIn("secret", json.dumps(span).lower())

    def test_trace_context(self):
        path = self.file("t.wat", wat_exit(0))
        span, = self.spans(path, status=0, traceparent="00-%s-%s-00" % (TRACE, PARENT))
        self.assertEqual((span["trace_id"], span["parent_span_id"], span["trace_flags"]), (TRACE, PARENT, "00"))
        self.assertNotIn(span["span_id"], (PARENT, "0" * 16))
        for wrong in (None, "", "00-%s-%s" % (TRACE, PARENT), "00-%s-%s-01" % ("0" * 32, PARENT)):
            first, = self.spans(path, status=0, traceparent=wrong)
            self.assertIsNone(first["parent_span_id"])
            self.assertNotIn(first["trace_id"], (TRACE, "0" * 32))
            self.assertEqual(first["trace_flags"], "01")

    def test_lines_are_appended(self):
        path = self.file("trace", "before\n")
        for _ in range(2):
            self.expect(self.ran("run", "--trace", path, self.file("t.wat", wat_exit(0))), 0)
        with open(path, encoding="ascii") as file:
            lines = file.readlines()
        self.assertEqual((len(lines), lines[0]), (3, "before\n"))
        self.assertNotEqual(json.loads(lines[1])["span_id"], json.loads(lines[2])["span_id"])
        self.assertFalse(os.stat(path).st_mode & stat.S_IXUSR)

    def test_standard_error_and_the_report(self):
        path = self.file("t.wat", wat_print(b"out"))
        done = self.expect(self.ran("run", "--trace", "-", path), 0)
        self.assertEqual(done.stdout, b"out")
        self.assertEqual(self.span(done.stderr.decode())["outcome"], "exited")
        done = self.expect(self.ran("run", "--json", "--trace=-", path), 0)
        self.assertEqual(adk.parsed(done.stdout)["stdout"], "out")
        self.assertEqual(self.span(done.stderr.decode())["exit_code"], 0)

    def test_where_it_cannot_go(self):
        path = self.file("t.wat", wat_exit(0))
        fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(fifo)
        for target, words in ((self.directory, b"Is a directory"), (os.path.join(self.directory, "no", "where"), b"No such"),
                              (fifo, b"nobody reads from it"), ("", b"No such file")):
            done = self.expect(self.ran("run", "--trace", target, path), 2)
            self.assertTrue(done.stderr.startswith(b"adk-sandbox: run: --trace: cannot open "), str(done))
            self.assertIn(words, done.stderr)
        done = self.expect(self.ran("run", "--trace", "/dev/full", path), 125)
        self.assertEqual(done.stderr, b"adk-sandbox: run: --trace: cannot write it: No space left on device\n")


class Capabilities(adk.Case):
    def test_json(self):
        answer = self.one_object(self.expect(self.ran("capabilities", "--json"), 0))
        self.assertEqual(set(answer), {"capabilities", "version", "engine", "backends", "processes"})
        self.assertEqual(answer["capabilities"], 1)
        wasm = next(backend for backend in answer["backends"] if backend["name"] == "wasm")
        self.assertEqual((wasm["available"], wasm["isolation"], wasm["languages"]), (True, "wasm", ["wasm"]))
        self.assertEqual(wasm["enforces"], {name: True for name in (
            "timeout", "memory", "network", "file_read", "file_write", "environment", "output", "fuel", "determinism",
            "files")})

        walls = answer["processes"]["walls"]
        self.assertTrue(answer["processes"]["available"] and walls["no_new_privileges"] and walls["system_calls"] and
                        walls["limits"], walls)
        self.assertEqual(set(walls), {"no_new_privileges", "system_calls", "user", "processes", "network", "files", "ipc",
                                      "limits", "memory"})

    def test_runtimes(self):
        env = runtimes.home(self.directory)
        answer = self.one_object(self.expect(self.ran("capabilities", "--json", env=env), 0))
        self.assertEqual([backend["name"] for backend in answer["backends"]][:4], ["wasm", "python", "javascript", "typescript"])
        for backend in answer["backends"][1:]:
            self.assertEqual(set(backend), {"name", "available", "reason"})
            self.assertIn("is not installed: adk-sandbox runtime install", backend["reason"])
        answer = self.one_object(self.expect(self.ran("capabilities", "--json", env=runtimes.installed("javascript")), 0))
        javascript = next(backend for backend in answer["backends"] if backend["name"] == "javascript")
        self.assertEqual((javascript["available"], javascript["isolation"], javascript["languages"]),
                         (True, "wasm+process", ["javascript"]))

    def test_text(self):
        text = self.expect(self.ran("capabilities"), 0).stdout.decode()
        self.assertIn("\nprocesses of their own, isolation wasm+process\n  walls     no_new_privileges, system_calls", text)
        self.assertIn("wasm, isolation wasm\n  runs      wasm\n  enforces  timeout, memory, network, ", text)

    def test_wrong(self):
        done = self.expect(self.ran("capabilities", "all"), 2)
        self.assertEqual((done.stdout, done.stderr), (b"", b"adk-sandbox: capabilities: takes no arguments, and \"all\" is one\n"))
        answer = self.one_object(self.expect(self.ran("capabilities", "--json", "all"), 2))
        self.assertEqual(answer["reason"], "invalid")


class Terminal(adk.Case):
    def on_a_terminal(self, *arguments, out=None, env=None):
        """Runs with standard error, and if `out` is not given standard output, on a terminal; what appeared, and the status."""
        master, slave = pty.openpty()
        settings = {"TERM": "xterm", "LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", ""), **(env or {})}
        for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                settings[name] = os.environ[name]
        process = adk.start("run", *arguments, stdin=subprocess.DEVNULL, stdout=slave if out is None else out, stderr=slave,
                            env=settings)
        self.addCleanup(process.wait)
        os.close(slave)
        seen = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
        os.close(master)
        return seen.decode().replace("\r\n", "\n"), process.wait(timeout=adk.PATIENCE)

    def test_a_summary(self):
        loop = self.file("loop.wat", WAT_LOOP)
        red = "\x1b[1;31m\u2717\x1b[0m "
        self.assertEqual(self.on_a_terminal("-t", "50ms", loop),
                         (red + "timed out after 50ms in run \u00b7 64.0 KiB peak\n", 124))
        seen, status = self.on_a_terminal(self.file("exit.wat", wat_exit(3)))
        self.assertEqual(status, 3)
        self.assertRegex(seen, "^" + re.escape(red) + r"exited with 3 after [0-9.]+(us|ms|s) \u00b7 64\.0 KiB peak\n$")
        seen, status = self.on_a_terminal(self.file("trap.wat", wat("(unreachable)")))
        lines = seen.split("\n")
        self.assertEqual(status, 134)
        self.assertEqual(lines[0], "\x1b[1madk-sandbox:\x1b[0m trapped: unreachable: wasm trap: wasm `unreachable` "
                                   "instruction executed")
        self.assertRegex(lines[-2], "^" + re.escape(red) + r"trapped: unreachable in run after [0-9.]+(us|ms|s) \u00b7 ")
        seen, status = self.on_a_terminal("-c", "nonsense")
        self.assertRegex(seen.split("\n")[-2], r"rejected: malformed after [0-9.]+(us|ms|s) \u00b7 0 B peak$")

    def test_plainly(self):
        loop = self.file("loop.wat", WAT_LOOP)
        words = "timed out after 50ms in run"
        for env, line in (({"NO_COLOR": "1"}, "\u2717 %s \u00b7 64.0 KiB peak\n"), ({"TERM": "dumb"}, "\u2717 %s \u00b7 64.0 KiB peak\n"),
                          ({"LC_ALL": "C", "NO_COLOR": "1"}, "x %s - 64.0 KiB peak\n"),
                          ({"LC_ALL": "", "LANG": "de_DE.utf8", "NO_COLOR": "1"}, "\u2717 %s \u00b7 64.0 KiB peak\n")):
            self.assertEqual(self.on_a_terminal("-t", "50ms", loop, env=env)[0], line % words)

    def test_none(self):
        self.assertEqual(self.on_a_terminal(self.file("t.wat", wat_print(b"fine\n"))), ("fine\n", 0))
        done = self.expect(self.ran("run", "-t", "50ms", self.file("loop.wat", WAT_LOOP)), 124)
        self.assertEqual(done.stderr, b"adk-sandbox: timed out after 50ms in run\n")
        with open(os.path.join(self.directory, "out"), "w+b") as out:
            seen, status = self.on_a_terminal("--json", "-t", "50ms", self.file("loop.wat", WAT_LOOP), out=out)
            self.assertEqual((seen, status), ("", 124))
            out.seek(0)
            self.assertEqual(adk.parsed(out.read())["outcome"], "timed_out")

    def test_progress_of_compiling(self):
        """20,000 loops take the compiler half a minute; what was written is taken away in the end."""
        path = self.file("slow\x1b.wat", '(module (func (export "_start") %s))' % ("loop end " * 20000))
        seen, status = self.on_a_terminal("-t", "2500ms", path, env={"NO_COLOR": "1"})
        self.assertEqual(status, 124)
        line = re.escape("\radk-sandbox: compiling %s: " % os.path.join(self.directory, "slow\\x1B.wat")) + r"\d s "
        self.assertRegex(seen, "^(%s)+\r\x1b\\[K\u2717 timed out after 2\\.5s in compile \u00b7 0 B peak\n$" % line)
        fast = self.file("spin.wat", WAT_LOOP)
        seen, status = self.on_a_terminal("-t", "1500ms", fast, env={"NO_COLOR": "1"})
        self.assertNotIn("compiling", seen)


if __name__ == "__main__":
    adk.main()

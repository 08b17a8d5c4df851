"""Real programs: QuickJS and CPython, compiled to WebAssembly by others. scripts/fetch-programs brings them.

The deadline covers compilation, which takes seconds here, so the timeouts are long and the runs few.
"""
import json

import adk


class JavaScript(adk.Case):
    def setUp(self):
        super().setUp()
        self.path = adk.program("quickjs.wasm")
        adk.compiled(self.path)

    def qjs(self, *arguments, options=(), status=0, **more):
        return self.expect(self.ran("run", "-t", "60s", *options, self.path, *arguments, **more), status)

    def test_an_expression(self):
        self.assertEqual(self.qjs("-e", "console.log(6*7)").stdout, b"42\n")

    def test_arguments_environment_and_status(self):
        done = self.qjs("--std", "-e", "std.out.puts(std.getenv('WHO') + '\\n'); std.exit(scriptArgs.length)", "a", "b",
                        options=["-e", "WHO=Ada"], status=self.count())
        self.assertEqual(done.stdout, b"Ada\n")

    def count(self):
        """How many arguments this build hands to the script: it is the guest's business, not ours."""
        done = self.ran("run", "-t", "60s", self.path, "-e", "console.log(scriptArgs.length)", "a", "b")
        return int(done.stdout)

    def test_an_exception_is_its_own_exit_and_not_a_trap(self):
        done = self.ran("run", "--json", "-t", "60s", self.path, "-e", "throw new Error('oops')")
        report = self.report_of(done, "exited")
        self.assertEqual(report["exit_code"], 1)
        self.assertIn("oops", report["stdout"] + report["stderr"])

    def test_a_script_of_standard_input(self):
        done = self.qjs("--std", "-e", "let l; while ((l = std.in.getline()) !== null) console.log(l.toUpperCase())",
                        options=["-i", "-"], stdin="alpha\nbeta \u00fc\n".encode())
        self.assertEqual(done.stdout.decode(), "ALPHA\nBETA \u00dc\n")

    def test_an_endless_loop(self):
        done = self.ran("run", "--json", "-t", "6s", self.path, "-e", "print('begun'); for (;;);")
        report = self.report_of(done, "timed_out", 124)
        if report["phase"] == "run":
            self.assertEqual(report["stdout"], "begun\n")
        self.ended_within(done, 6)

    def test_memory_is_bounded(self):
        done = self.ran("run", "--json", "-t", "60s", "-m", "16MiB", self.path, "-e",
                        "let a = []; for (;;) a.push('x'.repeat(100000) + a.length)")
        report = self.report_of(done)
        self.assertIn(report["outcome"], ("exited", "memory_limit"))
        self.assertGreater(report["usage"]["memory_denied"], 0)
        self.assertLessEqual(report["usage"]["memory_peak_bytes"], 16 << 20)
        self.assertNotEqual(done.status, 0)

    def test_seed_and_clock(self):
        code = "console.log(Math.random(), Math.random(), Date.now())"
        options = ["--seed", "3", "--clock", "2024-02-29T12:00:00Z"]
        first, second = (self.qjs("-e", code, options=options).stdout for _ in range(2))
        self.assertEqual(first, second)
        self.assertTrue(first.split()[2].startswith(b"17092080000"), first)


class Python(adk.Case):
    def setUp(self):
        super().setUp()
        self.path = adk.program("python-3.12.0.wasm")
        adk.compiled(self.path)

    def python(self, *arguments, options=(), timeout="120s", memory="512MiB", **more):
        return self.ran("run", "-t", timeout, "-m", memory, *options, self.path, "-S", "-I", *arguments,
                        patience=200, **more)

    def test_an_expression(self):
        done = self.expect(self.python("-c", "print(6*7)"), 0)
        self.assertEqual(done.stdout, b"42\n", str(done))

    def test_a_script_of_standard_input_that_exits_with_3(self):
        script = "import sys, os\nprint(sys.version_info[:2], sys.argv, dict(os.environ))\nsys.stderr.write('err\\n')\nsys.exit(3)\n"
        done = self.python("-", "one", options=["--json", "-i", "-", "-e", "A=b"], stdin=script.encode())
        report = self.report_of(done, "exited", 3)
        self.assertEqual(report["stdout"], "(3, 12) ['-', 'one'] {'A': 'b'}\n")
        self.assertEqual(report["stderr"], "err\n")

    def test_an_endless_loop_is_timed_out_and_its_output_kept(self):
        done = self.python("-c", "print('begun', flush=True)\nwhile True: pass", options=["--json"], timeout="30s")
        report = self.report_of(done, "timed_out", 124)
        self.assertEqual((report["phase"], report["stdout"]), ("run", "begun\n"))
        self.ended_within(done, 30)

    def test_a_memory_error_is_python_s_to_handle(self):
        code = ("a = []\ntry:\n    while True: a.append(bytearray(1 << 20))\n"
                "except MemoryError:\n    n = len(a); del a; print('memory error', 20 < n < 128)")
        report = self.report_of(self.python("-c", code, options=["--json"], memory="128MiB"), "exited", 0)
        self.assertEqual(report["stdout"], "memory error True\n")
        self.assertGreater(report["usage"]["memory_denied"], 0)
        self.assertLessEqual(report["usage"]["memory_peak_bytes"], 128 << 20)

    def test_what_it_can_see_of_the_host(self):
        code = ("import os, json\nseen = {}\nfor p in ('/', '/etc', '/proc', '.', '..', '/..'):\n"
                "    try: seen[p] = os.listdir(p)\n    except OSError as e: seen[p] = 'no'\n"
                "try: open('/etc/passwd'); seen['read'] = True\nexcept OSError: pass\n"
                "open('/f', 'w').write('x' * 1000); seen['mine'] = len(open('/f').read()); print(json.dumps(seen))")
        done = self.python("-c", code)
        if done.status != 0 and b"json" in done.stderr:
            self.skipTest("this Python has no json without its library")
        self.expect(done, 0)
        seen = json.loads(done.stdout)
        self.assertNotIn("read", seen)
        self.assertEqual(seen["/proc"], "no")
        self.assertEqual(seen["mine"], 1000)
        self.assertNotIn("etc", seen["/"])


if __name__ == "__main__":
    adk.main()

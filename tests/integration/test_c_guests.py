"""C programs, compiled by clang against wasi-libc: what a program written by an agent most often is."""
import re

import adk


class Tool(adk.Case):
    def setUp(self):
        super().setUp()
        self.path = adk.guest("tool")

    def tool(self, *arguments, options=(), status=0, **more):
        return self.expect(self.ran("run", *options, self.path, *arguments, **more), status)

    def tool_report(self, *arguments, options=(), **more):
        return self.report_of(self.ran("run", "--json", *options, self.path, *arguments), **more)

    def test_arguments_and_environment(self):
        done = self.tool("show", "one", "two words", "", "\u20ac", options=["-e", "A=1", "-e", "B=x=y"])
        self.assertEqual(done.stdout.decode().splitlines(),
                         ["argument 0: one", "argument 1: two words", "argument 2: ", "argument 3: \u20ac",
                          "environment: A=1", "environment: B=x=y", "HOME is not set"])
        self.assertIn(b"HOME is here", self.tool("show", options=["-e", "HOME=here"]).stdout)

    def test_standard_input(self):
        done = self.tool("number", options=["-i", "-"], stdin=b"alpha\nbeta\ngamma")
        self.assertEqual((done.stdout, done.stderr), (b"1 alpha\n2 beta\n3 gamma", b"3 lines, end 1, error 0\n"))
        self.assertEqual(self.tool("number").stderr, b"0 lines, end 1, error 0\n")

    def test_the_end_of_standard_input_stays_the_end(self):
        self.assertEqual(self.tool("read-loop", options=["-i", "-"], stdin=b"x" * 5000).stdout, b"5000\n")

    def test_both_streams_and_the_status(self):
        done = self.tool("both", status=7)
        self.assertEqual((done.stdout, done.stderr), (b"to standard output\n", b"to standard error\n"))

    def test_exit_flushes(self):
        for code in (0, 1, 42, 125, 255):
            self.assertEqual(self.tool("exit", str(code), status=code).stdout, b"leaving")
        report = self.tool_report("exit", "-1", outcome="exited", status=255)
        self.assertEqual(report["exit_code"], 0xFFFFFFFF)

    def test_buffers_of_the_c_library(self):
        done = self.tool("buffers")
        self.assertEqual((done.stdout, done.stderr), (b"a" + b"x" * 10000 + b"d\n", b"bc"))

    def test_floats(self):
        lines = self.tool("floats").stdout.decode().splitlines()
        self.assertEqual(lines[0], "3.141593 6.022141e+23 1e-10 2.001 0 0x1p+0")
        self.assertEqual(lines[1], "inf -inf nan 0.10000000000000001 -0")
        self.assertEqual(lines[2], "0.841471 1.414214 1.414214")
        self.assertEqual(lines[3], "s -1 -9223372036854775808 18446744073709551615 ff c    42|42   |00042")

    def test_sleep_sleeps(self):
        done = self.tool("sleep", "300")
        self.assertGreaterEqual(done.seconds, 0.3)
        self.assertGreaterEqual(int(done.stdout), 300)

    def test_sleep_does_not_outlive_the_deadline(self):
        report = self.tool_report("sleep", "60000", options=["-t", "2s"], outcome="timed_out", status=124)
        self.assertEqual(report["phase"], "host_call")
        self.assertLess(report["duration_ms"], 2000 + adk.SLACK_SECONDS * 1000)

    def test_a_loop_of_host_calls_ends_at_the_deadline(self):
        report = self.tool_report("yield", options=["-t", "2s"], outcome="timed_out", status=124)
        self.assertGreater(report["usage"]["host_calls"], 1000)

    def test_clock(self):
        import time
        real, _ = map(int, self.tool("clock").stdout.split())
        self.assertLess(abs(real / 1e9 - time.time()), 60)

    def test_random(self):
        first, mean = self.tool("random").stdout.split()
        second, _ = self.tool("random").stdout.split()
        self.assertEqual(len(first), 512)
        self.assertNotEqual(first, second)
        self.assertIn(int(mean), range(120, 136))

    def test_malloc_until_null(self):
        for size in (2, 16, 64):
            with self.subTest(mebibytes=size):
                report = self.tool_report("malloc", "65536", options=["-m", "%dMiB" % size], outcome="exited", status=0)
                got = int(re.match(r"(\d+) bytes, errno 1\nagain\n$", report["stdout"]).group(1))
                self.assertLess(got, size << 20)
                self.assertGreater(got, (size << 20) // 2)
                self.assertGreaterEqual(report["usage"]["memory_denied"], 1)
                self.assertLessEqual(report["usage"]["memory_peak_bytes"], size << 20)

    def test_abort_and_assert(self):
        report = self.tool_report("abort", outcome="trapped", status=134)
        self.assertEqual(report["trap"]["kind"], "unreachable")
        self.assertEqual(report["stdout"], "in the buffer\n")
        self.assertIn("abort", str(report["trap"]["backtrace"]))
        report = self.tool_report("assert", outcome="trapped", status=134)
        self.assertIn("argc == 12345", report["stderr"])
        self.assertIn("do_assert", str(report["trap"]["backtrace"]))

    def test_deep_recursion(self):
        self.assertEqual(self.tool("deep", "100").stdout, b"1\n")
        report = self.tool_report("deep", outcome="trapped", status=134)
        self.assertIn(report["trap"]["kind"], ("stack_overflow", "memory_out_of_bounds"))

    def test_nothing_is_a_terminal(self):
        self.assertEqual(self.tool("isatty").stdout, b"0 0 0\n")

    def test_private_files(self):
        self.assertEqual(self.tool("files").stdout, b"1 entry\n")

    def test_nothing_of_the_host_is_there(self):
        self.assertEqual(self.tool("escape").stdout, b"0 opened\n")

    def test_files_are_under_the_same_budget(self):
        report = self.tool_report("fill-files", options=["-m", "8MiB"], outcome="exited", status=0)
        got = int(re.match(r"(\d+) bytes, then no space\n$", report["stdout"]).group(1))
        self.assertGreater(got, 4 << 20)
        self.assertLess(got, 8 << 20)

    def test_closing_standard_output(self):
        self.assertEqual(self.tool("closed").stderr, b"closed\n")

    def test_writes_go_on_succeeding_past_the_limit(self):
        report = self.tool_report("write", "3000000", outcome="exited", status=0)
        self.assertEqual(report["stderr"], "0 failures\n")
        self.assertEqual(report["bytes"]["stdout"], 3000000)
        self.assertTrue(report["truncated"]["stdout"])
        self.assertEqual(len(report["stdout"]), 1 << 20)
        self.assertEqual(report["stdout_tail"], "x" * 65536)

    def test_a_guest_that_filled_its_memory_can_still_say_so(self):
        report = self.tool_report("malloc", "4096", options=["-m", "1MiB"], outcome="exited", status=0)
        self.assertIn("bytes, errno 1", report["stdout"])


if __name__ == "__main__":
    adk.main()

"""The options of `run`, as a user gives them and as one mistypes them."""
import os
import signal
import subprocess
import time

import adk
from adk import wat_print

HELLO = wat_print(b"hello\n")


class Options(adk.Case):
    def setUp(self):
        super().setUp()
        self.hello = self.file("hello.wat", HELLO)
        self.args = adk.source("args.wat")
        with open(self.args, encoding="utf-8") as file:
            self.args_text = file.read()

    def says_hello(self, *arguments, **options):
        done = self.expect(self.ran("run", *arguments, **options), 0)
        self.assertEqual(done.stdout, b"hello\n")
        return done

    def refused(self, *arguments, words=(), **options):
        """A usage error: exit status 2, one line on stderr that has the words, nothing on stdout."""
        done = self.expect(self.ran("run", *arguments, **options), 2)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(done.stderr.count(b"\n"), 1, str(done))
        self.assertTrue(done.stderr.startswith(b"adk-sandbox: "), str(done))
        for word in words:
            self.assertIn(word.encode(), done.stderr)
        return done

    def seen(self, *arguments, **options):
        """What the guest saw: its arguments and its environment."""
        done = self.expect(self.ran("run", *arguments, **options), 0)
        arguments, environment = done.stdout.split(b"\n", 1)
        return arguments.split(b"\0")[:-1], environment.split(b"\0")[:-1]


class Forms(Options):
    def test_attached_and_separate_values(self):
        for form in (["-t", "2s"], ["-t2s"], ["--timeout", "2s"], ["--timeout=2s"], ["-vt2s"], ["-t", "1.5s"], ["-t", "2m"],
                     ["-t", "900ms"], ["-t", "900000us"], ["-t", "900000000ns"]):
            with self.subTest(form=form):
                self.says_hello(*form, self.hello)

    def test_unknown_options_are_refused_and_named(self):
        for option in ("--nope", "-x", "--Timeout", "--timeou", "--jsonx", "-tx2", "---", "--no-json"):
            with self.subTest(option=option):
                self.refused(option, self.hello, words=[option.split("=")[0] if option != "-tx2" else "x2"])

    def test_an_unknown_option_after_good_ones(self):
        self.refused("-t", "2s", "-v", "--color=always", self.hello, words=["--color"])

    def test_missing_values(self):
        for option, name in (("-t", "timeout"), ("--timeout", "timeout"), ("-m", "memory"), ("-e", "env"), ("-i", "stdin"),
                             ("-l", "language"), ("-c", "code"), ("--output-limit", "output-limit"),
                             ("--output-policy", "output-policy"), ("--fuel", "fuel"), ("--seed", "seed"),
                             ("--clock", "clock")):
            with self.subTest(option=option):
                self.refused(option, words=[name])

    def test_flags_take_no_value(self):
        done = self.ran("run", "--json=yes", self.hello)
        self.expect(done, 2)
        self.assertIn(b"json", done.stdout + done.stderr)
        self.refused("--verbose=1", self.hello, words=["verbose"])

    def test_file_is_missing(self):
        self.refused(words=["FILE"])
        self.refused("-t", "2s", words=["FILE"])
        self.refused("--", words=["FILE"])

    def test_of_a_repeated_option_the_last_counts(self):
        self.expect(self.code(adk.WAT_LOOP, "-t", "60s", "-t", "200ms"), 124)
        self.says_hello("-t", "1ns", "-t", "5s", self.hello)
        self.says_hello("-m", "1KiB", "--memory=1MiB", self.hello)
        self.assertEqual(self.report(HELLO, "--json", outcome="exited")["stdout"], "hello\n")

    def test_a_wrong_value_is_refused_even_if_a_later_one_is_right(self):
        self.refused("-t", "nonsense", "-t", "5s", self.hello, words=["nonsense"])

    def test_double_dash_ends_the_options(self):
        self.says_hello("--", self.hello)
        self.says_hello("-t2s", "--", self.hello)
        self.refused("--", "-v", words=["-v"])
        os.rename(self.hello, os.path.join(self.directory, "-v"))
        self.says_hello("--", "-v", cwd=self.directory)

    def test_options_after_file_are_the_guest_s(self):
        seen, _ = self.seen(self.args, "-t", "--json", "--nope", "--", "-", "", "-m1")
        self.assertEqual(seen, [b"args.wat", b"-t", b"--json", b"--nope", b"--", b"-", b"", b"-m1"])

    def test_arguments_behind_double_dash(self):
        seen, _ = self.seen("--", self.args, "--", "x")
        self.assertEqual(seen, [b"args.wat", b"--", b"x"])


class Values(Options):
    def test_bad_durations(self):
        for value in ("", "0", "5", "0s", "0ns", "-1s", "+1s", " 1s", "1s ", "1 s", "1S", "1h", "1d", "s", "1e3s", "0x10s", "1,5s",
                      "1.s", ".5s", "1..5s", "1s1s", "nan", "inf", "0.1ns", "99999999999999999999s", "18446744074s",
                      "1" * 5000 + "s", "\u0661s", "1\u00b5s", "1.5.5s", "0.0s"):
            with self.subTest(value=value):
                self.refused("-t", value, self.hello, words=["timeout"])

    def test_huge_timeouts_do_not_overflow(self):
        for value in ("18446744073s", "18446744073709551615ns", "9223372036854775807ns", "9223372036854775808ns",
                      "292471208677us", "307445734m"):
            with self.subTest(value=value):
                self.says_hello("-t", value, self.hello)

    def test_a_deadline_at_once(self):
        report = self.report(HELLO, "-t", "1ns", outcome="timed_out", status=124)
        self.assertEqual(report["stdout"], "", "no guest code runs")

    def test_bad_sizes(self):
        for option in ("-m", "--output-limit"):
            for value in ("", "0", "0MiB", "-1", "-1MiB", "1MB", "1kb", "1XiB", "MiB", "1 MiB", "1MiB ", "1e6", "0x40", "1MiBs",
                          "99999999999999999999", "18446744073709551616", "18014398509481984KiB", "17592186044416MiB",
                          "17179869184GiB", "1TiB"):
                with self.subTest(option=option, value=value):
                    self.refused(option, value, self.hello, words=["memory" if option == "-m" else "output-limit"])

    def test_good_sizes(self):
        for value in ("65536", "65536B", "64KiB", "1MiB", "1GiB", "4GiB", "8GiB"):
            with self.subTest(value=value):
                self.says_hello("-m", value, self.hello)

    def test_limits_beyond_the_address_space_are_refused_or_just_work(self):
        for value in ("1024GiB", "1025GiB", "16777216GiB", "17179869183GiB", "18446744073709551615"):
            with self.subTest(value=value):
                done = self.ran("run", "-m", value, self.hello)
                self.assertIn(done.status, (0, 2), str(done))
                if done.status == 2:
                    self.assertIn(b"memory", done.stderr)

    def test_bad_numbers(self):
        for option in ("--seed", "--fuel"):
            for value in ("", "x", "-1", "+1", "1.5", "1e3", "0x", "18446744073709551616", " 1", "1 ", "1k"):
                with self.subTest(option=option, value=value):
                    self.refused(option, value, self.hello, words=[option[2:]])
        self.refused("--fuel", "0", self.hello, words=["fuel"])

    def test_good_numbers(self):
        for option, value in (("--seed", "0"), ("--seed", "18446744073709551615"), ("--fuel", "1000000"),
                              ("--fuel", "18446744073709551615"), ("--fuel", "9223372036854775808")):
            with self.subTest(option=option, value=value):
                self.says_hello(option, value, self.hello)

    def test_bad_times(self):
        for value in ("", "now", "-1", "2024", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z",
                      "2024-01-01", "2024-01-01T00:00:00", "2024-01-01T25:00:00Z", "2024-01-01T00:60:00Z",
                      "2024-01-01T00:00:00+25:00", "2024-1-1T0:0:0Z", "2024-01-01T00:00:00Zx", "1.5", "18446744073709551616",
                      "99999-01-01T00:00:00Z", "2024-01-01T00:00:00.Z", "2024-00-01T00:00:00Z", "2024-01-00T00:00:00Z"):
            with self.subTest(value=value):
                if value == "2024":
                    self.says_hello("--clock", value, self.hello)   # nanoseconds
                else:
                    self.refused("--clock", value, self.hello, words=["clock"])

    def test_good_times(self):
        for value, ns in (("0", 0), ("1", 1), ("2024-02-29T12:00:00Z", 1709208000 * 10**9),
                          ("2024-02-29T12:00:00.5+01:00", 1709204400500000000), ("1970-01-01T00:00:00Z", 0),
                          ("2024-02-29t12:00:00z", 1709208000 * 10**9), ("2000-02-29T23:59:59.999999999-00:30", 951870599999999999)):
            with self.subTest(value=value):
                self.assertEqual(self.report(HELLO, "--clock", value, outcome="exited")["limits"]["clock_start_ns"], ns)

    def test_language(self):
        self.says_hello("-l", "wasm", self.hello)
        self.says_hello("-l", "wasm", self.file("hello.py", HELLO))
        self.refused("-l", "cobol", self.hello, words=["language", "cobol"])
        self.refused("-l", "WASM", self.hello, words=["language"])
        for word in ("rust", "command"):
            self.refused("-l", word, self.hello, words=["does not support language " + word])

    def test_language_by_ending(self):
        for name, word in (("a.rs", "rust"), ("a.sh", "command")):
            self.refused(self.file(name, HELLO), words=[word])
        nothing = {**os.environ, "ADK_SANDBOX_RUNTIMES": self.directory}
        for name, word in (("a.py", "python"), ("a.js", "javascript"), ("a.mjs", "javascript"), ("a.CJS", "javascript"), ("a.ts", "javascript")):
            done = self.expect(self.ran("run", self.file(name, HELLO), env=nothing), 125)
            self.assertIn(b'the runtime "%s" is not installed' % word.encode(), done.stderr)
        for name in ("a", "a.wat", "a.wasm", "a.txt", ".wasm"):
            self.says_hello(self.file(name, HELLO))

    def test_output_policy(self):
        self.refused("--output-policy", "drop", self.hello, words=["output-policy", "drop"])
        self.says_hello("--output-policy", "truncate", self.hello)
        self.says_hello("--output-policy", "stop", self.hello)

    def test_nul_ends_no_argument_early(self):
        """The system passes no NUL in an argument; in the module's own bytes they are fine."""
        self.expect(self.code(b"\0\0\0\0"), 126)
        self.assertIn(self.code(b";; \0 in a comment\n" + HELLO.encode()).status, (0, 126))
        self.expect(self.code(HELLO.encode() + b"\0nonsense"), 126)


class Environment(Options):
    def test_nothing_of_ours_is_seen(self):
        _, environment = self.seen(self.args, env={**os.environ, "ADK_SECRET": "x"})
        self.assertEqual(environment, [])

    def test_variables_are_passed(self):
        _, environment = self.seen("-e", "A=1", "--env=B=", "-eC=x=y", "--env", "D=with space \u20ac\n", self.args)
        self.assertEqual(sorted(environment), [b"A=1", b"B=", b"C=x=y", "D=with space \u20ac\n".encode()])

    def test_of_a_name_given_twice_the_last_counts(self):
        _, environment = self.seen("-e", "A=1", "-e", "A=2", self.args)
        self.assertEqual(environment, [b"A=2"])

    def test_without_equals_it_is_refused(self):
        """It must never be taken from our own environment either."""
        self.refused("-e", "HOME", self.hello, words=["env", "HOME"])
        self.refused("-e", "", self.hello, words=["env"])
        self.refused("-e", "=x", self.hello, words=["env"])

    def test_a_value_that_is_secret_is_not_printed(self):
        done = self.ran("run", "-v", "-e", "TOKEN=swordfish", self.file("trap.wat", adk.wat("(unreachable)")))
        self.assertNotIn(b"swordfish", done.stderr)
        done = self.ran("run", "--json", "-e", "TOKEN=swordfish", self.file("trap.wat", adk.wat("(unreachable)")))
        self.assertNotIn(b"swordfish", done.stdout)

    def test_bytes_that_are_no_utf_8(self):
        seen, environment = self.seen("-e", b"A=\xff\xfe", self.args, b"\xc0\x80")
        self.assertEqual((seen, environment), ([b"args.wat", b"\xc0\x80"], [b"A=\xff\xfe"]))

    def test_many_and_long_arguments(self):
        many = ["x%d" % i for i in range(5000)]
        seen, _ = self.seen(self.args, *many)
        self.assertEqual(seen[1:], [word.encode() for word in many])
        long = "y" * 100000
        seen, environment = self.seen("-e", "L=" + long, self.args, long)
        self.assertEqual((seen[1], environment), (long.encode(), [b"L=" + long.encode()]))


class Sources(Options):
    def test_module_from_standard_input(self):
        self.says_hello("-", stdin=HELLO.encode())
        self.says_hello("-t2s", "-", stdin=adk.binary_of(HELLO, self))
        seen, _ = self.seen("-", "one", stdin=self.args_text.encode())
        self.assertEqual(seen, [b"-", b"one"])

    def test_a_module_that_comes_slowly(self):
        process = adk.start("run", "-")
        self.addCleanup(process.kill)
        for part in (HELLO[:10], HELLO[10:]):
            process.stdin.write(part.encode())
            process.stdin.flush()
            time.sleep(0.2)
        self.assertEqual(process.communicate(timeout=adk.PATIENCE), (b"hello\n", b""))

    def test_interrupt_while_the_module_is_read(self):
        process = adk.start("run", "-")
        self.addCleanup(process.kill)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=adk.PATIENCE)
        process.communicate(timeout=adk.PATIENCE)
        self.assertIn(process.returncode, (130, -signal.SIGINT))

    def test_code(self):
        self.says_hello("-c", HELLO)
        self.says_hello("--code=" + HELLO)
        self.says_hello("-c" + HELLO)
        seen, _ = self.seen("-c", self.args_text, "-t", "--json")
        self.assertEqual(seen, [b"-c", b"-t", b"--json"])

    def test_standard_input_of_the_guest(self):
        cat = adk.source("cat.wat")
        self.assertEqual(self.expect(self.ran("run", cat, stdin=b"not for the guest"), 0).stdout, b"")
        self.assertEqual(self.expect(self.ran("run", "-i", "-", cat, stdin=b"for\0it\xff"), 0).stdout, b"for\0it\xff")
        path = self.file("input", bytes(range(256)) * 1000)
        self.assertEqual(self.expect(self.ran("run", "--stdin", path, cat), 0).stdout, bytes(range(256)) * 1000)
        self.assertEqual(self.expect(self.ran("run", "-i", "/dev/null", cat), 0).stdout, b"")

    def test_standard_input_that_cannot_be_had(self):
        self.refused("-i", "/nonexistent", self.hello, words=["/nonexistent"])
        self.refused("-i", self.directory, self.hello, words=[self.directory])
        self.refused("-i", "-", "-", stdin=HELLO.encode(), words=["stdin"])

    def test_standard_input_without_end_is_refused_in_bounds(self):
        done = self.ran("run", "--json", "-i", "/dev/zero", self.hello)
        self.report_of(done, status=2)

    def test_closed_standard_input(self):
        self.says_hello(self.hello, preexec_fn=lambda: os.close(0))
        self.refused("-", preexec_fn=lambda: os.close(0))
        done = self.ran("run", "-i", "-", adk.source("cat.wat"), preexec_fn=lambda: os.close(0))
        self.assertIn(done.status, (0, 2))

    def test_empty_file(self):
        report = self.report(b"", outcome="rejected", status=126)
        self.assertEqual(report["reason"], "malformed")

    def test_directory_and_nonexistent(self):
        self.refused(self.directory, words=[self.directory])
        self.refused("/nonexistent.wasm", words=["/nonexistent.wasm"])
        self.refused("", words=["cannot read"])
        self.refused(self.hello + "/below", words=["below"])

    def test_a_file_without_permission(self):
        os.chmod(self.hello, 0)
        os.chmod(self.directory, 0o755)
        if os.geteuid() != 0:
            self.refused(self.hello, words=["hello.wat", "Permission denied"])
            return
        try:
            self.refused(self.hello, words=["hello.wat", "Permission denied"], preexec_fn=lambda: os.setuid(65534))
        except PermissionError:
            self.skipTest("the command cannot be run by another user")

    def test_dev_zero_as_module(self):
        done = self.ran("run", "--json", "/dev/zero")
        report = self.report_of(done)
        self.assertEqual((done.status, report["reason"]), (126, "too_large"))
        self.ended_within(done, 5)

    def test_endless_standard_input_as_module(self):
        with open("/dev/zero", "rb") as zero:
            done = self.ran("run", "--json", "-", stdin=zero)
        self.assertEqual(self.report_of(done, "rejected", 126)["reason"], "too_large")

    def test_a_byte_more_than_64_mib(self):
        for size, reason in ((64 << 20, "malformed"), ((64 << 20) + 1, "too_large")):
            path = os.path.join(self.directory, "large.wasm")
            with open(path, "wb") as out:
                out.write(adk.HEADER)
                out.truncate(size)
            with self.subTest(size=size):
                report = self.report_of(self.ran("run", "--json", path), "rejected", 126)
                self.assertEqual(report["reason"], reason)

    def test_a_fifo_as_module(self):
        path = os.path.join(self.directory, "fifo")
        os.mkfifo(path)
        process = adk.start("run", path)
        self.addCleanup(process.kill)
        try:
            process.wait(0.3)       # refused at once is fine, too
        except subprocess.TimeoutExpired:
            with open(path, "wb") as writer:
                writer.write(HELLO.encode())
        out, _ = process.communicate(timeout=adk.PATIENCE)
        self.assertIn((process.returncode, out), ((0, b"hello\n"), (2, b"")))

    def test_names_that_are_no_utf_8(self):
        path = os.path.join(os.fsencode(self.directory), b"\xff\xfe\x1b[2J.wat")
        with open(path, "wb") as out:
            out.write(HELLO.encode())
        self.says_hello(path)
        os.unlink(path)
        done = self.refused(path, words=["\\xFF"])
        self.assertNotIn(b"\x1b", done.stderr)

    def test_a_long_name_is_cut_in_messages(self):
        done = self.refused("/" + "n" * 3000)
        self.assertLess(len(done.stderr), 600)
        done = self.refused("--" + "n" * 3000, self.hello)
        self.assertLess(len(done.stderr), 600)

    def test_argument_0_is_the_base_name(self):
        os.mkdir(os.path.join(self.directory, "below"))
        path = self.file("below/my args.wat", self.args_text.encode())
        self.assertEqual(self.seen(path)[0], [b"my args.wat"])
        self.assertEqual(self.seen("./below/my args.wat", cwd=self.directory)[0], [b"my args.wat"])


class Verbose(Options):
    def test_verbose_says_what_was_used(self):
        done = self.says_hello("-v", self.hello)
        for word in (b"compile", b"run", b"memory", b"host calls"):
            self.assertIn(word, done.stderr)
        self.assertEqual(self.says_hello(self.hello).stderr, b"")

    def test_no_colour_off_a_terminal(self):
        self.assertNotIn(b"\x1b", self.ran("run", self.file("t.wat", adk.wat("(unreachable)"))).stderr)


if __name__ == "__main__":
    adk.main()

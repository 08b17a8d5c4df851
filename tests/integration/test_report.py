"""The report of --json: one line, one object, all keys, whatever happened; nothing else on standard output."""
import base64
import os
import resource

import adk
from adk import wat, wat_exit, wat_print

HELLO = wat_print(b"hello\n")


class Shape(adk.Case):
    def test_a_good_run(self):
        report = self.report(HELLO, outcome="exited", status=0)
        self.assertEqual(report["stdout"], "hello\n")
        self.assertEqual(report["stderr"], "")
        self.assertEqual(report["bytes"], {"stdout": 6, "stderr": 0})
        self.assertEqual(report["truncated"], {"stdout": False, "stderr": False})
        self.assertEqual(report["files"], [])
        self.assertIsNone(report["hint"])
        self.assertNotIn("stdout_encoding", report)
        self.assertNotIn("stdout_tail", report)

    def test_usage(self):
        usage = self.report(HELLO, outcome="exited")["usage"]
        self.assertGreater(usage["compile_ns"], 0)
        self.assertGreater(usage["run_ns"], 0)
        self.assertEqual(usage["memory_peak_bytes"], 65536)
        self.assertEqual(usage["memory_denied"], 0)
        self.assertEqual(usage["host_calls"], 1)
        self.assertIsNone(usage["fuel"])

    def test_duration_is_the_whole_call(self):
        report = self.report(adk.WAT_LOOP, "-t", "200ms", outcome="timed_out")
        usage = report["usage"]
        parts = (usage["compile_ns"] + usage["instantiate_ns"] + usage["run_ns"]) / 1e6
        self.assertGreaterEqual(report["duration_ms"] + 1, parts)

    def test_limits_in_force(self):
        limits = self.report(HELLO, outcome="exited")["limits"]
        self.assertEqual(limits["timeout_ns"], 30 * 10**9)
        self.assertEqual(limits["memory_limit_bytes"], 64 << 20)
        self.assertEqual(limits["output_limit_bytes"], 1 << 20)
        self.assertEqual(limits["output_policy"], "truncate")
        limits = self.report(HELLO, "-t", "1500ms", "-m", "3MiB", "--output-limit", "2KiB", "--output-policy", "stop",
                             "--fuel", "1000000", "--seed", "0", "--clock", "0", outcome="exited")["limits"]
        self.assertEqual(limits["timeout_ns"], 1500 * 10**6)
        self.assertEqual(limits["memory_limit_bytes"], 3 << 20)
        self.assertEqual(limits["output_limit_bytes"], 2048)
        self.assertEqual(limits["output_policy"], "stop")
        self.assertEqual(limits["fuel"], 1000000)
        self.assertEqual(int(limits["random_seed"]), 0, "0 is a seed, not the absence of one")
        self.assertEqual(limits["clock_start_ns"], 0)

    def test_64_bits_of_seed_survive(self):
        limits = self.report(HELLO, "--seed", str(2**64 - 1), outcome="exited")["limits"]
        self.assertEqual(int(limits["random_seed"]), 2**64 - 1)

    def test_nothing_is_passed_on(self):
        done = self.code(wat_print(b"x" * 5000, fd=2), "--json")
        self.assertEqual(self.report_of(done, "exited", 0)["stderr"], "x" * 5000)


class Bytes(adk.Case):
    def test_all_256_values_come_back(self):
        report = self.report(wat_print(bytes(range(256))), outcome="exited")
        self.assertEqual(report["stdout_encoding"], "base64")
        self.assertEqual(base64.b64decode(report["stdout"]), bytes(range(256)))
        self.assertNotIn("stderr_encoding", report)

    def test_stderr_has_its_own_encoding(self):
        report = self.report(wat_print(b"\xff\xfe", fd=2), outcome="exited")
        self.assertEqual(report["stderr_encoding"], "base64")
        self.assertEqual(base64.b64decode(report["stderr"]), b"\xff\xfe")

    def test_text_with_control_characters_and_nul(self):
        text = "a\0b\x1b[2J\x7f\u0085\u2028\U0001f600\"\\\r\n"
        self.assertEqual(self.report(wat_print(text.encode()), outcome="exited")["stdout"], text)

    def test_utf_8_must_be_valid(self):
        for data in (b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ok\xe2\x82", b"\xf8\x88\x80\x80\x80"):
            with self.subTest(data=data):
                report = self.report(wat_print(data), outcome="exited")
                self.assertEqual(report.get("stdout_encoding"), "base64")
                self.assertEqual(base64.b64decode(report["stdout"]), data)

    def test_a_limit_in_the_middle_of_a_character(self):
        report = self.report(wat_print("\u20ac\u20ac\u20ac".encode()), "--output-limit", "4B", outcome="exited")
        self.assertTrue(report["truncated"]["stdout"])
        head = (base64.b64decode(report["stdout"]) if report.get("stdout_encoding") == "base64"
                else report["stdout"].encode())
        tail = (base64.b64decode(report["stdout_tail"]) if report.get("stdout_tail_encoding", report.get("stdout_encoding"))
                == "base64" else report["stdout_tail"].encode())
        self.assertEqual(head + tail, "\u20ac\u20ac\u20ac".encode())


class Errors(adk.Case):
    def failed(self, done, status):
        report = self.report_of(done, status=status)
        self.assertEqual(report["status"], "error")
        self.assertIsNone(report["outcome"])
        self.assertIsNone(report["exit_code"])
        self.assertTrue(report["message"])
        return report

    def test_usage_errors_are_reports(self):
        hello = self.file("hello.wat", HELLO)
        for arguments in (["--nope", hello], ["-t", "x", hello], ["-t", "0s", hello], ["-m", "1XB", hello], ["-e", "A", hello],
                          [], ["-c"], ["-l", "cobol", hello], ["-l", "rust", hello], [self.directory], ["/nonexistent"],
                          ["-i", "/nonexistent", hello], ["--output-policy", "maybe", hello], ["--seed", "-1", hello],
                          ["--clock", "noon", hello], ["--fuel", "0", hello], ["-i", "-", "-"], ["--output-limit", "0", hello],
                          ["-t"], ["--memory"], ["-x", hello], ["-e", "=v", hello]):
            with self.subTest(arguments=arguments):
                self.failed(self.ran("run", "--json", *arguments), 2)

    def test_json_behind_the_wrong_option_counts_too(self):
        """Which option is wrong must not decide whether a program that reads reports finds one."""
        hello = self.file("hello.wat", HELLO)
        self.failed(self.ran("run", "--nope", "--json", hello), 2)
        self.failed(self.ran("run", "-t", "x", "--json", hello), 2)

    def test_json_of_the_guest_is_not_ours(self):
        done = self.ran("run", "--nope", self.file("hello.wat", HELLO), "--json")
        self.expect(done, 2)
        self.assertIn(b"--nope", done.stderr)

    def test_a_language_that_there_is_not(self):
        report = self.failed(self.ran("run", "--json", "-l", "rust", "-c", "print(1)"), 2)
        self.assertIn("does not support language rust", report["message"])

    def test_names_that_are_no_utf_8(self):
        report = self.failed(self.ran("run", "--json", b"/nonexistent/\xff\xfe\x1b"), 2)
        self.assertNotIn("\x1b", report["message"])

    def test_a_full_disk_is_125(self):
        with open("/dev/full", "wb") as full:
            for more in ([], ["--json"]):
                with self.subTest(more=more):
                    done = self.ran("run", *more, self.file("hello.wat", HELLO), stdout=full)
                    self.expect(done, 125)
                    self.assertTrue(done.stderr)

    def test_closed_standard_output_is_125(self):
        for more in ([], ["--json"]):
            with self.subTest(more=more):
                done = self.ran("run", *more, self.file("hello.wat", HELLO), preexec_fn=lambda: os.close(1))
                self.expect(done, 125)
                self.assertTrue(done.stderr)

    def test_a_sandbox_that_cannot_be_made_is_125_with_a_report(self):
        """Limits that let no thread start and no memory be mapped: whatever fails, it is said, and not by a signal."""
        if os.environ.get("ADK_SANITIZED"):
            self.skipTest("a sanitizer needs terabytes of address space")
        hello = self.file("hello.wat", HELLO)
        seen = set()
        for limit, values in ((resource.RLIMIT_AS, (40 << 20, 60 << 20, 80 << 20, 100 << 20)), (resource.RLIMIT_NOFILE, (3, 4, 5))):
            for value in values:
                with self.subTest(limit=limit, value=value):
                    done = adk.command("run", "--json", hello,
                                       preexec_fn=lambda l=limit, v=value: resource.setrlimit(l, (v, v)))
                    if done.status == 127 or b"shared librar" in done.stderr or b"execvp" in done.stderr:
                        continue                # the loader, not the command
                    self.assertGreaterEqual(done.status, 0, str(done))
                    self.assertIn(done.status, (0, 2, 125), str(done))
                    report = self.report_of(done)
                    seen.add((done.status, report["outcome"]))
        self.assertTrue(all(status != 0 or outcome == "exited" for status, outcome in seen), seen)


class Help(adk.Case):
    def test_help_fits_a_screen_and_has_examples(self):
        for arguments in (["--help"], ["run", "--help"], ["help", "run"], ["help"], ["run", "-h"]):
            with self.subTest(arguments=arguments):
                done = self.expect(self.ran(*arguments), 0)
                self.assertEqual(done.stderr, b"")
                lines = done.stdout.decode().splitlines()
                self.assertLessEqual(len(lines), 32)
                self.assertLessEqual(max(map(len, lines)), 80)
                self.assertIn("Examples:", lines)
                self.assertNotIn("\x1b", done.stdout.decode())

    def test_version(self):
        for arguments in (["--version"], ["version"]):
            done = self.expect(self.ran(*arguments), 0)
            self.assertRegex(done.stdout, rb"adk-sandbox \d+\.\d+\.\d+")
            self.assertEqual(done.stderr, b"")

    def test_wrong_commands_are_refused_by_name(self):
        for arguments, word in (([], b"COMMAND"), (["nope"], b"nope"), (["--nope"], b"--nope"), (["help", "nope"], b"nope")):
            with self.subTest(arguments=arguments):
                done = self.expect(self.ran(*arguments), 2)
                self.assertIn(word, done.stderr)
                self.assertEqual(done.stdout, b"")

    def test_doctor(self):
        done = self.ran("doctor", "--json")
        self.assertIn(done.status, (0, 1))
        report = self.one_object(done)
        self.assertTrue(report["checks"])
        done = self.ran("doctor")
        self.assertIn(done.status, (0, 1))
        self.assertTrue(done.stdout)

    def test_doctor_on_compiled_modules(self):
        def seen(**env):
            base = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "HOME"))}
            report = self.one_object(self.ran("doctor", "--json", env={**base, **env}))
            return next((check["status"], check["detail"]) for check in report["checks"]
                        if check["name"] == "compiled modules")

        self.assertEqual(seen(HOME=self.directory), ("ok", "none are kept; adk-sandbox compile does"))
        self.assertEqual(seen(), ("reduced", "there is no place to keep them: set HOME, or XDG_CACHE_HOME and XDG_DATA_HOME"))
        modules = os.path.join(self.directory, ".cache", "adk-sandbox", "modules")
        self.expect(self.ran("compile", self.file("t.wat", wat_exit(0)), env={**os.environ, "HOME": self.directory,
                                                                            "XDG_CACHE_HOME": "", "XDG_DATA_HOME": ""}), 0)
        self.assertEqual(seen(HOME=self.directory), ("ok", "kept in " + modules))
        os.chmod(modules, 0o777)
        status, detail = seen(HOME=self.directory)
        self.assertEqual(status, "reduced")
        self.assertTrue(detail.endswith(": remove the directory and the key, and compile again"), detail)

    def test_exit_code_does_not_shadow_errors(self):
        self.assertEqual(self.report(wat_exit(125), outcome="exited", status=125)["exit_code"], 125)
        self.assertEqual(self.report(wat("(call $proc_exit (i32.const 2))"), outcome="exited", status=2)["exit_code"], 2)


if __name__ == "__main__":
    adk.main()

"""Every outcome of the contract's table: its word, its status word, the command's exit status, and what explains it."""
import adk
from adk import wat, wat_exit, wat_print

NO_MEMORY = "(module %s)"
TRAPS = {
    "unreachable": wat("(unreachable)"),
    "integer_division_by_zero": wat("(drop (i32.div_s (i32.const 1) (i32.const 0)))"),
    "integer_overflow": wat("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))"),
    "bad_conversion_to_integer": wat("(drop (i32.trunc_f64_s (f64.const nan)))"),
    "memory_out_of_bounds": wat("(drop (i32.load (i32.const 70000)))"),
    "table_out_of_bounds": wat("(call_indirect (i32.const 5))", "(table 1 funcref)"),
    "indirect_call_to_null": wat("(call_indirect (i32.const 0))", "(table 1 funcref)"),
    "bad_signature": wat("(call_indirect (i32.const 0))",
                         "(table 1 funcref) (elem (i32.const 0) $f) (func $f (param i64))"),
    "stack_overflow": wat("(call $down)", "(func $down (call $down) (call $down))"),
}
# compat.md 3, line 15: the original made 1 of everything from 126 on.
EXIT_CODES = {0: 0, 1: 1, 2: 2, 42: 42, 77: 77, 124: 124, 125: 125, 126: 126, 127: 127, 128: 128, 134: 134, 137: 137,
              255: 255, 256: 1, 257: 1, 512: 1, 0x1234: 0x34, 0x7FFFFFFF: 255, 0x80000000: 1, 0xFFFFFFFF: 255}


class Exited(adk.Case):
    def test_return_from_start_is_exit_0(self):
        report = self.report(adk.WAT_NOTHING, outcome="exited", status=0)
        self.assertEqual(report["exit_code"], 0)
        self.assertIsNone(report["trap"])
        self.assertIsNone(report["reason"])
        self.assertIsNone(report["phase"])

    def test_all_32_bits_are_reported_and_the_low_8_are_the_status(self):
        for code, status in EXIT_CODES.items():
            with self.subTest(code=code):
                report = self.report(wat_exit(code), outcome="exited", status=status)
                self.assertEqual(report["exit_code"], code)

    def test_exit_status_without_json(self):
        for code in (0, 3, 256, 255):
            with self.subTest(code=code):
                done = self.expect(self.code(wat_exit(code)), EXIT_CODES.get(code, code))
                self.assertEqual(done.stdout, b"")

    def test_output_before_proc_exit_is_kept(self):
        report = self.report(wat_print(b"last words", then="(call $proc_exit (i32.const 9))"), outcome="exited", status=9)
        self.assertEqual(report["stdout"], "last words")

    def test_proc_exit_in_the_start_section_is_an_exit(self):
        text = wat("(unreachable)", "(func $init (call $proc_exit (i32.const 5))) (start $init)")
        self.assertEqual(self.report(text, outcome="exited", status=5)["exit_code"], 5)

    def test_initialize_is_called_before_start(self):
        text = wat("(call $proc_exit (global.get $g))",
                   '(global $g (mut i32) (i32.const 1)) (func (export "_initialize") (global.set $g (i32.const 6)))')
        self.assertEqual(self.report(text, outcome="exited")["exit_code"], 6)


class Trapped(adk.Case):
    def test_every_kind_of_trap_is_named(self):
        for kind, text in TRAPS.items():
            with self.subTest(kind=kind):
                report = self.report(text, outcome="trapped", status=134)
                self.assertEqual(report["trap"]["kind"], kind)
                self.assertIsInstance(report["trap"]["message"], str)
                self.assertTrue(report["trap"]["message"])
                self.assertGreaterEqual(len(report["trap"]["backtrace"]), 1)

    def test_backtrace_has_names(self):
        text = wat("(call $average)", "(func $average (call $divide)) (func $divide (unreachable))")
        frames = str(self.report(text, outcome="trapped")["trap"]["backtrace"])
        self.assertLess(frames.index("divide"), frames.index("average"))

    def test_a_name_that_is_a_control_sequence_is_escaped_in_messages(self):
        names = adk.section(0, adk.named("name") + adk.section(1, b"\1\0" + adk.named("\x1b[2Jevil\n\x07")))
        done = self.expect(self.code(adk.binary(b"\0\x0b", names)), 134)
        self.assertIn(b"evil", done.stderr)
        self.assertEqual([byte for byte in done.stderr if byte < 32 and byte != 10 or byte == 127], [], str(done))
        self.assertNotIn(b"evil\n", done.stderr)

    def test_a_name_of_a_megabyte_is_cut_in_messages(self):
        names = adk.section(0, adk.named("name") + adk.section(1, b"\1\0" + adk.named("x" * 1000000)))
        done = self.expect(self.code(adk.binary(b"\0\x0b", names)), 134)
        self.assertLess(len(done.stderr), 20000)

    def test_output_before_the_trap_is_kept_byte_exact(self):
        done = self.expect(self.code(wat_print(b"so far\n", then="(unreachable)")), 134)
        self.assertEqual(done.stdout, b"so far\n")
        report = self.report(wat_print(b"so far\n", fd=2, then="(unreachable)"), outcome="trapped")
        self.assertEqual(report["stderr"], "so far\n", "the library's own stderr stays as the guest wrote it")

    def test_the_reason_is_said_on_stderr(self):
        done = self.expect(self.code(TRAPS["integer_division_by_zero"]), 134)
        self.assertIn(b"zero", done.stderr)

    def test_a_trap_in_the_start_section(self):
        report = self.report(wat("", "(func $init (unreachable)) (start $init)"), outcome="trapped", status=134)
        self.assertEqual(report["trap"]["kind"], "unreachable")

    def test_a_trap_in_initialize(self):
        self.report(wat("", '(func (export "_initialize") (unreachable))'), outcome="trapped", status=134)


class TimedOut(adk.Case):
    def test_endless_loop(self):
        done = self.code(adk.WAT_LOOP, "--json", "-t", "500ms")
        report = self.report_of(done, "timed_out", 124)
        self.assertEqual(report["phase"], "run")
        self.assertGreaterEqual(report["duration_ms"], 490)
        self.ended_within(done, 0.5)

    def test_endless_start_section(self):
        done = self.ran("run", "--json", "-t300ms", adk.source("start-loop.wat"))
        self.assertEqual(self.report_of(done, "timed_out", 124)["phase"], "instantiate")
        self.ended_within(done, 0.3)

    def test_sleep_is_interrupted(self):
        done = self.ran("run", "--json", "-t300ms", adk.source("sleep.wat"))
        self.assertEqual(self.report_of(done, "timed_out", 124)["phase"], "host_call")
        self.ended_within(done, 0.3)
        self.assertGreaterEqual(done.seconds, 0.29)

    def test_output_before_the_deadline_is_kept(self):
        done = self.code(wat_print(b"before\n", then="(loop $again (br $again))"), "-t", "300ms")
        self.expect(done, 124)
        self.assertEqual(done.stdout, b"before\n")
        self.assertTrue(done.stderr)


class Others(adk.Case):
    def test_memory_below_the_minimum(self):
        report = self.report('(module (memory 32) (func (export "_start")))', "-m", "1MiB",
                             outcome="memory_limit", status=137)
        self.assertEqual(report["status"], "memory_exceeded")

    def test_a_refused_growth_and_then_a_trap(self):
        done = self.ran("run", "--json", "-m", "4MiB", adk.source("grow.wat"))
        report = self.report_of(done, "memory_limit", 137)
        self.assertGreaterEqual(report["usage"]["memory_denied"], 1)
        self.assertLessEqual(report["usage"]["memory_peak_bytes"], 4 << 20)
        self.assertEqual(report["trap"]["kind"], "unreachable")

    def test_fuel(self):
        report = self.report(adk.WAT_LOOP, "--fuel", "100000", outcome="fuel_exhausted", status=124)
        self.assertEqual(report["usage"]["fuel"], 100000)

    def test_output_limit_with_stop(self):
        done = self.ran("run", "--json", "--output-limit", "1000B", "--output-policy", "stop", adk.source("chatter.wat"))
        report = self.report_of(done, "output_limit", 141)
        self.assertEqual(len(report["stdout"]), 1000)

    def test_rejected(self):
        for reason, text in {
                "malformed": "this is no module",
                "no_entry": "(module)",
                "missing_import": '(module (import "env" "gone" (func)) (func (export "_start")))',
                "unsupported_feature": '(module (memory i64 1) (func (export "_start")))'}.items():
            with self.subTest(reason=reason):
                self.assertEqual(self.report(text, outcome="rejected", status=126)["reason"], reason)


if __name__ == "__main__":
    adk.main()

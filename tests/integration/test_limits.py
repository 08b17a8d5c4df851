"""Limits: memory with tables and files, fuel, output with both policies. They are bounds that hold, and they are said."""
import base64

import adk
from adk import wat, wat_print

GROW_ONCE = '(module (memory (export "memory") 1) (func (export "_start") (drop (memory.grow (i32.const %d))) %s))'
# Grows by one page until it is refused, and then does what is pasted in.
GROW_ALL = """(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) %s))"""


class Memory(adk.Case):
    def test_64_mib_by_default(self):
        report = self.report(GROW_ALL % "(unreachable)", outcome="memory_limit", status=137)
        self.assertLessEqual(report["usage"]["memory_peak_bytes"], 64 << 20)
        self.assertGreater(report["usage"]["memory_peak_bytes"], 63 << 20)

    def test_the_limit_is_exact_to_a_page(self):
        for pages in (1, 2, 16, 100):
            report = self.report(GROW_ALL % "", "-m", "%dB" % (pages * 65536), outcome="exited", status=0)
            self.assertEqual(report["usage"]["memory_peak_bytes"], pages * 65536)
            self.assertEqual(report["usage"]["memory_denied"], 1)

    def test_less_than_a_page(self):
        self.report(wat(""), "-m", "65535B", outcome="memory_limit", status=137)
        self.report(adk.WAT_NOTHING, "-m", "1B", outcome="exited", status=0)

    def test_the_minimum_is_refused_before_it_is_taken(self):
        done = self.code('(module (memory 65536) (func (export "_start")))', "--json")
        self.report_of(done, "memory_limit", 137)
        self.ended_within(done, 0)

    def test_a_minimum_within_the_limit_is_given(self):
        report = self.report('(module (memory 1024) (func (export "_start")))', outcome="exited", status=0)
        self.assertEqual(report["usage"]["memory_peak_bytes"], 64 << 20)

    def test_a_refused_growth_alone_is_no_outcome(self):
        report = self.report(GROW_ALL % "(call $proc_exit (i32.const 3))", "-m1MiB", outcome="exited", status=3)
        self.assertEqual(report["usage"]["memory_denied"], 1)

    def test_a_trap_of_another_kind_stays_a_trap(self):
        report = self.report(GROW_ALL % "(drop (i32.div_s (i32.const 1) (i32.const 0)))", "-m1MiB",
                             outcome="trapped", status=134)
        self.assertEqual(report["trap"]["kind"], "integer_division_by_zero")
        self.assertGreater(report["usage"]["memory_denied"], 0)

    def test_an_access_behind_the_end_after_a_refusal_is_the_limit(self):
        report = self.report(GROW_ALL % "(i32.store (i32.const 0x7fffffff) (i32.const 1))", "-m1MiB",
                             outcome="memory_limit", status=137)
        self.assertEqual(report["trap"]["kind"], "memory_out_of_bounds")

    def test_only_the_last_attempt_counts(self):
        """Refused once, then granted less: what traps later did not trap for want of memory."""
        text = (GROW_ONCE % (1000, "(drop (memory.grow (i32.const 1))) (unreachable)"))
        report = self.report(text, "-m1MiB", outcome="trapped", status=134)
        self.assertEqual(report["usage"]["memory_denied"], 1)

    def test_a_wish_above_the_declared_maximum_is_no_charge(self):
        text = '(module (memory 1 2) (func (export "_start") (drop (memory.grow (i32.const 1000))) (unreachable)))'
        self.report(text, "-m1MiB", outcome="trapped", status=134)

    def test_growth_by_the_largest_number(self):
        self.report(GROW_ONCE % (-1, ""), outcome="exited", status=0)
        self.report(GROW_ONCE % (65535, ""), outcome="exited", status=0)

    def test_tables_are_in_the_budget(self):
        """8 bytes an element."""
        text = '(module (table %d funcref) (func (export "_start")))'
        self.report(text % 100000, "-m", "1MiB", outcome="exited", status=0)
        self.report(text % 200000, "-m", "1MiB", outcome="memory_limit", status=137)
        self.report(text % 9000000, outcome="memory_limit", status=137)
        report = self.report_of(self.code(text % 4000000000, "--json"))
        self.assertIn((report["outcome"], report["reason"]), (("memory_limit", None), ("rejected", "too_large")))

    def test_a_large_table_within_a_large_budget(self):
        """No pool's limit answers before ours does: a million elements together, whatever the budget."""
        code = '(module (table %d funcref) (func (export "_start")))'
        self.report(code % 1000000, "-m", "1GiB", outcome="exited", status=0)
        for size in (1000001, 9000000):
            with self.subTest(size=size):
                report = self.report(code % size, "-m", "1GiB", outcome="memory_limit", status=137)
                self.assertIn("tables", report["message"])

    def test_a_large_memory_within_a_large_budget(self):
        self.report(GROW_ALL % "", "-m", "5GiB", outcome="exited", status=0)
        self.report('(module (memory 65536) (func (export "_start")))', "-m", "4GiB", outcome="exited", status=0)

    def test_table_growth_is_in_the_budget(self):
        text = """(module (table 1 funcref) (func (export "_start")
            (loop $more (br_if $more (i32.ne (table.grow (ref.null func) (i32.const 1000)) (i32.const -1)))) %s))"""
        report = self.report(text % "", "-m", "1MiB", outcome="exited", status=0)
        self.assertEqual(report["usage"]["memory_denied"], 1)
        self.assertLessEqual(report["usage"]["memory_peak_bytes"], 1 << 20)
        self.report(text % "(unreachable)", "-m", "1MiB", outcome="memory_limit", status=137)

    def test_memory_and_tables_share_one_budget(self):
        text = '(module (memory %d) (table %d funcref) (func (export "_start")))'
        self.report(text % (8, 60000), "-m", "1MiB", outcome="exited", status=0)
        self.report(text % (9, 60000), "-m", "1MiB", outcome="memory_limit", status=137)

    def test_a_function_name_with_allocat_is_nothing_special(self):
        """compat.md 3, line 8: the original looked for that text."""
        text = wat("(call $allocate)", "(func $allocate (drop (i32.div_s (i32.const 1) (i32.const 0))))")
        self.report(text, outcome="trapped", status=134)
        self.report(wat("(call $allocate)", '(func $allocate (call $proc_exit (i32.const 0)))'), outcome="exited", status=0)

    def test_output_is_not_charged(self):
        done = self.ran("run", "--json", "-m", "128KiB", "--output-limit", "10MiB", "-t60s", adk.source("flood.wat"))
        report = self.report_of(done)
        if report["outcome"] == "memory_limit":
            done = self.ran("run", "--json", "-m", "129KiB", "--output-limit", "10MiB", adk.source("flood.wat"))
            report = self.report_of(done)
        self.assertEqual((report["outcome"], report["bytes"]["stdout"]), ("exited", 10 << 20))


class Fuel(adk.Case):
    def loop(self, times):
        """A module that goes so many times round a loop."""
        text = wat("(local.set $i (i32.const %d)) (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"
                   % times)
        return text.replace('(export "_start")', '(export "_start") (local $i i32)')

    def test_the_same_run_uses_the_same(self):
        fuel = {self.report(self.loop(1000), "--fuel", "100000", outcome="exited")["usage"]["fuel"] for _ in range(3)}
        self.assertEqual(len(fuel), 1)
        used = fuel.pop()
        self.assertIn(used, range(1000, 20000))
        self.assertEqual(self.report(self.loop(1000), "--fuel", str(used), outcome="exited")["usage"]["fuel"], used)
        # The engine looks at the fuel at loops and calls, so the very last units may be overdrawn.
        self.report(self.loop(1000), "--fuel", str(used - 20), outcome="fuel_exhausted", status=124)

    def test_more_work_is_more_fuel(self):
        used = []
        for times in (10, 1000):
            text = self.loop(times)
            used.append(self.report(text, "--fuel", "1000000", outcome="exited")["usage"]["fuel"])
        self.assertGreater(used[1], used[0] * 10)

    def test_a_start_section_is_metered(self):
        done = self.ran("run", "--json", "--fuel", "10000", adk.source("start-loop.wat"))
        self.report_of(done, "fuel_exhausted", 124)

    def test_output_before_is_kept(self):
        done = self.code(wat_print(b"before", then="(loop $l (br $l))"), "--fuel", "10000")
        self.assertEqual(self.expect(done, 124).stdout, b"before")
        self.assertIn(b"fuel", done.stderr)

    def test_the_deadline_still_holds(self):
        self.report(adk.WAT_LOOP, "--fuel", str(2**64 - 1), "-t", "300ms", outcome="timed_out", status=124)


class Output(adk.Case):
    def decoded(self, report, key):
        return (base64.b64decode(report[key]) if report.get(key.split("_")[0] + "_encoding") == "base64"
                else report[key].encode())

    def test_one_mib_by_default(self):
        report = self.report_of(self.ran("run", "--json", adk.source("flood.wat")), "exited", 0)
        pattern = bytes(i % 251 for i in range(251)) * ((10 << 20) // 251 + 1)
        self.assertEqual(report["bytes"], {"stdout": 10 << 20, "stderr": 1 << 20})
        self.assertEqual(report["truncated"], {"stdout": True, "stderr": False})
        self.assertTrue(self.decoded(report, "stdout") == pattern[:1 << 20])
        self.assertTrue(self.decoded(report, "stdout_tail") == pattern[:10 << 20][-65536:])
        self.assertTrue(self.decoded(report, "stderr") == pattern[:1 << 20])
        self.assertNotIn("stderr_tail", report)

    def test_exactly_the_limit_is_not_truncated(self):
        for limit, cut in ((4, False), (3, True), (5, False)):
            report = self.report(wat_print(b"four"), "--output-limit", str(limit), outcome="exited", status=0)
            self.assertEqual(report["truncated"]["stdout"], cut)
            self.assertEqual(report["bytes"]["stdout"], 4)
            self.assertEqual(report["stdout"], "four"[:limit])
            self.assertEqual(report.get("stdout_tail"), "r" if cut else None)

    def test_limits_are_for_each_stream(self):
        text = wat_print(b"12345678", then=adk.WRITE % 2)
        report = self.report(text, "--output-limit", "8", outcome="exited")
        self.assertEqual((report["stdout"], report["stderr"]), ("12345678", "12345678"))

    def test_a_tail_shorter_than_the_ring(self):
        report = self.report(wat_print(b"headTAIL"), "--output-limit", "4", outcome="exited")
        self.assertEqual((report["stdout"], report["stdout_tail"]), ("head", "TAIL"))

    def test_stop(self):
        report = self.report(wat_print(b"12345678", then="(call $proc_exit (i32.const 4))"), "--output-limit", "5",
                             "--output-policy", "stop", outcome="output_limit", status=141)
        self.assertEqual(report["stdout"], "12345")
        report = self.report(wat_print(b"12345678", then="(call $proc_exit (i32.const 4))"), "--output-limit", "8",
                             "--output-policy", "stop", outcome="exited", status=4)
        self.assertEqual(report["stdout"], "12345678")

    def test_without_a_report(self):
        done = self.code(wat_print(b"12345678"), "--output-limit", "5")
        self.assertEqual(self.expect(done, 0).stdout, b"12345")
        self.assertIn(b"cut", done.stderr)
        done = self.ran("run", "--output-limit", "100", "--output-policy", "stop", adk.source("chatter.wat"))
        self.assertEqual(len(self.expect(done, 141).stdout), 100)

    def test_an_endless_writer_is_bounded_by_the_deadline(self):
        done = self.ran("run", "--json", "-t", "500ms", adk.source("chatter.wat"))
        report = self.report_of(done, "timed_out", 124)
        self.assertGreater(report["bytes"]["stdout"], 1 << 20)
        self.assertLessEqual(len(report["stdout"]), 1 << 20)
        self.assertLess(len(done.stdout), 3 << 20)


if __name__ == "__main__":
    adk.main()

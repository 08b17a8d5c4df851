"""Deterministic mode: with a seed and a clock, equal requests give equal reports but for what they took."""
import adk
from adk import wat

CLOCK = "2024-02-29T12:00:00Z"
START_NS = 1709208000 * 10**9
VARYING = ("compile_ns", "instantiate_ns", "run_ns", "cpu_ns", "cache")

# Draws 64 random bytes, reads both clocks, sleeps for 5 s, reads them again; writes all of it.
GAMBLER = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $random_get (i32.const 1000) (i32.const 64)))
    (drop (call $time (i32.const 0) (i64.const 1) (i32.const 1064)))
    (drop (call $time (i32.const 1) (i64.const 1) (i32.const 1072)))
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const 5000000000))
    (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))
    (drop (call $time (i32.const 0) (i64.const 1) (i32.const 1080)))
    (drop (call $time (i32.const 1) (i64.const 1) (i32.const 1088)))
    (drop (call $random_get (i32.const 1096) (i32.const 8)))
    (i32.store (i32.const 0) (i32.const 1000)) (i32.store (i32.const 4) (i32.const 104))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"""


class Deterministic(adk.Case):
    def comparable(self, report):
        report = dict(report, duration_ms=0, usage={k: v for k, v in report["usage"].items() if k not in VARYING})
        return report

    def gamble(self, *arguments):
        done = self.expect(self.code(GAMBLER, *arguments), 0)
        self.assertEqual(len(done.stdout), 104)
        data = done.stdout
        times = [int.from_bytes(data[at:at + 8], "little") for at in (64, 72, 80, 88)]
        return data[:64] + data[96:], times, done

    def test_equal_requests_give_equal_reports(self):
        options = ["--seed", "7", "--clock", CLOCK, "--fuel", "1000000"]
        reports = [self.comparable(self.report(GAMBLER, *options, outcome="exited")) for _ in range(3)]
        self.assertEqual(reports[0], reports[1])
        self.assertEqual(reports[0], reports[2])

    def test_equal_for_every_outcome(self):
        for text in (wat("(unreachable)"), adk.WAT_LOOP, wat("(call $proc_exit (i32.const 300))"), "(module)",
                     wat("(drop (memory.grow (i32.const 5000))) (unreachable)")):
            options = ["--seed", "7", "--clock", "0", "--fuel", "100000"]
            first, second = (self.comparable(self.report_of(self.code(text, "--json", *options))) for _ in range(2))
            self.assertEqual(first, second)

    def test_c_program(self):
        path = adk.guest("tool")
        for part in (["random"], ["clock"], ["sleep", "100000"], ["malloc", "1000"], ["files"], ["floats"], ["deep"]):
            with self.subTest(part=part):
                options = ["--json", "--seed", "18446744073709551615", "--clock", CLOCK, "--fuel", "1000000000"]
                first, second = (self.comparable(self.report_of(self.ran("run", *options, path, *part))) for _ in range(2))
                self.assertEqual(first, second)

    def test_the_seed_alone_decides_random_numbers(self):
        drawn = {seed: self.gamble("--seed", seed, "--clock", "0")[0] for seed in ("0", "1", str(2**63), str(2**64 - 1))}
        self.assertEqual(len(set(drawn.values())), 4)
        self.assertEqual(drawn["1"], self.gamble("--seed", "1", "--clock", CLOCK)[0])
        self.assertNotEqual(self.gamble("--clock", "0")[0], self.gamble("--clock", "0")[0])

    def test_the_clock_starts_where_it_was_put_and_sleep_moves_it(self):
        _, times, done = self.gamble("--clock", CLOCK)
        self.assertGreaterEqual(times[0], START_NS)
        self.assertLess(times[0] - START_NS, 10**7)
        self.assertGreater(times[2] - times[0], 5 * 10**9 - 1)
        self.assertLess(times[2] - times[0], 5 * 10**9 + 10**7)
        self.assertGreater(times[3] - times[1], 5 * 10**9 - 1)
        self.assertLess(done.seconds, 4, "virtual sleep does not wait")

    def test_each_reading_moves_the_clock_by_a_microsecond(self):
        _, times, _ = self.gamble("--clock", "1000000000")
        self.assertLessEqual(times[0] - 10**9, 1000)
        _, again, _ = self.gamble("--clock", "1000000000")
        self.assertEqual(times, again)

    def test_an_endless_sleeper_under_a_virtual_clock_still_ends(self):
        text = GAMBLER.replace("(export \"_start\")", "(export \"_start\") (loop $again").replace(
            "(drop (call $time (i32.const 0) (i64.const 1) (i32.const 1080)))", "(br $again))", 1)
        done = self.code(text, "--json", "--seed", "1", "--clock", CLOCK, "-t", "500ms")
        self.report_of(done, "timed_out", 124)
        self.ended_within(done, 0.5)

    def test_the_end_of_time(self):
        """Sleeping past what a clock can hold: whatever comes, it is typed and within the deadline."""
        text = GAMBLER.replace("5000000000", "-1")
        done = self.code(text, "--json", "--clock", "9223372036854775807", "-t", "500ms")
        self.assertIn(self.report_of(done)["outcome"], ("exited", "timed_out"), done)

    def test_nan_bits_are_the_same(self):
        text = wat("(f64.store (i32.const 16) (f64.div (f64.const -0) (f64.const 0)))"
                   "(f32.store (i32.const 24) (f32.add (f32.const nan:0x200001) (f32.const 1)))"
                   "(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 12))" + adk.WRITE % 1)
        done = self.expect(self.code(text, "--seed", "1", "--clock", "0", "--fuel", "1000"), 0)
        self.assertEqual(done.stdout, bytes.fromhex("000000000000f87f" "0000c07f"), "canonical in deterministic mode")


if __name__ == "__main__":
    adk.main()

"""Streams: passed on as they come, byte for byte, and never longer than the deadline allows."""
import os
import pty
import select
import signal
import subprocess
import time

import adk
from adk import wat, wat_print

PATTERN = bytes(i % 251 for i in range(251)) * ((10 << 20) // 251 + 1)


class Streams(adk.Case):
    def begin(self, *arguments, **options):
        process = adk.start(*arguments, **options)
        self.addCleanup(self.finish, process)
        return process

    def finish(self, process):
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None and not stream.closed:
                stream.close()

    def wait(self, process, seconds):
        """Waits for the end, which must come within so many seconds and a little, and not by a signal."""
        began = time.monotonic()
        try:
            process.wait(seconds + adk.SLACK_SECONDS)
        except subprocess.TimeoutExpired:
            self.fail("still running %.1f s later" % (time.monotonic() - began))
        self.assertGreaterEqual(process.returncode, 0, "died by a signal")
        return process.returncode


class Passing(Streams):
    def test_lines_arrive_as_they_are_written(self):
        process = self.begin("run", adk.source("slow.wat"))
        self.assertTrue(select.select([process.stdout], [], [], adk.PATIENCE)[0])
        self.assertEqual(os.read(process.stdout.fileno(), 100), b"one\n")
        first = time.monotonic()
        self.assertIsNone(process.poll(), "the first line came only with the end")
        self.assertEqual(process.stdout.read(), b"two\n")
        self.assertGreater(time.monotonic() - first, 0.5)
        self.assertEqual(self.wait(process, 1), 0)

    def test_all_256_values_on_both_streams(self):
        for fd in (1, 2):
            done = self.expect(self.code(wat_print(bytes(range(256)), fd=fd)), 0)
            self.assertEqual((done.stdout, done.stderr)[fd - 1], bytes(range(256)))
            self.assertEqual((done.stdout, done.stderr)[2 - fd], b"")

    def test_ten_mebibytes_through_pipes(self):
        done = self.expect(self.ran("run", adk.source("flood.wat")), 0)
        self.assertEqual(len(done.stdout), 10 << 20)
        self.assertTrue(done.stdout == PATTERN[:10 << 20], "bytes were changed")
        self.assertTrue(done.stderr == PATTERN[:1 << 20], "bytes of standard error were changed")

    def test_ten_mebibytes_to_a_slow_reader(self):
        process = self.begin("run", adk.source("flood.wat"), stderr=subprocess.DEVNULL)
        got = b""
        for _ in range(20):
            got += os.read(process.stdout.fileno(), 4096)
            time.sleep(0.01)
        got += process.stdout.read()
        self.assertTrue(got == PATTERN[:10 << 20])
        self.assertEqual(self.wait(process, 1), 0)

    def test_to_a_file(self):
        path = os.path.join(self.directory, "out")
        with open(path, "wb") as out:
            self.expect(self.ran("run", adk.source("flood.wat"), stdout=out, stderr=subprocess.DEVNULL), 0)
        with open(path, "rb") as out:
            self.assertTrue(out.read() == PATTERN[:10 << 20])

    def test_both_streams_into_one_pipe_keep_their_order(self):
        text = wat("""(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 2))
            (loop $more
              (i32.store8 (i32.const 16) (i32.add (i32.const 97) (local.get $i)))
              (drop (call $fd_write (i32.add (i32.const 1) (i32.and (local.get $i) (i32.const 1)))
                    (i32.const 0) (i32.const 1) (i32.const 8)))
              (local.set $i (i32.add (local.get $i) (i32.const 1)))
              (br_if $more (i32.lt_u (local.get $i) (i32.const 20))))""", '(data (i32.const 17) "\\n")')
        text = text.replace('(export "_start")', '(export "_start") (local $i i32)')
        done = self.expect(self.code(text, stderr=subprocess.STDOUT), 0)
        self.assertEqual(done.stdout.split(), [bytes([97 + i]) for i in range(20)])

    def test_nonblocking_standard_output(self):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        process = self.begin("run", adk.source("flood.wat"), stdout=writer, stderr=subprocess.DEVNULL)
        os.close(writer)
        with open(reader, "rb") as pipe:
            time.sleep(0.3)
            self.assertTrue(pipe.read() == PATTERN[:10 << 20])
        self.assertEqual(self.wait(process, 1), 0)


class Readers(Streams):
    def test_a_stalled_reader_does_not_carry_a_run_past_its_deadline(self):
        for fd in (1, 2):
            with self.subTest(fd=fd):
                process = self.begin("run", "-t", "500ms",
                                     self.file("chatter.wat", self.chatter(fd)))
                began = time.monotonic()
                self.assertEqual(self.wait(process, 0.5), 124)
                self.assertGreaterEqual(time.monotonic() - began, 0.45)

    def test_a_stalled_reader_of_little_output(self):
        """The run ended well; whether its last bytes could be passed on is another matter, but it must not hang."""
        process = self.begin("run", "-t", "1s", adk.source("flood.wat"), stderr=subprocess.DEVNULL)
        self.assertIn(self.wait(process, 1), (124, 125))

    def test_a_reader_that_goes_away_ends_an_endless_writer(self):
        process = self.begin("run", "-t", "50s", adk.source("chatter.wat"))
        self.assertEqual(process.stdout.readline(), b"0123456789abcde\n")
        process.stdout.close()
        self.assertEqual(self.wait(process, 0.5), 141)

    def test_head_in_a_shell(self):
        done = subprocess.run(["sh", "-c", '"$0" run -t 50s "$1" | head -n 1', adk.COMMAND, adk.source("chatter.wat")],
                              stdout=subprocess.PIPE, timeout=adk.SLACK_SECONDS + 1, check=False)
        self.assertEqual(done.stdout, b"0123456789abcde\n")

    def test_a_reader_of_standard_error_that_goes_away(self):
        process = self.begin("run", "-t", "20s", self.file("chatter.wat", self.chatter(2)))
        self.assertEqual(process.stderr.readline(), b"0123456789abcde\n")
        process.stderr.close()
        self.wait(process, 0.5)

    def test_json_does_not_need_a_reader_while_it_runs(self):
        process = self.begin("run", "--json", "-t", "300ms", adk.source("chatter.wat"))
        time.sleep(0.6)
        report = adk.parsed(process.stdout.read())
        self.assertEqual(report["outcome"], "timed_out")
        self.assertEqual(self.wait(process, 0), 124)

    def test_json_to_a_reader_that_is_gone(self):
        reader, writer = os.pipe()
        os.close(reader)
        process = self.begin("run", "--json", self.file("hello.wat", wat_print(b"x" * 60000)), stdout=writer)
        os.close(writer)
        self.assertIn(self.wait(process, 0.5), (125, 141))

    def test_closed_streams(self):
        hello = self.file("hello.wat", wat_print(b"hello\n"))
        for closed, statuses in (((0,), (0,)), ((2,), (0,)), ((0, 2), (0,)), ((1,), (125,)), ((0, 1, 2), (125,))):
            for more in ([], ["--json"]):
                with self.subTest(closed=closed, more=more):
                    done = self.ran("run", *more, hello, preexec_fn=lambda c=closed: [os.close(fd) for fd in c])
                    self.assertIn(done.status, statuses, str(done))
                    if 1 not in closed and not more:
                        self.assertEqual(done.stdout, b"hello\n")

    def test_a_closed_stream_is_not_taken_by_a_file(self):
        """With standard output closed, the next file opened must not get its number and then the guest's bytes."""
        path = self.file("hello.wat", wat_print(b"OVERWRITTEN" * 10))
        with open(path, "rb") as file:
            before = file.read()
        self.ran("run", path, preexec_fn=lambda: os.close(1))
        self.ran("run", path, preexec_fn=lambda: [os.close(fd) for fd in (0, 1, 2)])
        with open(path, "rb") as file:
            self.assertEqual(file.read(), before)

    def chatter(self, fd):
        with open(adk.source("chatter.wat"), encoding="utf-8") as file:
            return file.read().replace("$fd_write (i32.const 1)", "$fd_write (i32.const %d)" % fd)


class Signals(Streams):
    def test_sigint_cancels_and_the_report_is_complete(self):
        for name, text in (("run", adk.WAT_LOOP), ("host_call", None)):
            with self.subTest(phase=name):
                path = adk.source("sleep.wat") if text is None else self.file("loop.wat", text)
                process = self.begin("run", "--json", path)
                time.sleep(0.5)
                process.send_signal(signal.SIGINT)
                self.assertEqual(self.wait(process, 0), 130)
                done = adk.Done(process.returncode, process.stdout.read(), process.stderr.read(), 0)
                report = self.report_of(done, "cancelled", 130)
                self.assertEqual(report["phase"], name)

    def test_sigint_while_compiling(self):
        """60 KB of empty loops take the compiler half a minute; a cancel counts in every phase."""
        path = self.file("bomb.wasm", adk.binary(b"\3\x40\x0b" * 20000 + b"\x0b"))
        process = self.begin("run", "--json", "-t", "60s", path)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.wait(process, 0), 130)
        self.assertEqual(adk.parsed(process.stdout.read())["phase"], "compile")

    def test_output_before_the_signal_is_kept(self):
        process = self.begin("run", "--json", self.file("p.wat", wat_print(b"so far", then="(loop $l (br $l))")))
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.wait(process, 0), 130)
        self.assertEqual(adk.parsed(process.stdout.read())["stdout"], "so far")

    def test_without_json(self):
        process = self.begin("run", adk.source("sleep.wat"))
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.wait(process, 0), 130)
        self.assertIn(b"cancel", process.stderr.read())

    def test_sigint_while_the_reader_stalls(self):
        process = self.begin("run", "-t", "60s", adk.source("chatter.wat"))
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.wait(process, 0), 130)

    def test_a_storm_of_signals_that_are_not_ours(self):
        process = self.begin("run", adk.source("slow.wat"))
        for _ in range(50):
            process.send_signal(signal.SIGCHLD)
            process.send_signal(signal.SIGWINCH)
            time.sleep(0.01)
        self.assertEqual(process.stdout.read(), b"one\ntwo\n")
        self.assertEqual(self.wait(process, 1), 0)

    def test_stop_and_continue(self):
        process = self.begin("run", adk.source("slow.wat"))
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        process.send_signal(signal.SIGCONT)
        self.assertEqual(process.stdout.read(), b"two\n")
        self.assertEqual(self.wait(process, 1), 0)

    def test_ignored_sigpipe_and_blocked_signals_are_inherited_without_harm(self):
        def spoil():
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGSEGV, signal.SIGALRM, signal.SIGUSR1})
        done = self.ran("run", self.file("hello.wat", wat_print(b"hello\n")), preexec_fn=spoil)
        self.assertEqual(self.expect(done, 0).stdout, b"hello\n")
        done = self.ran("run", self.file("trap.wat", wat("(drop (i32.load (i32.const 70000)))")), preexec_fn=spoil)
        self.expect(done, 134)


class Terminal(Streams):
    def on_a_terminal(self, text, env=None):
        """Runs `text` with its output streams on a new terminal and returns what appeared there."""
        master, slave = pty.openpty()
        process = self.begin("run", self.file("t.wat", text), stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                             env={**os.environ, "TERM": "xterm", **(env or {})})
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
        self.wait(process, 1)
        return seen

    def test_control_sequences_are_made_visible(self):
        for data in (b"\x1b[2J\x1b]0;evil\x07", b"\x9b2J", "\u009b2J".encode(), b"\x08\x7f\x00", b"\x90q"):
            with self.subTest(data=data):
                seen = self.on_a_terminal(wat_print(data + b"end"))
                self.assertIn(b"end", seen)
                self.assertEqual([b for b in seen if (b < 32 and b not in (9, 10, 13)) or b == 127], [], seen)
                self.assertNotIn("\u009b".encode(), seen)
                self.assertNotIn(b"\x9b", seen)
                self.assertNotIn(b"\x90", seen)

    def test_text_passes(self):
        seen = self.on_a_terminal(wat_print("gr\u00fc\u00dfe \u20ac\tx\n".encode()))
        self.assertEqual(seen, "gr\u00fc\u00dfe \u20ac\tx\r\n".encode())

    def test_messages_are_escaped_too(self):
        seen = self.on_a_terminal('(module (import "\\1b[2J" "\\1b]0;x\\07" (func)) (func (export "_start")))',
                                  {"NO_COLOR": "1"})
        self.assertNotIn(b"\x1b", seen)
        self.assertNotIn(b"\x07", seen)
        self.assertIn(b"missing_import", seen)


if __name__ == "__main__":
    adk.main()

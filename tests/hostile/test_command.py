"""The command under attack: what is no file as an input, trees without end, outputs through links, and programs that do
not want to stop."""
import os
import signal
import stat
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import adk  # noqa: E402

LOOP = "(module (func (export \"_start\") (loop $l br $l)))"


class Command(adk.Case):
    def path(self, *names):
        return os.path.join(self.directory, *names)

    def run_nothing(self, *options, **more):
        return self.ran("run", *options, "-c", adk.WAT_NOTHING, cwd=self.directory, **more)

    def refused(self, *options, part):
        done = self.expect(self.run_nothing(*options), 2)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(done.stderr.count(b"\n"), 1, str(done))
        self.assertIn(part, done.stderr, str(done))


class Inputs(Command):
    def test_a_fifo_nobody_writes_to(self):
        os.mkfifo(self.path("fifo"))
        began = time.monotonic()
        self.refused("-f", "/x=fifo", part=b'"fifo"')
        self.assertLess(time.monotonic() - began, adk.SLACK_SECONDS)

    def test_a_fifo_in_a_tree(self):
        os.mkdir(self.path("tree"))
        os.mkfifo(self.path("tree", "fifo"))
        self.refused("-f", "/x=tree", part=b"tree/fifo")

    def test_devices(self):
        for device in ("/dev/zero", "/dev/null", "/dev/tty", "/dev/stdin"):
            with self.subTest(device):
                done = self.run_nothing("-f", "/x=" + device, stdin=b"")
                self.expect(done, 2)
                self.assertIn(device.encode(), done.stderr)

    def test_a_link_to_a_device_and_to_itself(self):
        os.symlink("/dev/zero", self.path("zero"))
        os.symlink("self", self.path("self"))
        self.refused("-f", "/x=zero", part=b'"zero"')
        self.refused("-f", "/x=self", part=b'"self"')

    def test_links_out_of_a_tree_are_not_followed(self):
        os.mkdir(self.path("tree"))
        with open(self.path("secret"), "w", encoding="ascii") as file:
            file.write("SECRET")
        for name, target in (("up", "../secret"), ("root", "/etc/passwd"), ("proc", "/proc/self/environ"),
                             ("dir", ".."), ("loop", "loop")):
            os.symlink(target, self.path("tree", name))
        done = self.ran("run", "-f", "/t=tree", adk.guest("files"), "open", "/t/up", "open", "/t/root", "open",
                        "/t/proc", "open", "/t/dir/secret", "open", "/t/loop", "list", "/t", cwd=self.directory)
        self.expect(done, 0)
        for bad in (b"SECRET", b"root:", b"opened", b"PATH="):
            self.assertNotIn(bad, done.stdout)
        self.assertIn(b"l /t/up -> ../secret\n", done.stdout)

    def test_a_million_entries(self):
        """More than are taken: refused, or stopped at the deadline; bounded in time and memory either way."""
        tree = self.path("tree")
        os.mkdir(tree)
        count = 100_000 if os.environ.get("ADK_SANITIZED") else 1_000_000
        handle = os.open(tree, os.O_RDONLY)
        self.addCleanup(os.close, handle)
        os.close(os.open("0", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
        current = "0"
        for i in range(1, count):  # hard links are cheaper than files; a file has at most 65,000 of them
            if i % 50_000 == 0:
                current = str(i)
                os.close(os.open(current, os.O_CREAT | os.O_WRONLY, dir_fd=handle))
            else:
                os.link(current, str(i), src_dir_fd=handle, dst_dir_fd=handle)
        began = time.monotonic()
        done = self.run_nothing("--json", "-t", "2s", "-m", "16MiB", "-f", "/x=tree")
        took = time.monotonic() - began
        self.assertLess(took, 2 + adk.SLACK_SECONDS)
        self.assertIn(done.status, (2, 124, 137), str(done))
        report = self.one_object(done)
        self.assertIn(report["outcome"], (None, "timed_out", "memory_limit"))

    def test_a_tree_that_changes_while_it_is_read(self):
        os.mkdir(self.path("tree"))
        for i in range(200):
            os.mkdir(self.path("tree", "d%d" % i))
        code = ("import os, sys, itertools\n"
                "for i in itertools.count():\n"
                "    d = sys.argv[1] + '/d%d' % (i % 200)\n"
                "    os.rmdir(d); os.symlink('/etc', d); os.remove(d); os.mkdir(d)\n")
        changer = subprocess.Popen([sys.executable, "-c", code, self.path("tree")])
        try:
            for _ in range(10):
                done = self.ran("run", "-f", "/t=tree", adk.guest("files"), "open", "/t/d0/passwd", "list", "/t",
                                cwd=self.directory)
                self.assertIn(done.status, (0, 2), str(done))
                self.assertNotIn(b"passwd\n", done.stdout.replace(b"/t/d0/passwd", b""))
                self.assertNotIn(b"f /t/d", done.stdout)  # nothing of /etc came along
        finally:
            changer.kill()
            changer.wait()


class Outputs(Command):
    def write(self, *options):
        return self.ran("run", *options, adk.guest("files"), "mkdir", "/d", "write", "/d/f", "new", "write", "/f", "new",
                        cwd=self.directory)

    def test_a_directory_that_is_a_link_inside(self):
        """The place itself may be a link; beneath it none is followed."""
        os.mkdir(self.path("outside"))
        os.mkdir(self.path("out"))
        os.symlink("../outside", self.path("out", "d"))
        done = self.write("-o", "/=out")
        self.assertNotEqual(done.status, 0, str(done))
        self.assertEqual(os.listdir(self.path("outside")), [])
        self.assertEqual(os.readlink(self.path("out", "d")), "../outside")

    def test_a_file_that_is_a_link(self):
        with open(self.path("victim"), "w", encoding="ascii") as file:
            file.write("old")
        os.symlink("victim", self.path("link"))
        self.assertEqual(self.write("-o", "/f=link").status, 2)
        with open(self.path("victim"), encoding="ascii") as file:
            self.assertEqual(file.read(), "old")

    def test_a_file_that_is_a_link_inside(self):
        with open(self.path("victim"), "w", encoding="ascii") as file:
            file.write("old")
        os.mkdir(self.path("out"))
        os.symlink("../victim", self.path("out", "f"))
        self.write("-o", "/=out")
        with open(self.path("victim"), encoding="ascii") as file:
            self.assertEqual(file.read(), "old")

    def test_a_fifo_in_the_way(self):
        os.mkfifo(self.path("fifo"))
        began = time.monotonic()
        self.assertEqual(self.write("-o", "/f=fifo").status, 2)
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("fifo")).st_mode))
        self.assertLess(time.monotonic() - began, adk.SLACK_SECONDS)

    def test_a_device_in_the_way(self):
        self.assertNotEqual(self.write("-o", "/f=/dev/full").status, 0)
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/full").st_mode))


class Ends(Command):
    def start(self, *arguments, **more):
        process = subprocess.Popen([adk.COMMAND, "run", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, **more)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        return process

    def test_signals_end_an_endless_guest(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                process = self.start("-t", "60s", "-c", LOOP)
                time.sleep(0.5)
                began = time.monotonic()
                process.send_signal(number)
                process.wait(adk.PATIENCE)
                self.assertLess(time.monotonic() - began, adk.SLACK_SECONDS)
                self.assertNotEqual(process.returncode, 0)

    def test_a_storm_of_signals_that_mean_nothing(self):
        # The leak sanitizer stops the process to look at it, and starts again at every signal.
        sanitizer = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
        process = self.start("-t", "1s", "-c", LOOP, env={**os.environ, **sanitizer})
        began = time.monotonic()
        time.sleep(0.3)
        while process.poll() is None and time.monotonic() - began < adk.PATIENCE:
            process.send_signal(signal.SIGWINCH)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.001)
        self.assertEqual(process.returncode, 124)

    def test_ignored_children(self):
        done = subprocess.run([adk.COMMAND, "run", "-c", adk.wat_exit(7)], preexec_fn=lambda: signal.signal(
            signal.SIGCHLD, signal.SIG_IGN), check=False, timeout=adk.PATIENCE)
        self.assertEqual(done.returncode, 7)

    def test_closed_standard_descriptors(self):
        for closed in ([0], [1], [2], [0, 1, 2]):
            with self.subTest(closed):
                def close(which=closed):
                    for number in which:
                        os.close(number)
                done = subprocess.run([adk.COMMAND, "run", "-c", adk.wat_exit(7)], preexec_fn=close, check=False,
                                      timeout=adk.PATIENCE)
                self.assertEqual(done.returncode, 7)


adk.main()

"""Programs in C that use files, run twice: natively on tmpfs, and in the sandbox. What they print and what they leave must be equal.

native/*.c are compiled by CMake, each once for the host and once against wasi-libc; native/native.h says how they are
written. Deliberate differences are in native/beneath.c, which is not compared.
"""
import os
import subprocess
import tempfile
import unittest

import adk

SHARED_MEMORY = "/dev/shm"
SEEDS = range(1, 13)

BENEATH = """\
open("..", O_RDONLY): EPERM
open("../file", O_RDONLY): EPERM
open("/..", O_RDONLY): EPERM
open("/../file", O_RDONLY): EPERM
mkdir("directory", 0777): 0
access("directory/..", F_OK): 0
access("directory/../..", F_OK): EPERM
mkdir("../outside", 0777): EPERM
rename("directory", "../directory"): EPERM
link("../file", "file"): EPERM
symlink("/etc/passwd", "absolute"): EPERM
symlink("/", "root"): EPERM
symlink("..", "up"): 0
symlink("../../../../etc/passwd", "directory/far"): 0
symlink("..", "directory/up"): 0
access("up", F_OK): EPERM
access("up/file", F_OK): EPERM
access("directory/far", F_OK): EPERM
access("directory/up", F_OK): 0
access("directory/up/directory", F_OK): 0
access("directory/up/up", F_OK): EPERM
rename("directory/up", "moved"): 0
access("moved", F_OK): EPERM
symlink("x", "directory/"): EEXIST
symlink("x", "up/"): ENOTDIR
"""


def native(name):
    """The path of a program compiled for this machine."""
    path = os.path.join(adk.GUESTS, name)
    if not os.path.exists(path):
        raise unittest.SkipTest("%s was not compiled for this machine" % name)
    return path


def tree_of(root):
    """What is beneath a directory: the content of each file, None for directories. Links do not come back, so they are left out."""
    found = {}
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(directory, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    found[os.path.relpath(path, root)] = file.read()
            elif not os.path.islink(path):
                found[os.path.relpath(path, root)] = None
    return found


class Compared(adk.Case):
    def run_natively(self, name, arguments):
        on = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
        directory = tempfile.TemporaryDirectory(prefix="adk-native-", dir=on)
        self.addCleanup(directory.cleanup)
        done = subprocess.run([native(name), directory.name, *arguments], cwd=directory.name, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=adk.PATIENCE, check=False)
        return done.returncode, done.stdout, done.stderr, tree_of(directory.name)

    def run_in_the_sandbox(self, name, arguments):
        out = tempfile.mkdtemp(dir=self.directory)
        done = self.ran("run", "--json", "-m", "256MiB", "--output-limit", "16MiB", "--out", "/=" + out, adk.guest(name),
                        "", *arguments)
        report = self.report_of(done, "exited")
        self.assertFalse(report["truncated"]["stdout"])
        return report["exit_code"], report["stdout"].encode(), report["stderr"].encode(), tree_of(out)

    def compare(self, name, *arguments):
        expected = self.run_natively("native_" + name, arguments)
        got = self.run_in_the_sandbox("native_" + name, arguments)
        self.assertEqual(got[0], expected[0], "exit status; stderr: %r" % got[2])
        self.assertEqual(got[1].decode().splitlines(), expected[1].decode().splitlines(), "stdout")
        self.assertEqual(got[2], expected[2], "stderr")
        self.assertEqual(sorted(got[3]), sorted(expected[3]), "names left")
        self.assertEqual([path for path in got[3] if got[3][path] != expected[3][path]], [], "contents left")
        return expected

    def test_stdio_modes(self):
        self.compare("stdio_modes")

    def test_stdio_positions(self):
        self.compare("stdio_positions")

    def test_big_files(self):
        self.compare("big_files")

    def test_directories(self):
        self.compare("directories")

    def test_walks(self):
        self.compare("walks")

    def test_stats(self):
        self.compare("stats")

    def test_renames(self):
        self.compare("renames")

    def test_links(self):
        self.compare("links")

    def test_mkdirs(self):
        self.compare("mkdirs")

    def test_chdirs(self):
        self.compare("chdirs")

    def test_opens(self):
        self.compare("opens")

    def test_positions(self):
        self.compare("positions")

    def test_sizes(self):
        self.compare("sizes")

    def test_times(self):
        self.compare("times")

    def test_accesses(self):
        self.compare("accesses")

    def test_temporaries(self):
        self.compare("temporaries")

    def test_chance(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                _, stdout, _, _ = self.compare("chance", str(seed), "5000")
                self.assertGreater(len(stdout.splitlines()), 5000)

    def test_nothing_leads_above_the_root(self):
        done = self.expect(self.ran("run", adk.guest("native_beneath"), ""), 0)
        self.assertEqual(done.stdout.decode().splitlines(), BENEATH.splitlines())


if __name__ == "__main__":
    adk.main()

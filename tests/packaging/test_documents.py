"""The manual and the completion of shells: complete, without a warning, and doing what they say.

What commands and options there are is read from the command's own --help, which is what people see.
"""
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ["ADK_BUILD"])
MADE = BUILD / "made"
COMMAND = BUILD / "adk-sandbox"
GENERATE = ["python3", "-B", ROOT / "docs" / "man" / "generate.py"]


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False,
                          **options)


def help_of(*words):
    done = run(COMMAND, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands():
    """The commands that --help lists, each with the long options that its own --help lists."""
    listed = help_of("--help").split("Commands:\n")[1].split("\n\n")[0]
    names = re.findall(r"^  ([a-z]+) ", listed, re.M)
    assert len(names) >= 5, listed
    with_help = [name for name in names if name not in ("help", "version")]
    return {name: re.findall(r"^  (?:-\w,|   ) --([a-z-]+)", help_of(name, "--help"), re.M) if name in with_help else []
            for name in names}


class Manual(unittest.TestCase):
    def pages(self):
        return [MADE / "adk-sandbox.1"] + sorted(page for page in (MADE / "man3").glob("*.3")
                                                 if not page.read_text(encoding="utf-8").startswith(".so"))

    def test_every_command_and_option(self):
        page = (MADE / "adk-sandbox.1").read_text(encoding="utf-8")
        synopsis = page.split('.SH "SYNOPSIS"')[1].split(".SH")[0]
        for command, options in commands().items():
            self.assertRegex(synopsis, r"\\fBadk\\-sandbox %s\b" % command)
            if options:
                part = page.split(".SS Options of \\fB%s\\fR\n" % command)[1].split("\n.S")[0]
                told = re.findall(r"^\.TP\n.*?\\-\\-([a-z\\-]+)\\fR", part, re.M)
                self.assertEqual([name.replace("\\", "") for name in told], options, command)

    def test_every_function(self):
        for header in (ROOT / "include" / "adk").glob("*.h"):
            text = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.S)
            for name in re.findall(r"\b(adk_\w+)\((?=[^;{]*\);)", "".join(re.findall(r"^ADK_API.*?;", text, re.S | re.M))):
                with self.subTest(name=name):
                    page = (MADE / "man3" / (name + ".3")).read_text(encoding="utf-8")
                    if page.startswith(".so "):
                        page = (MADE / page.split()[1]).read_text(encoding="utf-8")
                    part = page.split(".SS %s\n" % name)[1].split("\n.S")[0]
                    self.assertEqual(re.findall(r"^\.TP 12\n(\w+)$", part, re.M),
                                     ["Ownership", "Threads", "Errors", "Since"])

    def test_no_warnings(self):
        if not shutil.which("man"):
            self.skipTest("man is missing (Debian: man-db)")
        for page in self.pages():
            for encoding, locale in (("UTF-8", "C.UTF-8"), ("ascii", "C")):
                done = run("man", "--warnings", "-E", encoding, "-l", page,
                           env=dict(os.environ, LC_ALL=locale, MANWIDTH="80"))
                self.assertEqual((done.returncode, done.stderr), (0, ""), page)
                self.assertIn("NAME", done.stdout)

    def test_mandoc(self):
        if not shutil.which("mandoc"):
            self.skipTest("mandoc is missing (Debian: mandoc)")
        for page in self.pages():
            done = run("mandoc", "-T", "lint", "-W", "warning", page)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""), page)

    def test_a_page_that_tells_of_what_is_not_there(self):
        text = (ROOT / "docs" / "man" / "adk-sandbox.1.md").read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as work:
            for old, new, wrong in [("**\\--memory**\n", "**\\--memoir**\n", "run has no option --memoir"),
                                    ("\n## run\n", "\n## ran\n", "there is no command ran"),
                                    ("\n**doctor**\n", "\n**surgeon**\n", "there is no command surgeon")]:
                self.assertIn(old, text)
                source = pathlib.Path(work, "page.md")
                source.write_text(text.replace(old, new), encoding="utf-8")
                done = run(*GENERATE, "command", MADE / "completion.json", source, "", pathlib.Path(work, "page"))
                self.assertEqual((done.returncode, done.stderr), (1, "generate.py: %s\n" % wrong))


class Terminal:
    """An interactive program on a terminal."""

    def __init__(self, *command, **options):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(options["cwd"])
            os.execvpe(command[0], command, options["env"])

    def close(self):
        os.close(self.fd)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def type(self, text):
        os.write(self.fd, text.encode())

    def until(self, mark, seconds=60):
        """What appears before the mark."""
        end = time.monotonic() + seconds
        while mark not in self.seen:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError("%r did not appear, but %r" % (mark, self.seen[-2000:]))
            self.seen += os.read(self.fd, 65536)
        before, self.seen = self.seen.split(mark, 1)
        return before.decode()


class Completion(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.work = work.name
        for name in ("data one.csv", "data two.csv"):
            pathlib.Path(self.work, name).touch()

    def bash(self, *words):
        """What bash offers for the last of the words."""
        script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _adk_sandbox; printf "%s\\n" "${COMPREPLY[@]}"'
        done = run("bash", "-c", script, "bash", MADE / "completion.bash", "adk-sandbox", *words, cwd=self.work)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return sorted(done.stdout.split("\n")[:-1]) if done.stdout.strip() else []

    def fish(self, text):
        """The same of fish, for a line."""
        done = run("fish", "--no-config", "-c", 'source $argv[1]; complete -C"$argv[2]"', MADE / "completion.fish", text,
                   cwd=self.work, env=dict(os.environ, HOME=self.work))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return sorted(line.split("\t")[0] for line in done.stdout.splitlines())

    def test_bash(self):
        if not shutil.which("bash"):
            self.skipTest("bash is missing")
        known = commands()
        self.assertEqual(self.bash(""), sorted(list(known) + ["--help", "--version"]))
        self.assertEqual(self.bash("doc"), ["doctor"])
        for command, options in known.items():
            self.assertEqual(self.bash(command, "-") if options else [], sorted("--" + name for name in options))
        self.assertEqual(self.bash("run", "--out-"), ["--out-max"])
        self.assertEqual(self.bash("run", "-l", "py"), ["python"])
        self.assertEqual(self.bash("run", "--output-policy", "=", "s"), ["stop"])
        self.assertEqual(self.bash("run", "--output-policy", "="), ["stop", "truncate"])
        self.assertEqual(self.bash("run", "-t", ""), [])
        self.assertEqual(self.bash("run", "-i", "da"), ["data one.csv", "data two.csv"])
        self.assertEqual(self.bash("run", "-f", "/x", "=", "data t"), ["data two.csv"])
        self.assertEqual(self.bash("compile", "data o"), ["data one.csv"])
        self.assertEqual(self.bash("completion", ""), ["bash", "fish", "json", "zsh"])
        self.assertEqual(self.bash("help", "co"), sorted(name for name in known if name.startswith("co")))
        self.assertEqual(self.bash("doctor", ""), [])

    def test_fish(self):
        if not shutil.which("fish"):
            self.skipTest("fish is missing (Debian: fish)")
        known = commands()
        self.assertEqual(self.fish("adk-sandbox "), sorted(known))
        for command, options in known.items():
            self.assertEqual(set(self.fish("adk-sandbox %s --" % command)), {"--" + name for name in options})
        self.assertEqual(self.fish("adk-sandbox run -l py"), ["python"])
        self.assertEqual(self.fish("adk-sandbox completion "), ["bash", "fish", "json", "zsh"])

    def test_zsh(self):
        text = (MADE / "completion.zsh").read_text(encoding="utf-8")
        for command, options in commands().items():
            self.assertRegex(text, r"(?m)^            '%s:" % command)
            part = text.split("\n    %s)\n" % command)[1].split(";;")[0]
            self.assertEqual(re.findall(r"--([a-z-]+)=?\}?'\[", part), options, command)
        if not shutil.which("zsh"):
            self.skipTest("zsh is missing (Debian: zsh): its syntax is not tried")
        done = run("zsh", "-fc", 'autoload -U compinit; compinit -u -D; source "$1"; whence -w _adk_sandbox', "zsh",
                   MADE / "completion.zsh", env=dict(os.environ, HOME=self.work))
        self.assertEqual((done.stdout, done.stderr), ("_adk_sandbox: function\n", ""))

    def test_zsh_on_a_terminal(self):
        """The tabulator key makes of a line what it shall; ^X shows the line and empties it."""
        if not shutil.which("zsh"):
            self.skipTest("zsh is missing (Debian: zsh)")
        zsh = Terminal("zsh", "-f", "-i", cwd=self.work, env={"HOME": self.work, "PATH": os.environ["PATH"], "TERM": "dumb"})
        self.addCleanup(zsh.close)
        zsh.type("PS1=; unsetopt prompt_cr prompt_sp; autoload -U compinit; compinit -u -D; source '%s'; "
                 "show() { print -r -- \"<${BUFFER}>\"; BUFFER=; }; zle -N show; bindkey '^X' show; print re''ady\n"
                 % (MADE / "completion.zsh"))
        zsh.until(b"ready\r\n")
        for typed, made in [("doc", "doctor "), ("run --out-m", "run --out-max="), ("run -l py", "run -l python "),
                            ("run --output-policy=s", "run --output-policy=stop "), ("runtime inst", "runtime install "),
                            ("completion fi", "completion fish "), ("help capa", "help capabilities "),
                            ("run -i data\\ o", "run -i data\\ one.csv "), ("run -f /x=data\\ t", "run -f /x=data\\ two.csv "),
                            ("run --timeout=5s --mem", "run --timeout=5s --memory="), ("mcp --max-f", "mcp --max-files="),
                            ("doctor --j", "doctor --json "), ("capabilities --j", "capabilities --json "),
                            ("run guest.wasm --js", "run guest.wasm --js"), ("doctor x", "doctor x")]:
            zsh.type("adk-sandbox %s\t\x18" % typed)
            zsh.until(b"<")
            self.assertEqual(zsh.until(b">\r\n"), "adk-sandbox " + made, typed)

    def test_errors(self):
        for words, message in [((), "for which shell? One of bash, zsh, fish, or json"),
                               (("tcsh",), '"tcsh" is none of bash, zsh, fish, json'),
                               (("bash", "zsh"), "for which shell? One of bash, zsh, fish, or json")]:
            done = run(COMMAND, "completion", *words)
            self.assertEqual((done.returncode, done.stdout, done.stderr),
                             (2, "", "adk-sandbox: completion: %s\n" % message))


if __name__ == "__main__":
    unittest.main()

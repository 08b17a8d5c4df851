"""Every C example in README, docs and headers compiles against the library and runs; those of other languages run, too."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CC = os.environ.get("ADK_CC", "cc")
LINK = shlex.split(os.environ.get("ADK_LINK", ""))
BUILD = pathlib.Path(os.environ.get("ADK_SANDBOX") or ROOT / "build/dev/adk-sandbox").resolve().parent

# What the fragments of the guide stand in.
FRAGMENT = """#include <adk/sandbox.h>
#include <poll.h>
#include <stdio.h>
int main(void)
{
adk_backend *backend = NULL;
adk_result *result = NULL;
adk_error *error = NULL;
adk_request request = ADK_REQUEST_INIT;
%s
if (error != NULL) fprintf(stderr, "%%s\\n", adk_error_message_cstr(error));
adk_result_free(result);
adk_backend_free(backend);
adk_error_free(error);
return error == NULL ? 0 : 1;
}
"""


def fenced(path, language="c"):
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^```%s\n(.*?)^```" % language, text, re.S | re.M)


def with_output(path, language):
    """Blocks of a language, each with the block of text that follows it: what it prints."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^```%s\n(.*?)^```\n+```text\n(.*?)^```" % language, text, re.S | re.M)


def in_comment(path):
    """@code blocks of a header: statements, which become the body of a main()."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"@code\n(.*?)\* @endcode", text, re.S)
    for block in blocks:
        body = "\n".join(re.sub(r"^ \* ?", "", line) for line in block.splitlines())
        yield f"#include <adk/sandbox.h>\n#include <stdio.h>\nint main(void)\n{{\n{body}\nreturn 0;\n}}\n"


class Docs(unittest.TestCase):
    def run_example(self, source, env=None):
        with tempfile.TemporaryDirectory() as work:
            program = pathlib.Path(work, "example")
            code = pathlib.Path(work, "example.c")
            code.write_text(source, encoding="utf-8")
            subprocess.run([CC, "-std=c17", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", "-o", program, code, *LINK],
                           check=True)
            done = subprocess.run([program], capture_output=True, text=True, timeout=60, env=env)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

    def test_readme(self):
        blocks = fenced(ROOT / "README.md")
        self.assertTrue(blocks)
        for block in blocks:
            with self.subTest(block=block[:60]):
                self.assertEqual(self.run_example(block), "timed_out\n")

    def test_headers(self):
        blocks = [block for header in sorted((ROOT / "include/adk").glob("*.h")) for block in in_comment(header)]
        self.assertTrue(blocks)
        for block in blocks:
            with self.subTest(block=block[:60]):
                self.assertEqual(self.run_example(block), "exited\n")

    def test_guide(self):
        """Fragments: the body of a main(). Each says in its last line what it prints."""
        blocks = fenced(ROOT / "docs/guide.md")
        self.assertTrue(blocks)
        for block in blocks:
            with self.subTest(block=block[:60]):
                printed = re.fullmatch(r".*/\* prints: (.*) \*/\n", block, re.S)
                self.assertIsNotNone(printed, block)
                self.assertEqual(self.run_example(FRAGMENT % block), printed.group(1) + "\n")


    def test_runtimes(self):
        """The same; without the runtime it fails, and says how to have it."""
        block, = fenced(ROOT / "docs/runtimes.md")
        with tempfile.TemporaryDirectory() as work, self.assertRaisesRegex(
                AssertionError, 'the runtime "python" is not installed: adk-sandbox runtime install python'):
            self.run_example(FRAGMENT % block, env=dict(os.environ, ADK_SANDBOX_RUNTIMES=work))


class Hosts(unittest.TestCase):
    """docs/hosts.md: every block is run as it stands, where there is something to run it."""

    PAGE = ROOT / "docs/hosts.md"

    def run_blocks(self, language, command, suffix, blocks):
        """Runs each block by `command(path of the source, directory)`, which returns what is to be run."""
        found = with_output(self.PAGE, language)
        self.assertEqual(len(found), blocks)
        self.assertEqual(len(fenced(self.PAGE, language)), blocks)
        environment = dict(os.environ, PATH=f"{BUILD}{os.pathsep}{os.environ['PATH']}", LD_LIBRARY_PATH=str(BUILD))
        for source, output in found:
            with self.subTest(block=source[:60]), tempfile.TemporaryDirectory() as work:
                path = pathlib.Path(work, "example" + suffix)
                path.write_text(source, encoding="utf-8")
                done = subprocess.run(command(path, work), capture_output=True, text=True, timeout=60, env=environment)
                self.assertEqual((done.stdout, done.stderr, done.returncode), (output, "", 0))

    def test_python(self):
        if not (BUILD / "libadk_sandbox.so.0").exists():
            self.skipTest("this build has no shared library")
        self.run_blocks("python", lambda path, work: [sys.executable, "-B", path], ".py", 1)

    def test_node(self):
        node = shutil.which("node")
        if node is None:
            self.skipTest("there is no node")
        self.run_blocks("js", lambda path, work: [node, path], ".cjs", 2)

    def test_rust(self):
        rustc = shutil.which("rustc") or shutil.which("rustc", path=os.path.expanduser("~/.cargo/bin"))
        if rustc is None:
            self.skipTest("there is no rustc")

        def build(path, work):
            program = pathlib.Path(work, "example")
            subprocess.run([rustc, "--edition", "2021", "-D", "warnings", "-o", program, path], check=True)
            return [program]

        self.run_blocks("rust", build, ".rs", 1)


if __name__ == "__main__":
    unittest.main()

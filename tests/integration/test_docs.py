"""Every C example in README, docs and headers compiles against the library and runs."""

import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CC = os.environ.get("ADK_CC", "cc")
LINK = shlex.split(os.environ.get("ADK_LINK", ""))


def fenced(path):
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^```c\n(.*?)^```", text, re.S | re.M)


def in_comment(path):
    """@code blocks of a header: statements, which become the body of a main()."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"@code\n(.*?)\* @endcode", text, re.S)
    for block in blocks:
        body = "\n".join(re.sub(r"^ \* ?", "", line) for line in block.splitlines())
        yield f"#include <adk/sandbox.h>\n#include <stdio.h>\nint main(void)\n{{\n{body}\nreturn 0;\n}}\n"


class Docs(unittest.TestCase):
    def run_example(self, source):
        with tempfile.TemporaryDirectory() as work:
            program = pathlib.Path(work, "example")
            code = pathlib.Path(work, "example.c")
            code.write_text(source, encoding="utf-8")
            subprocess.run([CC, "-std=c17", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", "-o", program, code, *LINK],
                           check=True)
            done = subprocess.run([program], capture_output=True, text=True, timeout=60)
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


if __name__ == "__main__":
    unittest.main()

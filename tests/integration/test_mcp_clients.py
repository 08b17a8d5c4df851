"""`adk-sandbox mcp` with the official clients: the SDK for Python and the inspector. scripts/fetch-clients installs them
below build/clients; without them these tests are skipped."""
import json
import os
import shutil
import subprocess
import unittest

import adk
from adk import wat_print
from test_mcp import SLEEP_60

CLIENTS = os.environ.get("ADK_CLIENTS") or os.path.join(adk.ROOT, "build", "clients")
PYTHON = os.path.join(CLIENTS, "python", "bin", "python")
INSPECTOR = os.path.join(CLIENTS, "inspector", "node_modules", ".bin", "mcp-inspector")
HELLO = wat_print(b"hello\n")
TOOLS = ["sandbox_exec", "sandbox_read", "sandbox_capabilities"]


def is_whole(name):
    return os.path.exists(os.path.join(CLIENTS, name + ".mark"))


def run(*arguments):
    return subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=2 * adk.PATIENCE, check=False)


class Sdk(adk.Case):
    def drive(self, mode, revision):
        if not is_whole("python"):
            raise unittest.SkipTest("the SDK for Python is not there: scripts/fetch-clients")
        done = run(PYTHON, "-B", os.path.join(adk.HERE, "mcp", "sdk.py"), adk.COMMAND, mode, HELLO, SLEEP_60)
        self.assertEqual(done.returncode, 0, done.stderr.decode()[-3000:])
        seen = json.loads(done.stdout)
        self.assertEqual(seen["revision"], revision)
        self.assertEqual(seen["tools"], TOOLS)
        self.assertEqual(seen["hello"], [False, "hello\n", "hello\n"])
        self.assertEqual(seen["timeout"], ["timeout", "so far\n"])
        self.assertEqual(seen["progress"][0], 1)
        self.assertEqual(seen["bad"], [True, "text"])
        took, said = seen["cancelled"]
        self.assertEqual(said, ["hello\n"])
        self.assertLess(max(took), 20 + adk.SLACK_SECONDS * 1000)
        if not os.environ.get("ADK_SANITIZED"):
            self.assertLess(min(took), 20, "the machine may be busy once, not each time")
        self.assertEqual(seen["fifty"], ["hello\n"] * 50)
        seconds, statuses = seen["at_once"]
        self.assertEqual(statuses, ["timeout:so far\n"] * 50)
        self.assertLess(seconds, 10 + adk.SLACK_SECONDS, "one after the other would be fifty")
        broken, outcomes = seen["conform"]
        self.assertEqual(broken, [])
        self.assertEqual(outcomes, ["exited", "rejected", "trapped", "timed_out", "exited", "memory_limit"] + [None] * 6)
        self.assertEqual(seen["capabilities"], ["wasm"])
        print("%s: cancelled, and the thread had run something else, after %.1f ms; fifty of 1 s in %.1f s" %
              (revision, min(took), seconds))

    def test_the_latest_revision(self):
        self.drive("auto", "2026-07-28")

    def test_the_handshake(self):
        self.drive("legacy", "2025-11-25")


class Inspector(adk.Case):
    def inspect(self, *arguments):
        if not is_whole("inspector") or shutil.which("node") is None:
            raise unittest.SkipTest("the inspector or node is not there: scripts/fetch-clients")
        done = run("node", INSPECTOR, "--cli", adk.COMMAND, "mcp", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr.decode()[-3000:])
        return json.loads(done.stdout)

    def test_it_lists_the_tools(self):
        self.assertEqual([tool["name"] for tool in self.inspect("--method", "tools/list")["tools"]], TOOLS)

    def test_it_runs_hello_world(self):
        result = self.inspect("--method", "tools/call", "--tool-name", "sandbox_exec", "--tool-arg", "language=wasm",
                              "--tool-arg", "code=" + HELLO)
        self.assertEqual(adk.checked(result["structuredContent"])["stdout"], "hello\n")

    def test_it_gets_a_timeout_with_the_output_so_far(self):
        result = self.inspect("--method", "tools/call", "--tool-name", "sandbox_exec", "--tool-arg", "language=wasm",
                              "--tool-arg", "timeout_secs=1", "--tool-arg", "code=" + SLEEP_60)
        report = adk.checked(result["structuredContent"])
        self.assertEqual((report["status"], report["stdout"]), ("timeout", "so far\n"))


if __name__ == "__main__":
    adk.main()

"""`adk-sandbox mcp`, spoken to in raw lines: the protocol, its revisions and its errors; calls, many at once, cancelled,
slow; what a client cannot make the server do."""
import base64
import json
import os
import time

import adk
import runtimes
from adk import wat_print
from mcp_client import INITIALIZE, Raw

HELLO = wat_print(b"hello\n")
NOTHING = adk.WAT_NOTHING
SLEEP = """(module (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 16) "\\01")
  (data (i32.const 256) "\\08\\01\\00\\00\\07\\00\\00\\00so far\\0a")
  (func (export "_start") (i64.store (i32.const 24) (i64.const %d))
    (drop (call $write (i32.const 1) (i32.const 256) (i32.const 1) (i32.const 512)))
    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))"""
SLEEP_60 = SLEEP % (60 * 10**9)
MODERN = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}


class Case(adk.Case):
    def server(self, *arguments, revision="2025-11-25", **options):
        server = Raw(*arguments, **options)
        self.addCleanup(server.close)
        if revision is not None:
            server.initialize(revision)
        return server

    def report(self, server, id):
        """The structured report of a call, which the text content repeats."""
        result = server.result(id)
        self.assertEqual(result["content"][0]["type"], "text")
        self.assertEqual(json.loads(result["content"][0]["text"]), result["structuredContent"])
        return adk.checked(result["structuredContent"])


class Protocol(Case):
    def test_revisions(self):
        for revision, agreed in (("2024-11-05", "2024-11-05"), ("2025-03-26", "2025-03-26"),
                                 ("2025-06-18", "2025-06-18"), ("2025-11-25", "2025-11-25"),
                                 (MODERN, "2025-11-25"), ("1999-01-01", "2025-11-25")):
            server = self.server(revision=None)
            result = server.initialize(revision)
            self.assertEqual(result["protocolVersion"], agreed)
            self.assertEqual(result["serverInfo"]["name"], "adk-sandbox")
            self.assertEqual(result["capabilities"], {"tools": {"listChanged": False}})
            tools = server.result(server.request("tools/list"))["tools"]
            self.assertEqual([tool["name"] for tool in tools], ["sandbox_exec", "sandbox_read", "sandbox_capabilities"])
            self.assertEqual("outputSchema" in tools[0], agreed >= "2025-06-18")
            self.assertEqual("annotations" in tools[0], agreed >= "2025-03-26")
            result = server.result(server.run(HELLO))
            self.assertEqual("structuredContent" in result, agreed >= "2025-06-18")
            self.assertNotIn("resultType", result)
            self.assertEqual(json.loads(result["content"][0]["text"])["stdout"], "hello\n")

    def test_a_revision_with_each_request(self):
        server = self.server(revision=None)
        found = server.result(server.request("server/discover", {"_meta": META}))
        self.assertEqual(found["supportedVersions"][0], MODERN)
        self.assertEqual((found["resultType"], found["cacheScope"], type(found["ttlMs"])), ("complete", "private", int))
        self.assertEqual(found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "adk-sandbox")
        listed = server.result(server.request("tools/list", {"_meta": META}))
        self.assertEqual((listed["resultType"], listed["cacheScope"], type(listed["ttlMs"])), ("complete", "private", int))
        self.assertIn("io.modelcontextprotocol/serverInfo", listed["_meta"])
        result = server.result(server.run(HELLO, meta=META))
        self.assertEqual((result["resultType"], result["isError"]), ("complete", False))
        self.assertIn("io.modelcontextprotocol/serverInfo", result["_meta"])
        for method in ("ping", "initialize"):  # this revision has them no more
            self.assertEqual(server.error(server.request(method, {"_meta": META}))["code"], -32601)
        for capabilities in (None, [], "x"):
            wrong = dict(META)
            wrong["io.modelcontextprotocol/clientCapabilities"] = capabilities
            self.assertEqual(server.error(server.request("tools/list", {"_meta": wrong}))["code"], -32602)
        del wrong["io.modelcontextprotocol/clientCapabilities"]
        self.assertEqual(server.error(server.request("server/discover", {"_meta": wrong}))["code"], -32602)
        wrong = {"io.modelcontextprotocol/protocolVersion": "2099-01-01"}
        error = server.error(server.request("tools/list", {"_meta": wrong}))
        self.assertEqual(error["code"], -32022)
        self.assertEqual(error["data"]["requested"], "2099-01-01")
        self.assertIn(MODERN, error["data"]["supported"])
        wrong = {"io.modelcontextprotocol/protocolVersion": 7}
        self.assertEqual(server.error(server.request("tools/list", {"_meta": wrong}))["code"], -32602)

    def test_first_things_first(self):
        server = self.server(revision=None)
        self.assertEqual(server.result(server.request("ping")), {})
        self.assertEqual(server.error(server.request("tools/list"))["code"], -32602)
        self.assertEqual(server.error(server.run(HELLO))["code"], -32602)
        self.assertEqual(server.error(server.request("server/discover"))["code"], -32602)
        self.assertEqual(server.error(server.request("initialize", {}))["code"], -32602)
        server.initialize()
        self.assertEqual(server.error(server.request("server/discover"))["code"], -32601)
        again = server.request("initialize", dict(INITIALIZE, protocolVersion="2025-11-25"))
        self.assertEqual(server.error(again)["code"], -32600)

    def test_what_is_no_request(self):
        server = self.server()
        for line, code in ((b"{", -32700), (b"\xff", -32700), (b'{"a":1,"a":2}', -32700), (b"[" * 40, -32700),
                           (b"7", -32600), (b'"x"', -32600), (b"{}", -32600), (b"[]", -32600),
                           (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
                           (b'{"id":1,"method":"ping"}', -32600), (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
                           (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
                           (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
                           (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
                           (b'{"jsonrpc":"2.0","id":9,"method":7}', -32600),
                           (b'{"jsonrpc":"2.0","id":9,"method":"ping","params":[]}', -32602),
                           (b'{"jsonrpc":"2.0","id":9,"method":"ping","params":{"_meta":7}}', -32602),
                           (b'{"jsonrpc":"2.0","id":9,"method":"resources/list"}', -32601),
                           (b'{"jsonrpc":"2.0","id":9,"method":"logging/setLevel","params":{"level":"debug"}}', -32601),
                           (b'{"jsonrpc":"2.0","id":9,"method":"tools/list","params":{"cursor":"x"}}', -32602),
                           (b'{"jsonrpc":"2.0","id":9,"method":"tools/call"}', -32602),
                           (b'{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"rm"}}', -32602),
                           (b'{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"sandbox_exec","arguments":[]}}',
                            -32602)):
            server.send_bytes(line + b"\n")
            message = server.next()
            self.assertEqual(message["error"]["code"], code, line)
            self.assertIn(message["id"], (None, 1, 9))
        for line in (b"", b"  \r", b'{"jsonrpc":"2.0","id":1,"result":{}}', b'{"jsonrpc":"2.0","method":"notifications/x"}',
                     b'{"jsonrpc":"2.0","method":"notifications/cancelled"}',
                     b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":12}}'):
            server.send_bytes(line + b"\n")
        self.assertEqual(server.result(server.request("ping")), {})
        self.assertEqual(server.kept, [], "these have no answer")

    def test_batches_of_the_one_revision_that_has_them(self):
        server = self.server(revision="2025-03-26")
        server.send([{"jsonrpc": "2.0", "id": "a", "method": "ping"},
                     {"jsonrpc": "2.0", "method": "notifications/x"},
                     {"jsonrpc": "2.0", "id": "b", "method": "tools/call",
                      "params": {"name": "sandbox_exec", "arguments": {"language": "wasm", "code": HELLO}}}, 5])
        answers = server.next()
        self.assertEqual(sorted(str(answer["id"]) for answer in answers), ["None", "a", "b"])
        server.send([{"jsonrpc": "2.0", "method": "notifications/x"}])
        self.assertEqual(server.result(server.request("ping")), {})
        self.assertEqual(server.kept, [])

    def test_a_line_too_long(self):
        server = self.server("--max-message", "4KiB")
        server.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"' + b"x" * 1000000 + b'"}}\n')
        message = server.next()
        self.assertEqual((message["id"], message["error"]["code"]), (None, -32600))
        self.assertEqual(message["error"]["message"], "the message has more than 4096 bytes")
        self.assertEqual(server.result(server.request("ping")), {})

    def test_requests_piped_in(self):
        lines = [{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": dict(INITIALIZE, protocolVersion="2025-06-18")},
                 {"jsonrpc": "2.0", "id": 2, "method": "tools/call",
                  "params": {"name": "sandbox_capabilities"}}]
        done = adk.command("mcp", stdin="\n".join(json.dumps(line) for line in lines).encode())
        self.expect(done, 0)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([answer["id"] for answer in answers], [1, 2])
        self.assertEqual(answers[1]["result"]["structuredContent"]["languages"], ["wasm"])
        self.assertEqual(done.stderr, b"")


class Calls(Case):
    def test_bad_arguments_are_for_the_model(self):
        server = self.server()
        result = server.result(server.call("sandbox_exec", {"language": "ruby", "code": ""}))
        self.assertTrue(result["isError"])
        self.assertEqual(result["structuredContent"]["stderr"], 'unsupported language "ruby". Expected one of: rust, '
                         'python, javascript, typescript, wasm, command')
        result = server.result(server.call("sandbox_read", {"handle": "x", "stream": "stdout"}))
        self.assertTrue(result["isError"])

    def test_a_timeout_brings_the_output_so_far(self):
        server = self.server()
        report = self.report(server, server.run(SLEEP_60, timeout_secs=1))
        self.assertEqual((report["status"], report["stdout"]), ("timeout", "so far\n"))
        self.assertEqual(report["stderr"], "execution timed out after 1s")

    def test_languages(self):
        """Warm images serve many calls, and nothing of one is there in the next."""
        env = runtimes.installed("python", "javascript", "typescript")
        for isolation, arguments in (("wasm+process", ()), ("wasm", ("--isolation", "wasm"))):
            server = self.server(*arguments, env=env)
            for language, code, said in (
                    ("python", "import builtins; print(hasattr(builtins, 'left')); builtins.left = 1", "False\n"),
                    ("javascript", "console.log(typeof left); globalThis.left = 1", "undefined\n"),
                    ("typescript", "console.log(typeof left as string); globalThis.left = 1", "undefined\n")):
                ids = [server.call("sandbox_exec", {"language": language, "code": code, "timeout_secs": 60}) for _ in range(5)]
                for id in ids:
                    report = self.report(server, id)
                    self.assertEqual((report["outcome"], report["stdout"], report["stderr"]), ("exited", said, ""))
                    self.assertEqual((report["backend"], report["isolation"]), (language, isolation))
            self.assertEqual(server.end()[0], 0)

    def test_sessions(self):
        server = self.server(env=runtimes.installed("python"))

        def run(session, code):
            report = self.report(server, server.call("sandbox_exec", {
                "language": "python", "code": code, "session": session, "timeout_secs": 60}))
            return report["outcome"], report["stdout"], report["session"]["open"]

        def act(**arguments):
            result = server.result(server.call("sandbox_session", arguments))
            return result.get("isError", False), result["structuredContent"]

        self.assertEqual(run("a", "x = [1]"), ("exited", "", True))
        self.assertEqual(run("a", "x.append(2); print(x)"), ("exited", "[1, 2]\n", True))
        self.assertEqual(act(action="fork", session="a", **{"as": "b"}), (False, {"status": "success"}))
        self.assertEqual(run("b", "x.append('b'); print(x)"), ("exited", "[1, 2, 'b']\n", True))
        self.assertEqual(run("a", "x.append('a'); print(x)"), ("exited", "[1, 2, 'a']\n", True))
        self.assertEqual(run("other", "print('x' in globals())"), ("exited", "False\n", True))
        self.assertEqual(run("other", "import time; t = time.monotonic(); time.sleep(.1); print(time.monotonic() - t < .3)"),
                         ("exited", "True\n", True))
        listed = act(action="list")[1]["sessions"]
        self.assertEqual(sorted(entry["name"] for entry in listed), ["a", "b", "other"])
        self.assertEqual(act(action="close", session="b")[0], False)
        self.assertEqual(run("b", "print('x' in globals())"), ("exited", "False\n", True))
        for wrong in ({"action": "close", "session": "nobody"}, {"action": "close", "session": "../a"},
                      {"action": "fork", "session": "a", "as": "other"}, {"action": "open"}, {"action": "list", "more": 1}):
            self.assertEqual(act(**wrong)[0], True, wrong)
        self.assertEqual(run("a", "import os; os._exit(3)")[2], False)
        self.assertEqual(run("a", "print('x' in globals())"), ("exited", "False\n", True))
        self.assertEqual(server.end()[0], 0)

    def test_sessions_of_scripts(self):
        server = self.server(env=runtimes.installed("javascript"))

        def run(code, session="a"):
            report = self.report(server, server.call("sandbox_exec", {
                "language": "javascript", "code": code, "session": session, "timeout_secs": 60}))
            return report["exit_code"], report["stdout"], report["stderr"], report["session"]["open"]

        self.assertEqual(run("const x = [1]; let y = 2; function f() { return x.length; }"), (0, "", "", True))
        self.assertEqual(run("x.push(2); console.log(x, y, f())"), (0, "[ 1, 2 ] 2 2\n", "", True))
        self.assertEqual(run("const r = await Promise.resolve(5); console.log(r)"), (0, "5\n", "", True))
        self.assertEqual(run("console.log(r); setTimeout(() => console.log('later', r), 30)"), (0, "5\nlater 5\n", "", True))
        code, out, err, is_open = run("console.log('so far'); nothing.here")
        self.assertEqual((code, out, is_open), (1, "so far\n", True))
        self.assertTrue(err.startswith("ReferenceError: nothing is not defined"), err)
        self.assertEqual(run("setTimeout(() => { throw new Error('late'); }, 1)")[0], 1)
        self.assertEqual(run("+")[0], 1)
        self.assertEqual(run("std.writeFile('kept', 'text')")[0], 0)
        self.assertEqual(run("console.log(std.loadFile('kept'), os.readdir('/')[0].filter((name) => name[0] !== '.'))"),
                         (0, "text [ 'kept' ]\n", "", True))
        # A timer is due when it should be, however old the session and its image are.
        self.assertEqual(run("const begun = os.now(); setTimeout(() => console.log(os.now() - begun < 3e5), 100)"),
                         (0, "true\n", "", True))
        self.assertFalse(server.result(server.call("sandbox_session", {
            "action": "fork", "session": "a", "as": "b"})).get("isError", False))
        self.assertEqual(run("x.push('b'); console.log(x.length)", "b"), (0, "3\n", "", True))
        self.assertEqual(run("console.log(x.length)"), (0, "2\n", "", True))
        self.assertNotEqual(run("console.log(Math.random())", "b")[1], run("console.log(Math.random())")[1])
        self.assertEqual(run("std.exit(3)"), (3, "", "", False))
        self.assertEqual(server.end()[0], 0)

    def test_ceilings(self):
        server = self.server("--max-timeout", "1s", "--max-memory", "2MiB")
        report = self.report(server, server.run(HELLO, timeout_secs=400, memory_limit_mb=64))
        self.assertEqual(report["limits"]["timeout_ns"], 10**9)
        self.assertEqual(report["limits"]["memory_limit_bytes"], 2 << 20)
        self.assertTrue(report["limits"]["timeout_clamped"] and report["limits"]["memory_clamped"])

    def test_modules_by_name_and_files(self):
        os.mkdir(os.path.join(self.directory, "m"))
        os.symlink(os.path.join(adk.GUESTS, "files.wasm"), os.path.join(self.directory, "m", "link.wasm"))
        self.file("m/hello.wat", HELLO)
        server = self.server("--modules", os.path.join(self.directory, "m"))
        found = server.result(server.call("sandbox_capabilities", {}))["structuredContent"]
        self.assertEqual(found["modules"], ["hello.wat"])
        report = self.report(server, server.call("sandbox_exec", {"language": "wasm", "module": "hello.wat"}))
        self.assertEqual(report["stdout"], "hello\n")
        png = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
        id = server.run(NOTHING, files=[{"path": "/in/a.png", "content": base64.b64encode(png).decode(), "encoding": "base64"},
                                        {"path": "/in/b.txt", "content": "text"}], outputs=["/in"])
        result = server.result(id)
        self.assertEqual([block["type"] for block in result["content"]], ["text", "image"])
        self.assertEqual(base64.b64decode(result["content"][1]["data"]), png)
        self.assertEqual(result["content"][1]["mimeType"], "image/png")
        files = {file["path"]: file for file in result["structuredContent"]["files"]}
        self.assertEqual((files["/in/a.png"]["content"], files["/in/a.png"]["image"]), ("", 0))
        self.assertEqual(files["/in/b.txt"]["content"], "text")

    def test_the_original_s_answers(self):
        """The keys and sentences of the tool that this one replaces, from real runs (compat.md 1)."""
        server = self.server()

        def answer(code, **arguments):
            return self.report(server, server.run(code, timeout_secs=1, **arguments))
        done = answer(HELLO)
        self.assertEqual([done[key] for key in ("status", "stdout", "stderr", "exit_code")], ["success", "hello\n", "", 0])
        self.assertIsInstance(done["duration_ms"], int)
        late = answer(SLEEP_60)
        self.assertEqual((late["status"], late["stderr"]), ("timeout", "execution timed out after 1s"))
        self.assertGreaterEqual(late["duration_ms"], 1000)
        large = answer('(module (memory 160) (func (export "_start")))', memory_limit_mb=1)
        self.assertEqual((large["status"], large["stderr"]), ("memory_exceeded", "memory limit exceeded: 1 MB"))
        for code, words in (("no module", "failed to compile WASM module: "),
                            ("(module)", "WASM module has no _start function: "),
                            ('(module (import "a" "b" (func)) (func (export "_start")))',
                             "failed to instantiate WASM module: ")):
            failed = answer(code)
            self.assertEqual(failed["status"], "error")
            self.assertTrue(failed["stderr"].startswith(words), failed["stderr"])
        self.assertEqual(answer(adk.wat_exit(3))["exit_code"], 3)  # a result, not an error

    def test_the_rest_of_long_output(self):
        server = self.server()
        text = "".join("%06d\n" % number for number in range(8000))
        report = self.report(server, server.run(wat_print(text.encode())))
        self.assertEqual(len(report["stdout"]) + len(report["stdout_tail"]), 16384)
        got, offset = "", 0
        while offset is not None:
            piece = server.result(server.call("sandbox_read", {"handle": report["handle"], "stream": "stdout",
                                                               "offset": offset}))["structuredContent"]
            got, offset = got + piece["content"], piece["next_offset"]
        self.assertEqual(got, text)

    def test_fifty_at_once(self):
        server = self.server("--threads", "3")
        ids = [server.run(wat_print(b"%d\n" % number), id="call-%d" % number) for number in range(50)]
        for number, id in enumerate(ids):
            self.assertEqual(self.report(server, id)["stdout"], "%d\n" % number)

    def test_more_than_may_wait(self):
        server = self.server("--threads", "1", "--max-calls", "3")
        ids = [server.run(SLEEP_60) for _ in range(3)]
        refused = server.error(server.run(HELLO))
        self.assertEqual(refused["code"], -31000)
        self.assertIn("too many calls are under way (3,", refused["message"])
        same = server.error(server.run(HELLO, id=ids[0]))
        self.assertEqual((same["code"], same["message"]), (-32600, "a request with this id is under way"))
        self.assertEqual(server.end()[0], 0)

    def test_a_batch_counts_all_its_bytes(self):
        """What is large in a batch of many is as large as it would be alone."""
        server = self.server("--threads", "1", "--max-message", "16MiB", revision="2025-03-26")
        large = [{"path": "/large", "content": "x" * (12 << 20)}]
        ids = []
        for number in range(6):
            ids.append("large-%d" % number)
            call = {"jsonrpc": "2.0", "id": ids[-1], "method": "tools/call",
                    "params": {"name": "sandbox_exec",
                               "arguments": {"language": "wasm", "code": SLEEP_60, "files": large}}}
            server.send([call] + [{"jsonrpc": "2.0", "method": "notifications/x"}] * 15)
        refused = server.next()
        self.assertEqual([answer["id"] for answer in refused], [ids[5]])
        self.assertIn("too many calls are under way (5, with 629", refused[0]["error"]["message"])
        self.assertEqual(server.end()[0], 0)

    def test_cancelling(self):
        server = self.server("--threads", "1")
        self.report(server, server.run(SLEEP % 1))  # the engine is warm
        first, waiting = server.run(SLEEP_60, id="first"), server.run(SLEEP_60, id="waiting")
        self.assertEqual(server.result(server.request("ping")), {})
        time.sleep(0.1)  # so that the first runs; it is right without
        server.notify("notifications/cancelled", {"requestId": waiting})
        began = time.monotonic()
        server.notify("notifications/cancelled", {"requestId": first, "reason": "enough"})
        report = self.report(server, server.run(HELLO))
        seconds = time.monotonic() - began
        self.assertEqual(report["stdout"], "hello\n")
        self.assertLess(seconds, 0.02 + adk.SLACK_SECONDS)
        print("cancelled, and the thread had run something else, after %.1f ms" % (seconds * 1000))
        self.assertEqual(server.result(server.request("ping")), {})
        self.assertEqual(server.kept, [], "what is cancelled has no answer")

    def test_progress(self):
        server = self.server()
        id = server.run(SLEEP_60, meta={"progressToken": "token"}, timeout_secs=3)
        seen = []
        while True:
            message = server.next()
            if message.get("id") == id:
                break
            self.assertEqual(message["method"], "notifications/progress")
            self.assertEqual((message["params"]["progressToken"], message["params"]["total"]), ("token", 3))
            seen.append(message["params"]["progress"])
        self.assertGreaterEqual(len(seen), 1)
        self.assertEqual(seen, sorted(set(seen)), "progress increases")
        self.assertEqual(message["result"]["structuredContent"]["status"], "timeout")

    def test_trace_context_is_told(self):
        server = self.server("-v")
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        self.report(server, server.run(HELLO, meta={"traceparent": parent}))
        server.end()
        line = server.process.stderr.read().decode()
        self.assertRegex(line, r"^adk-sandbox: run backend=wasm language=wasm outcome=exited exit_code=0 start_ns=\d+ "
                               r"duration_ns=\d+ traceparent=%s\n$" % parent)


class Endings(Case):
    def test_the_end_of_input_ends_all(self):
        server = self.server("--threads", "2")
        ids = [server.run(SLEEP_60) for _ in range(4)]
        self.assertEqual(server.result(server.request("ping")), {})
        status, seconds = server.end()
        self.assertEqual(status, 0)
        self.assertLess(seconds, 1 + adk.SLACK_SECONDS)
        for id in ids:
            self.assertEqual(self.report(server, id)["outcome"], "cancelled")

    def test_an_idle_server_leaves_at_once(self):
        server = self.server()
        status, seconds = server.end()
        self.assertEqual(status, 0)
        self.assertLess(seconds, 0.1 + adk.SLACK_SECONDS)

    def test_a_signal(self):
        server = self.server()
        id = server.run(SLEEP_60)
        self.assertEqual(server.result(server.request("ping")), {})
        server.process.terminate()
        self.assertEqual(server.process.wait(adk.PATIENCE), 0)
        self.assertEqual(self.report(server, id)["outcome"], "cancelled")

    def test_the_reader_goes(self):
        server = self.server(read=False, revision=None)
        server.process.stdout.close()
        server.request("ping")
        self.assertEqual(server.process.wait(adk.PATIENCE), 141)
        server.process.stdout = open(os.devnull, "rb")

    def test_usage(self):
        self.expect(adk.command("mcp", "x"), 2)
        self.expect(adk.command("mcp", "--modules", "/nonexistent"), 2)
        self.expect(adk.command("mcp", "--max-timeout", "1500ms"), 2)
        self.expect(adk.command("mcp", "--max-memory", "1"), 2)
        done = adk.command("mcp", "--help")
        self.expect(done, 0)
        self.assertIn(b"--max-timeout", done.stdout)


class Hostile(Case):
    def memory_kib(self, server):
        with open("/proc/%d/status" % server.process.pid, encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def test_a_client_that_does_not_read(self):
        server = self.server(read=False, revision=None)
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": META}}).encode() + b"\n"
        os.set_blocking(server.process.stdin.fileno(), False)
        sent, quiet = 0, time.monotonic()
        while sent < 64 << 20 and time.monotonic() - quiet < 1:
            try:
                sent += os.write(server.process.stdin.fileno(), line * 500)
                quiet = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
        self.assertLess(sent, 8 << 20, "the server stops reading")
        self.assertLess(self.memory_kib(server), (400 if adk.SLACK_SECONDS > 5 else 100) << 10)
        os.set_blocking(server.process.stdin.fileno(), True)
        server.reader.start()  # who reads again is served again
        self.assertEqual(server.next()["id"], 1)

    def test_values_that_would_take_much_memory(self):
        server = self.server()
        server.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":[' + b"[]," * 1000000 + b"[]]}}\n")
        message = server.next()
        self.assertEqual(message["error"]["code"], -32700)
        self.assertIn("more than 65536 values", message["error"]["message"])

    def test_descriptors_and_threads_come_back(self):
        server = self.server("--threads", "4")
        self.report(server, server.run(HELLO))
        before = len(os.listdir("/proc/%d/fd" % server.process.pid)), len(os.listdir("/proc/%d/task" % server.process.pid))
        for number in range(100):
            self.report(server, server.run(HELLO if number % 2 else "no module"))
        after = len(os.listdir("/proc/%d/fd" % server.process.pid)), len(os.listdir("/proc/%d/task" % server.process.pid))
        self.assertEqual(before[1], after[1])
        self.assertLessEqual(after[0], before[0] + 4, "shards may have been made meanwhile")


if __name__ == "__main__":
    adk.main()

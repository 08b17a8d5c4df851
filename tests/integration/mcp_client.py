"""A client of the Model Context Protocol in raw lines, for the tests of `adk-sandbox mcp`."""
import json
import queue
import subprocess
import threading
import time

import adk

INITIALIZE = {"capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


class Raw:
    """A running server. Messages that come in are kept until somebody asks for them."""

    def __init__(self, *arguments, read=True, **options):
        self.process = subprocess.Popen([adk.COMMAND, "mcp", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, **options)
        self.messages = queue.Queue()
        self.kept = []
        self.reader = threading.Thread(target=self.read_lines, daemon=True)
        self.number = 0
        if read:
            self.reader.start()

    def read_lines(self):
        for line in self.process.stdout:
            if line.endswith(b"\n"):  # not so where the server was killed
                self.messages.put(json.loads(line))
        self.messages.put(None)

    def send_bytes(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message):
        self.send_bytes(json.dumps(message).encode() + b"\n")

    def request(self, method, params=None, id=None):
        """Sends a request and returns its id."""
        self.number += 1
        id = self.number if id is None else id
        message = {"jsonrpc": "2.0", "id": id, "method": method}
        if params is not None:
            message["params"] = params
        self.send(message)
        return id

    def notify(self, method, params):
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def call(self, tool, arguments, meta=None, id=None):
        params = {"name": tool, "arguments": arguments}
        if meta is not None:
            params["_meta"] = meta
        return self.request("tools/call", params, id)

    def run(self, code, id=None, meta=None, **arguments):
        return self.call("sandbox_exec", dict(arguments, language="wasm", code=code), meta, id)

    def next(self, seconds=adk.PATIENCE):
        """The next message, whatever it is; None at the end."""
        return self.kept.pop(0) if self.kept else self.messages.get(timeout=seconds)

    def answer(self, id, seconds=adk.PATIENCE):
        """The message with this id; others are kept."""
        for number, message in enumerate(self.kept):
            if message.get("id") == id and "method" not in message:
                return self.kept.pop(number)
        deadline = time.monotonic() + seconds
        while True:
            message = self.messages.get(timeout=max(0.01, deadline - time.monotonic()))
            if message is None:
                raise AssertionError("the server has ended; no answer to %r" % id)
            if message.get("id") == id and "method" not in message:
                return message
            self.kept.append(message)

    def result(self, id):
        message = self.answer(id)
        if "result" not in message:
            raise AssertionError("an error: %r" % message)
        return message["result"]

    def error(self, id):
        message = self.answer(id)
        if "error" not in message:
            raise AssertionError("no error: %r" % message)
        return message["error"]

    def initialize(self, revision="2025-11-25"):
        result = self.result(self.request("initialize", dict(INITIALIZE, protocolVersion=revision)))
        self.notify("notifications/initialized", {})
        return result

    def end(self, seconds=adk.PATIENCE):
        """Closes standard input and waits. Returns the exit status and how long it took."""
        began = time.monotonic()
        self.process.stdin.close()
        status = self.process.wait(seconds)
        return status, time.monotonic() - began

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass
        if self.reader.is_alive():
            self.reader.join()
        self.process.stdout.close()

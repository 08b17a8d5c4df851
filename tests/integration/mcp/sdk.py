"""Drives `adk-sandbox mcp` with the official SDK for Python, in whose environment this runs: sdk.py COMMAND MODE

Prints one JSON object with what it saw; test_mcp_clients.py judges it.
"""
import json
import sys
import time

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

HELLO, SLEEP = sys.argv[3:5]


def exec_arguments(code, **more):
    return dict(more, language="wasm", code=code)


async def cancel(client):
    """Milliseconds from giving up a sleep of 60 s until its only thread has run something else."""
    began = 0.0
    with anyio.move_on_after(0.5):
        await client.call_tool("sandbox_exec", exec_arguments(SLEEP))
    began = time.monotonic()
    after = await client.call_tool("sandbox_exec", exec_arguments(HELLO))
    return (time.monotonic() - began) * 1000, after.structured_content["stdout"]


async def fifty(client):
    results = []

    async def one():
        results.append((await client.call_tool("sandbox_exec", exec_arguments(HELLO))).structured_content["stdout"])

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(one)
    return results


async def main(command, mode):
    seen = {}
    progress = []

    async def note_progress(done, total, message):
        progress.append(done)

    server = StdioServerParameters(command=command, args=["mcp", "--threads", "1"])
    async with Client(stdio_client(server), mode=mode) as client:
        seen["revision"] = client.protocol_version
        seen["tools"] = [tool.name for tool in (await client.list_tools()).tools]
        hello = await client.call_tool("sandbox_exec", exec_arguments(HELLO))
        seen["hello"] = [hello.is_error, hello.structured_content["stdout"], json.loads(hello.content[0].text)["stdout"]]
        late = await client.call_tool("sandbox_exec", exec_arguments(SLEEP, timeout_secs=2),
                                      progress_callback=note_progress)
        seen["timeout"] = [late.structured_content["status"], late.structured_content["stdout"]]
        seen["progress"] = progress
        bad = await client.call_tool("sandbox_exec", {"language": "ruby", "code": ""})
        seen["bad"] = [bad.is_error, bad.content[0].type]
        seen["cancelled"] = await cancel(client)
        seen["fifty"] = await fifty(client)
        seen["capabilities"] = (await client.call_tool("sandbox_capabilities", {})).structured_content["languages"]
    print(json.dumps(seen))


anyio.run(main, sys.argv[1], sys.argv[2])

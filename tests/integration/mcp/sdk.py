"""Drives `adk-sandbox mcp` with the official SDK for Python, in whose environment this runs: sdk.py COMMAND MODE

Prints one JSON object with what it saw; test_mcp_clients.py judges it.
"""
import json
import sys
import time

import anyio
import jsonschema
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

HELLO, SLEEP = sys.argv[3:5]


def exec_arguments(code, **more):
    return dict(more, language="wasm", code=code)


async def cancel(client):
    """Milliseconds from giving up a sleep of 60 s until its only thread has run something else: each of some tries."""
    took, said = [], set()
    for _ in range(5):
        with anyio.move_on_after(0.5):
            await client.call_tool("sandbox_exec", exec_arguments(SLEEP))
        began = time.monotonic()
        after = await client.call_tool("sandbox_exec", exec_arguments(HELLO))
        took.append((time.monotonic() - began) * 1000)
        said.add(after.structured_content["stdout"])
    return took, sorted(said)


async def fifty(client):
    results = []

    async def one():
        results.append((await client.call_tool("sandbox_exec", exec_arguments(HELLO))).structured_content["stdout"])

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(one)
    return results


async def at_once(command, mode):
    """Seconds that fifty calls take which sleep for a second each, with a thread for each."""
    server = StdioServerParameters(command=command, args=["mcp", "--threads", "50"])
    async with Client(stdio_client(server), mode=mode) as client:
        await client.call_tool("sandbox_exec", exec_arguments(HELLO))
        statuses = []

        async def one():
            answer = await client.call_tool("sandbox_exec", exec_arguments(SLEEP, timeout_secs=1))
            statuses.append(answer.structured_content["status"] + ":" + answer.structured_content["stdout"])

        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(one)
        return time.monotonic() - began, statuses


async def conform(client):
    """What the structured content of runs that end in all manners, and of the other tools, breaks of the schemas told."""
    schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}
    nothing = '(module (memory (export "memory") 1) (func (export "_start") %s))'
    long = await client.call_tool("sandbox_exec", exec_arguments(HELLO, files=[{"path": "/a", "content": "x" * 100000}],
                                                                 outputs=["/a"]))
    handle = long.structured_content["handle"]
    calls = [("sandbox_exec", exec_arguments(code)) for code in
             (HELLO, "no module", nothing % "unreachable", nothing % "(loop $l (br $l))", nothing % "",
              '(module (memory 9999) (func (export "_start")))')]
    calls += [("sandbox_exec", {}), ("sandbox_exec", {"language": "ruby", "code": ""}), ("sandbox_capabilities", {}),
              ("sandbox_read", {"handle": handle, "file": "/a", "offset": 70000}),
              ("sandbox_read", {"handle": handle, "file": "/b"}), ("sandbox_read", {})]
    broken, outcomes = [], []
    for tool, arguments in calls:
        if "code" in arguments:
            arguments = dict(arguments, timeout_secs=1)
        answer = await client.call_tool(tool, arguments)
        broken += [error.message for error in
                   jsonschema.Draft202012Validator(schemas[tool]).iter_errors(answer.structured_content)]
        if json.loads(answer.content[0].text) != answer.structured_content:
            broken.append("the text of %s is not its structure" % tool)
        outcomes.append(answer.structured_content.get("outcome"))
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    return broken, outcomes


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
        seen["conform"] = await conform(client)
        seen["capabilities"] = (await client.call_tool("sandbox_capabilities", {})).structured_content["languages"]
    seen["at_once"] = await at_once(command, mode)
    print(json.dumps(seen))


anyio.run(main, sys.argv[1], sys.argv[2])

#!/usr/bin/env python3
"""An agent that reaches people through Remora's MCP server. Needs the official client: pip install mcp

    remora serve
    python3 examples/mcp/agent.py                                # starts `remora mcp` for itself
    python3 examples/mcp/agent.py http://127.0.0.1:8000/mcp      # or goes to the daemon

then answer its questions at http://127.0.0.1:8000/.
"""

import asyncio
import os
import sys
import urllib.parse
import urllib.request

from mcp import Client, StdioServerParameters


class Failed(Exception):
    """A tool could not do what it was asked for; the text says why."""


def server():
    if len(sys.argv) > 1:
        url = sys.argv[1]
        try:
            urllib.request.urlopen(urllib.parse.urljoin(url, "healthz"), timeout=5).close()
        except OSError as error:
            raise Failed(f"no daemon at {url} ({error}); start one with: remora serve") from error
        return url + "?agent=release-notes"
    # The client hands its server only a few variables on.
    ours = {name: value for name, value in os.environ.items() if name.startswith("REMORA_")}
    return StdioServerParameters(command="remora", args=["mcp", "--agent", "release-notes"], env=ours)


async def call(client, tool, **arguments):
    async def waiting(seconds, _total, message):
        print(f"{message} ({seconds:.0f} s)", file=sys.stderr)

    result = await client.call_tool(tool, arguments, progress_callback=waiting)
    if result.is_error:
        raise Failed(f"{tool}: {result.content[0].text}")
    return result.structured_content


async def ask(client, question, **more):
    outcome = await call(client, "ask_user", question=question, **more)
    if outcome["status"] != "answered":
        raise Failed(f"no answer: {outcome['note']}")
    return outcome["answer"]


async def main():
    async with Client(server()) as client:
        await call(client, "report_event", category="agent", action="started", payload={"name": "Release notes"})

        # Asked now, needed later: the work goes on in the meantime.
        later = await call(client, "ask_user_async", question="What should the first line of the notes say?")
        choice = await ask(client, "Publish version 1.4.0?", options=["publish", "hold back"],
                           context="All 212 tests pass.", urgency="high", timeout=3600, on_deadline="deny")
        print(f"choice: {choice}")

        outcome = {"status": "open"}
        while outcome["status"] == "open":
            outcome = await call(client, "check_answer", msg_id=later["msg_id"], wait=30)
        line = outcome.get("answer", outcome["note"])

        for message in (await call(client, "get_user_messages"))["messages"]:
            print(f"message: {message['content']}")
        await call(client, "notify_user", message=f"The notes begin with: {line}")
        await call(client, "report_event", category="agent", action="completed",
                   payload={"result": f"1.4.0: {choice} – {line}"})


def failure(error):
    """The reason within the groups that the client's tasks put around it."""
    while not isinstance(error, Failed) and getattr(error, "exceptions", None):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except Exception as error:
        reason = failure(error)
        if isinstance(reason, FileNotFoundError):
            sys.exit("the program `remora` is not on the path")
        if not isinstance(reason, Failed):
            raise
        sys.exit(f"release-notes: {reason}")

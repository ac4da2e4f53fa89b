#!/usr/bin/env python3
"""An agent that speaks nothing but NATS: copy `RemoraAgent` into your own.

    pip install nats-py
    nats-server -js
    remora serve --bus nats://127.0.0.1:4222
    python3 examples/nats/agent.py

then answer its questions at http://127.0.0.1:8000/.
"""

import argparse
import asyncio
import json
import os
import sys
import time
import uuid

import nats
from nats.errors import NoRespondersError, TimeoutError as NoReply
from nats.js.errors import NoStreamResponseError


class Refused(Exception):
    """The daemon understood the request and refused it; the text says why."""


class Cancelled(Exception):
    """The question was cancelled: go on without an answer, or stop."""


class RemoraAgent:
    def __init__(self, agent_id, connection, prefix="remora"):
        self.agent_id, self._nats, self._prefix = agent_id, connection, prefix
        self._stream = connection.jetstream()
        self._told = False  # that there is no daemon: once is enough

    async def emit(self, kind, **payload):
        """Records an event such as `tool:called`. It is durable on return, whether a daemon runs or not."""
        subject = f"{self._prefix}.events.{self.agent_id}.{kind.replace(':', '.')}"
        body = json.dumps({"timestamp": time.time(), "payload": payload}).encode()
        # The id makes it safe to send again.
        headers = {"Nats-Msg-Id": str(uuid.uuid4())}
        while True:
            try:
                await self._stream.publish(subject, body, headers=headers)
                return
            except (NoReply, NoStreamResponseError):  # nobody keeps events before the first daemon has come
                self._tell_of_no_daemon()
                await asyncio.sleep(0.5)

    async def ask_user(self, question, options=None, timeout=300):
        """Asks a person and returns the answer; raises TimeoutError after `timeout` seconds (None: never).

        Asked again with the same `msg_id` it is the same question, whichever daemon hears it: the death of one costs
        nothing but the wait.
        """
        asked = {"msg_id": str(uuid.uuid4()), "question": question, "options": options or [], "timeout": timeout}
        while True:
            record = await self._request("ask", {**asked, "wait": 20}, timeout=30)
            if record["status"] in ("answered", "delivered"):
                return record["answer"]
            if record["status"] == "expired":
                raise TimeoutError(f"nobody answered within {timeout} s: {question}")
            if record["status"] == "cancelled":
                raise Cancelled(question)

    async def get_user_messages(self):
        """Takes the messages that a person sent unasked, oldest first."""
        messages, taken = [], []
        while True:
            new = (await self._request("messages", {"taken": taken}))["messages"]
            if not new:
                return messages
            messages += [message["content"] for message in new]
            taken = [message["id"] for message in new]

    async def _request(self, what, body, timeout=5, pause=0.5):
        """Asks until a daemon answers; every request made here may safely arrive twice."""
        subject = f"{self._prefix}.{what}.{self.agent_id}"
        while True:
            try:
                reply = await self._nats.request(subject, json.dumps(body).encode(), timeout=timeout)
            except NoRespondersError:
                self._tell_of_no_daemon()
                await asyncio.sleep(pause)
                continue
            except NoReply:
                await asyncio.sleep(pause)
                continue
            problem = (reply.headers or {}).get("Nats-Service-Error")
            if problem is None:
                return json.loads(reply.data)
            if reply.headers.get("Nats-Service-Error-Code") != "503":
                raise Refused(problem)
            await asyncio.sleep(pause)  # busy, or on its way down

    def _tell_of_no_daemon(self):
        if not self._told:
            self._told = True
            bus = self._nats.connected_url.netloc
            print(f"no daemon at {bus} yet; start one with: remora serve --bus nats://{bus}", file=sys.stderr)


async def release(agent):
    """The job: prepares a release, and leaves what is not its to decide to a person."""
    await agent.emit("agent:started", name="Release manager")
    for done, step in enumerate(["collect changes", "run tests", "build packages"]):
        await agent.emit("tool:called", name=step)
        await asyncio.sleep(0.3)
        await agent.emit("tool:completed", name=step)
        await agent.emit("agent:progress", message=step, done=done + 1, total=3)

    decision = await agent.ask_user("Version 1.4.0 is built and tested. Publish it?", options=["publish", "hold back"])
    print(f"decision: {decision}")
    note = await agent.ask_user("What should the first line of the release notes say?")
    print(f"release note: {note}")
    for message in await agent.get_user_messages():
        print(f"message: {message}")
    await agent.emit("agent:completed", result=f"1.4.0: {decision} – {note}")


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bus", default=os.environ.get("REMORA_BUS", "nats://127.0.0.1:4222"))
    parser.add_argument("--agent-id", default=os.environ.get("REMORA_AGENT_ID", "release-1"))
    parser.add_argument("--user", help="name to give the NATS server; its password is $NATS_PASSWORD")
    parser.add_argument("--creds-file", help="credentials file for the NATS server")
    arguments = parser.parse_args()

    async def tell(error):  # the client goes on trying by itself
        cure = "; start one with: nats-server -js" if isinstance(error, OSError) else ""
        print(f"no NATS at {arguments.bus} ({error}){cure}", file=sys.stderr)

    connection = await nats.connect(
        arguments.bus.split(","),
        name=arguments.agent_id,
        user=arguments.user,
        password=os.environ.get("NATS_PASSWORD"),
        user_credentials=arguments.creds_file,
        max_reconnect_attempts=-1,
        error_cb=tell,
    )
    agent = RemoraAgent(arguments.agent_id, connection)
    try:
        await release(agent)
    except (TimeoutError, Cancelled) as error:
        await agent.emit("agent:failed", error=str(error))
        sys.exit(f"{agent.agent_id}: gave up: {error}")
    except Refused as error:
        sys.exit(f"{agent.agent_id}: {error}")
    finally:
        await connection.drain()


if __name__ == "__main__":
    asyncio.run(main())

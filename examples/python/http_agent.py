#!/usr/bin/env python3
"""An agent that talks to Remora over HTTP. Plain standard library: copy `RemoraAgent` into your own.

    remora serve
    python3 examples/python/http_agent.py

then answer its questions at http://127.0.0.1:8000/.
"""

import argparse
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid


class NoDaemon(Exception):
    """Nothing answers at the daemon's address."""


class Refused(Exception):
    """The daemon understood the request and refused it; the text says why."""


class Cancelled(Exception):
    """The question was cancelled: go on without an answer, or stop."""


class RemoraAgent:
    def __init__(self, agent_id, url="http://127.0.0.1:8000", token=None):
        self.agent_id, self.url, self.token = agent_id, url.rstrip("/"), token
        self._met = False  # the daemon has answered once: from then on it is away rather than absent

    def emit(self, kind, **payload):
        """Records an event such as `tool:called`. The id makes it safe to send again."""
        category, action = kind.split(":")
        event = {"id": str(uuid.uuid4()), "category": category, "action": action, "agent_id": self.agent_id}
        self._retry("POST", "/events", {**event, "timestamp": time.time(), "payload": payload})

    def ask_user(self, question, options=None, timeout=300, poll_interval=0.5):
        """Asks a person and returns the answer; raises TimeoutError after `timeout` seconds (None: never).

        A restart of the daemon in the meantime costs nothing but the wait: the question is on its disk.
        `poll_interval` is the pause before another try while the daemon is away.
        """
        msg_id = str(uuid.uuid4())  # made here, so that asking again after a broken connection asks once
        asked = {"msg_id": msg_id, "agent_id": self.agent_id, "question": question}
        self._retry("POST", "/questions", {**asked, "options": options or [], "timeout": timeout}, poll_interval)
        while True:
            record = self._retry("GET", f"/questions/{msg_id}?wait=30", None, poll_interval)
            if record["status"] in ("answered", "delivered"):
                return record["answer"]
            if record["status"] == "expired":
                raise TimeoutError(f"nobody answered within {timeout} s: {question}")
            if record["status"] == "cancelled":
                raise Cancelled(question)

    def get_user_messages(self):
        """Takes the messages that a person sent unasked out of the inbox, one by one, oldest first."""
        workspace = "/workspaces/" + urllib.parse.quote(self.agent_id, safe="")
        entries = self._retry("GET", workspace + "/kv?prefix=inbox:user_message:")["entries"]
        for entry in sorted(entries, key=lambda entry: entry["value"]["sent_at"]):
            self._retry("DELETE", workspace + "/kv/" + urllib.parse.quote(entry["key"], safe=""))
            yield entry["value"]["content"]

    def _retry(self, method, path, body=None, pause=0.5, attempts=120):
        """Calls until the daemon answers; every call made here may safely arrive twice."""
        for attempt in range(attempts):
            try:
                return self._call(method, path, body)
            except NoDaemon:
                if attempt + 1 == attempts or not self._met:
                    raise
            time.sleep(pause)

    def _call(self, method, path, body):
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            if error.code == 503:  # busy, or on its way down
                self._met = True
                raise NoDaemon(f"the daemon at {self.url} is busy") from error
            if error.code == 404 and method == "DELETE":
                return None  # the first attempt has done it
            raise Refused(f"{error}: {error.read().decode(errors='replace')}") from error
        except (OSError, http.client.HTTPException) as error:  # the latter: it was killed while it replied
            raise NoDaemon(f"no daemon at {self.url} ({error}); start one with: remora serve") from error
        self._met = True
        return json.loads(text) if text else None


def release(agent):
    """The job: prepares a release, and leaves what is not its to decide to a person."""
    agent.emit("agent:started", name="Release manager")
    for done, step in enumerate(["collect changes", "run tests", "build packages"]):
        agent.emit("tool:called", name=step)
        time.sleep(0.3)
        agent.emit("tool:completed", name=step)
        agent.emit("agent:progress", message=step, done=done + 1, total=3)

    decision = agent.ask_user("Version 1.4.0 is built and tested. Publish it?", options=["publish", "hold back"])
    print(f"decision: {decision}")
    note = agent.ask_user("What should the first line of the release notes say?")
    print(f"release note: {note}")
    for message in agent.get_user_messages():
        print(f"message: {message}")
    agent.emit("agent:completed", result=f"1.4.0: {decision} – {note}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default=os.environ.get("REMORA_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--agent-id", default=os.environ.get("REMORA_AGENT_ID", "release-1"))
    arguments = parser.parse_args()
    agent = RemoraAgent(arguments.agent_id, arguments.url, os.environ.get("REMORA_TOKEN"))
    try:
        try:
            release(agent)
        except (TimeoutError, Cancelled) as error:
            agent.emit("agent:failed", error=str(error))
            sys.exit(f"{agent.agent_id}: gave up: {error}")
    except (NoDaemon, Refused) as error:
        sys.exit(f"{agent.agent_id}: {error}")


if __name__ == "__main__":
    main()

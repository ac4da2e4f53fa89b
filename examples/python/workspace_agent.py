#!/usr/bin/env python3
"""An agent that talks to a person through its workspace file (AgentFS: one SQLite table of JSON values).

It needs the daemon only to be seen: questions and answers are rows in its own file, so it can ask while no daemon
runs and finds the answer whenever one has brought it. Plain standard library: copy `WorkspaceAgent` into your own.

    remora serve --workspace-root /tmp/agents
    python3 examples/python/workspace_agent.py --workspace /tmp/agents/review.db

then answer its questions at http://127.0.0.1:8000/.
"""

import argparse
import contextlib
import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timezone
from pathlib import Path

SCHEMA = """CREATE TABLE IF NOT EXISTS kv_store (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, created_at INTEGER, updated_at INTEGER)"""
PUT = """INSERT INTO kv_store VALUES (?1, ?2, ?3, ?3)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"""


class NoDaemon(Exception):
    """The daemon could not be told."""


class WorkspaceAgent:
    def __init__(self, agent_id, workspace, url="http://127.0.0.1:8000", token=None):
        self.agent_id, self.url, self.token = agent_id, url.rstrip("/"), token
        self.workspace = Path(workspace).absolute()
        self.workspace.parent.mkdir(parents=True, exist_ok=True)
        # WAL lets the daemon read and write while this connection stays open; no transaction is held between calls.
        self.db = sqlite3.connect(self.workspace, timeout=30, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute(SCHEMA)

    def register(self, name):
        """Tells the daemon which file to watch. The file must lie below one of its `--workspace-root` folders."""
        self.emit("agent:started", name=name, workspace_id=self.agent_id, workspace=str(self.workspace))

    def emit(self, kind, **payload):
        """Records an event such as `tool:called`."""
        category, action = kind.split(":")
        event = {"id": str(uuid.uuid4()), "category": category, "action": action, "agent_id": self.agent_id}
        body = json.dumps({**event, "timestamp": time.time(), "payload": payload}).encode()
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(f"{self.url}/api/v1/events", body, headers)
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as error:
            raise NoDaemon(f"the daemon refused {kind}: {error.read().decode(errors='replace')}") from error
        except OSError as error:
            raise NoDaemon(f"no daemon at {self.url} ({error}); start one with: remora serve") from error

    def ask_user(self, question, options=None, timeout=300, poll_interval=0.5):
        """Asks a person and returns the answer; raises TimeoutError after `timeout` seconds."""
        msg_id = uuid.uuid4().hex
        asked = {"question": question, "options": options, "created_at": now(), "timeout": timeout}
        self._put(f"outbox:question:{msg_id}", {**asked, "status": "pending"})
        deadline = time.monotonic() + timeout
        while True:
            # Read once more after the deadline, and mark in the same step: an answer that has arrived counts.
            is_over = time.monotonic() >= deadline
            with self._transaction():
                response = self._get(f"inbox:response:{msg_id}")
                if response is not None or is_over:
                    status = "timeout" if response is None else "answered"
                    self._put(f"outbox:question:{msg_id}", {**asked, "status": status})
            if response is not None:
                return response["answer"]
            if is_over:
                raise TimeoutError(f"nobody answered within {timeout} s: {question}")
            time.sleep(poll_interval)

    def get_user_messages(self):
        """Takes the messages that a person sent unasked out of the inbox, oldest first."""
        with self._transaction():
            rows = self.db.execute("SELECT key, value FROM kv_store WHERE key GLOB 'inbox:user_message:*'").fetchall()
            self.db.executemany("DELETE FROM kv_store WHERE key = ?", [(key,) for key, _ in rows])
        messages = sorted((json.loads(value) for _, value in rows), key=lambda message: message["sent_at"])
        return [message["content"] for message in messages]

    @contextlib.contextmanager
    def _transaction(self):
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def _get(self, key):
        row = self.db.execute("SELECT value FROM kv_store WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def _put(self, key, value):
        self.db.execute(PUT, (key, json.dumps(value), int(time.time())))


def now():
    return datetime.now(timezone.utc).isoformat()


def review(agent):
    """The job: looks through a change, and asks where it must not decide alone."""
    agent.register("Code reviewer")
    for path in ["src/billing.py", "src/invoice.py"]:
        agent.emit("tool:called", name="read_file", path=path)
        time.sleep(0.3)
        agent.emit("tool:completed", name="read_file", path=path)

    verdict = agent.ask_user("The change rounds amounts down. Is that intended?", options=["yes", "no"])
    print(f"intended: {verdict}")
    comment = agent.ask_user("What should the review say about it?")
    print(f"comment: {comment}")
    for message in agent.get_user_messages():
        print(f"message: {message}")
    agent.emit("agent:completed", result=f"rounding intended: {verdict}; {comment}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", required=True, help="the file; it is created where there is none")
    parser.add_argument("--url", default=os.environ.get("REMORA_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--agent-id", default=os.environ.get("REMORA_AGENT_ID", "review-1"))
    arguments = parser.parse_args()
    try:
        agent = WorkspaceAgent(
            arguments.agent_id, arguments.workspace, arguments.url, os.environ.get("REMORA_TOKEN")
        )
    except (OSError, sqlite3.Error) as error:
        sys.exit(f"{arguments.workspace} cannot be used as a workspace: {error}")
    try:
        try:
            review(agent)
        except TimeoutError as error:
            agent.emit("agent:failed", error=str(error))
            sys.exit(f"{agent.agent_id}: gave up: {error}")
    except (NoDaemon, sqlite3.Error) as error:
        sys.exit(f"{agent.agent_id}: {error}")


if __name__ == "__main__":
    main()

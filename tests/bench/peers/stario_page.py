"""The dashboard as Remora's first design had it, on Stario: each event renders the whole page for each browser.

    stario_page.py PORT

`POST /pub` takes an event, `GET /sub` is the stream. Needs Python 3.12, `stario` and `uvloop`.
"""

import asyncio
import json
import sys
from collections import deque

import uvloop
from stario import App, Context, Route, ServerConfig, Writer, h, serve
from stario.datastar import SSE

LOG_ROWS = 200
AGENTS = 20
# Events that a browser may be behind, as in that design.
QUEUE = 1000

log = deque(maxlen=LOG_ROWS)
agents = {f"bench-{number:05}": "running" for number in range(AGENTS)}
queues = set()


def log_row(event):
    payload = event["payload"]
    return h.Div(
        {"class": "event"},
        h.Span({"class": "event-time"}, event["timestamp"]),
        h.Span({"class": "event-type"}, f"{event['category']}:{event['action']}"),
        h.Span({"class": "event-agent"}, event["agent_id"]),
        h.Span({"class": "event-detail"}, f"{payload['tool']} {payload['mark']}"),
    )


def agent_row(agent_id, state):
    return h.Div(
        {"class": "agent-item"},
        h.Span({"class": f"state-indicator {state}"}),
        h.Span({"class": "agent-name"}, agent_id),
        h.Span({"class": "agent-state"}, state),
    )


def page():
    return h.Div(
        {"id": "dashboard"},
        h.Div({"class": "header"}, h.Div("Remora Dashboard"), h.Div({"id": "connection-status"}, "Connected")),
        h.Div({"id": "execution-progress"}, h.Div({"id": "progress-text"}, f"0/{len(agents)} completed")),
        h.Div({"id": "blocked-agents"}, h.P("Nobody waits for you.")),
        h.Div({"id": "agent-status"}, *(agent_row(agent_id, state) for agent_id, state in agents.items())),
        h.Div({"id": "results"}),
        h.Div({"id": "events-list"}, *(log_row(event) for event in reversed(log))),
    )


async def publish(context: Context, writer: Writer):
    event = json.loads(await context.req.body())
    log.append(event)
    for queue in queues:
        queue.put_nowait(event)
    writer.empty(202)


async def subscribe(context: Context, writer: Writer):
    queue = asyncio.Queue(QUEUE)
    queues.add(queue)
    stream = SSE(writer)
    stream.patch_elements(page())
    try:
        async with context.alive():
            while True:
                await queue.get()
                stream.patch_elements(page())
                await writer.drain()
    finally:
        queues.discard(queue)


async def routes(app: App, _span):
    app.add(Route("POST", "/pub"), publish)
    app.add(Route("GET", "/sub"), subscribe)
    yield


uvloop.run(serve(routes, config=ServerConfig(port=int(sys.argv[1]))))

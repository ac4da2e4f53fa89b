#!/usr/bin/env python3
"""An agent that knows nothing of Remora: it is instrumented with plain OpenTelemetry, and shows up all the same.

    pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http
    remora serve
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:8000 python3 examples/opentelemetry/agent.py

Where the daemon has tokens: OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20<agent's token>".
"""

import json
import time

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider(resource=Resource.create({"service.name": "weather-desk"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("weather-desk")

AGENT = {"gen_ai.agent.id": "forecaster-1", "gen_ai.agent.name": "Forecaster"}


def ask_model(prompt):
    with tracer.start_as_current_span("chat small-1", kind=trace.SpanKind.CLIENT) as span:
        span.set_attribute("gen_ai.operation.name", "chat")
        span.set_attribute("gen_ai.provider.name", "example")
        span.set_attribute("gen_ai.request.model", "small-1")
        time.sleep(0.05)  # here a model would think
        span.set_attribute("gen_ai.usage.input_tokens", len(prompt.split()))
        span.set_attribute("gen_ai.usage.output_tokens", 5)
        return "Sunny, 24 degrees in Lisbon."


def look_up(city):
    with tracer.start_as_current_span("execute_tool weather") as span:
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        span.set_attribute("gen_ai.tool.name", "weather")
        span.set_attribute("gen_ai.tool.call.arguments", json.dumps({"city": city}))
        if city != "Lisbon":
            raise LookupError(f"no station in {city}")
        span.set_attribute("gen_ai.tool.call.result", json.dumps({"sky": "clear", "celsius": 24}))


def run():
    with tracer.start_as_current_span("invoke_agent Forecaster") as span:
        span.set_attributes({"gen_ai.operation.name": "invoke_agent", **AGENT})
        ask_model("What is the weather in Lisbon?")
        try:
            look_up("Atlantis")
        except LookupError as error:
            print(error)
        look_up("Lisbon")
        answer = ask_model("It is clear and 24 degrees: say so.")
        message = {"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}
        span.set_attribute("gen_ai.output.messages", json.dumps([message]))
        print(answer)


run()
provider.shutdown()  # sends what has not been sent yet

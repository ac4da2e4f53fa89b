//! Whatever comes in other formats than our own is read or refused.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*, sample::Index};
use remora_actors::{
    model::Limits,
    mutation::{Change, mutated, seeds},
};
use warp::http::{HeaderMap, HeaderValue, header};

use crate::{
    address,
    doors::{cloud_events, otlp},
};

static TRACES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    seeds(&[
        r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}}]},"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","parentSpanId":"eee19b7ec3c1b173","name":"invoke_agent a","kind":1,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"execute_tool"}},{"key":"gen_ai.agent.name","value":{"stringValue":"a"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":"7"}}],"status":{"code":2,"message":"no"}}]}]}]}"#,
    ])
});

static CLOUD_EVENTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    seeds(&[
        r#"{"specversion":"1.0","id":"1","source":"/ci/42","type":"com.example.agent.started","subject":"a","time":"2026-02-24T09:37:15Z","datacontenttype":"application/json","data":{"name":"n"},"ext":"x"}"#,
        r#"[{"specversion":"1.0","id":"1","source":"/s","type":"agent.failed","subject":"a","data_base64":"eyJhIjoxfQ=="}]"#,
    ])
});

fn changes() -> impl Strategy<Value = Vec<Change>> {
    vec(any::<Change>(), 0..12)
}

fn read_traces(encoding: otlp::Encoding, body: &[u8]) {
    let limits = Limits::default();
    if let Ok(request) = encoding.read(body) {
        let mut lineage = otlp::lineage::Lineage::default();
        if let Ok(owned) = otlp::owned(&request, &mut lineage, &limits) {
            let converted = otlp::converted(&owned, &limits);
            encoding.success(&converted);
        }
    }
}

proptest! {
    #[test]
    fn traces(which: Index, changes in changes(), bytes in vec(any::<u8>(), 0..200)) {
        let [json, protobuf] = ["application/json", "application/x-protobuf"].map(otlp::Encoding::of);
        let text = mutated(&TRACES[which.index(TRACES.len())], &changes);
        read_traces(json.expect("json is taken"), &text);
        read_traces(protobuf.expect("protobuf is taken"), &bytes);
        let _ = otlp::unpacked(&bytes, 1_000);
    }

    #[test]
    fn cloud_events(which: Index, changes in changes(), kind in 0..3_usize, attribute in "[ -~]{0,20}") {
        let mut headers = HeaderMap::new();
        let media_type = [cloud_events::STRUCTURED, cloud_events::BATCH, "application/json"][kind];
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        for name in ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time"] {
            headers.insert(name, HeaderValue::from_str(&attribute).expect("visible characters"));
        }
        let body = mutated(&CLOUD_EVENTS[which.index(CLOUD_EVENTS.len())], &changes);
        let _ = cloud_events::read(&headers, &body, &Limits::default());
    }

    #[test]
    fn addresses(address in "/?(agents|graphs|history|projector|at)?[/?&=%a-f0-9.]{0,30}|(?s).{0,30}") {
        if let Some(subject) = address::subject(&address) {
            prop_assert_eq!(address::subject(&address::url(&subject)), Some(subject));
        }
    }
}

//! Writes Datastar's browser bundle, which a build-dependency carries, to where the program embeds it.

use std::{
    env, fs,
    path::Path,
    pin::pin,
    task::{Context, Poll, Waker},
};

use rama_http::{
    body::util::BodyExt,
    service::web::response::{DatastarScript, IntoResponse},
};

/// The wire protocol and the attributes differ between versions: another one must be tried out first.
const FIRST_LINE: &str = "// Datastar v1.0.0-RC.6";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let body = pin!(DatastarScript::new().into_response().into_body().collect());
    // The body lies in memory, so that it is ready at once and needs no runtime.
    let Poll::Ready(Ok(script)) = body.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the bundle's body does not lie in memory");
    };
    let script = script.to_bytes();
    let first_line = script.split(|byte| *byte == b'\n').next().map(String::from_utf8_lossy);
    assert_eq!(first_line.as_deref(), Some(FIRST_LINE), "another Datastar than the one that the pages are written for");
    let folder = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&folder).join("datastar.js"), script).expect("OUT_DIR can be written");
}

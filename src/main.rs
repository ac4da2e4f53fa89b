//! The `remora` program.

use std::process::ExitCode;

/// Most of what is allocated lives for one request, often freed by another thread than its own: the system's allocator
/// spends a sixth of the daemon's time on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("the system gives threads to a program that starts");
    let code = runtime.block_on(remora::cli::run());
    // A thread may wait for a file that another process holds; what counts has been waited for.
    runtime.shutdown_background();
    code
}

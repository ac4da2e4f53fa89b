//! The `remora` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("the system gives threads to a program that starts");
    let code = runtime.block_on(remora::cli::run());
    // A thread may wait for a file that another process holds; what counts has been waited for.
    runtime.shutdown_background();
    code
}

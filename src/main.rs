//! The `remora` program.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    remora::cli::run().await
}

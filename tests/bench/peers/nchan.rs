//! nginx with nchan: the peer in C. It journals nothing.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use anyhow::{Result, bail};
use tempfile::TempDir;

use super::free_address;
use crate::{
    daemon::folder,
    process::{Place, Server},
};

/// Where Debian puts it.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// Starts it; the folder must outlast it.
pub(crate) fn start() -> Result<(Server, TempDir)> {
    if !Path::new(MODULE).exists() {
        bail!("nchan is missing; on Debian, as root: apt-get install nginx libnginx-mod-nchan");
    }
    let folder = folder()?;
    let address = free_address()?;
    let configuration = folder.path().join("nginx.conf");
    fs::write(&configuration, configure(address, folder.path()))?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder.path()).arg("-c").arg(&configuration).args(["-e", "stderr"]);
    Ok((Server::start_at(Place::Server, "nchan", &command, folder.path(), address)?, folder))
}

/// One worker, everything that costs and is not asked for switched off. The buffer holds more than is ever in flight.
fn configure(address: SocketAddr, folder: &Path) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {}/{what};\n", folder.display()))
        .concat();
    format!(
        "load_module {MODULE};
        worker_processes 1;
        daemon off;
        pid {folder}/nginx.pid;
        worker_rlimit_nofile 16384;
        events {{ worker_connections 8192; use epoll; multi_accept on; }}
        http {{
            {temporary}
            access_log off;
            tcp_nodelay on;
            keepalive_requests 100000000;
            keepalive_timeout 1h;
            client_body_buffer_size 64k;
            nchan_shared_memory_size 256M;
            server {{
                listen {address} backlog=4096;
                location = /pub {{
                    nchan_publisher;
                    nchan_channel_id events;
                    nchan_message_buffer_length 2000;
                    nchan_message_timeout 60s;
                }}
                location = /sub {{
                    nchan_subscriber eventsource;
                    nchan_channel_id events;
                    nchan_subscriber_first_message newest;
                    nchan_eventsource_ping_interval 0;
                }}
            }}
        }}",
        folder = folder.display()
    )
}

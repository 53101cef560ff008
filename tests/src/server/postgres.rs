use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use super::{
    Server, binary, command_of, folder_of, folders_of, free_port, output, start as start_server,
};

const USER: &str = "postgres";
const SIGNAL: &str = "INT";

/// Starts a private server, as the user `postgres` if this program runs as root, which PostgreSQL refuses to run as.
pub(crate) fn start() -> Result<Server, String> {
    let missing = "there is no PostgreSQL server: install `postgresql` (Debian), name a folder with `postgres` and `initdb` \
                   in TEST_POSTGRES_BIN, or a server in TEST_POSTGRES_URL";
    let folders = folders_of("TEST_POSTGRES_BIN", debian_folders());
    let initdb = binary("initdb", &folders).ok_or(missing)?;
    let postgres = binary("postgres", &folders).ok_or(missing)?;
    let folder = folder_of(USER)?;
    let data = folder.path().join("data");
    output(
        command_of(USER, &initdb, SIGNAL)
            .arg("-D")
            .arg(&data)
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "-N",
                "--no-locale",
                "-E",
                "UTF8",
            ]),
    )?;
    // In the file, not among the arguments below, which nothing overrules: the benchmark switches it on.
    fs::OpenOptions::new()
        .append(true)
        .open(data.join("postgresql.conf"))
        .and_then(|mut file| file.write_all(b"fsync = off\n"))
        .map_err(|error| error.to_string())?;
    let port = free_port()?;
    let mut command = command_of(USER, &postgres, SIGNAL);
    command.arg("-D").arg(&data);
    for setting in [
        "listen_addresses=127.0.0.1",
        &format!("port={port}"),
        &format!("unix_socket_directories={}", folder.path().display()),
        "max_connections=300",
        "deadlock_timeout=100ms",
        "max_prepared_transactions=10",
    ] {
        command.args(["-c", setting]);
    }
    start_server(
        &mut command,
        SIGNAL,
        folder,
        port,
        format!("postgres://postgres@127.0.0.1:{port}/postgres"),
    )
}

/// Debian keeps the server's binaries off the PATH, in a folder for each version.
fn debian_folders() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders
}

//! A server to run tests on. No crate was found that starts both without Docker, without downloads, as root and otherwise,
//! and ends them with the run, so it is done here.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) mod mysql;
pub(crate) mod postgres;

/// A server, ended when it is dropped if it was started here.
#[derive(Debug)]
pub struct Server {
    /// Where it is, with a database to connect to.
    pub(crate) url: String,
    started: Option<Started>,
}

#[derive(Debug)]
struct Started {
    process: Child,
    /// The signal that asks it to end without waiting for its clients.
    signal: &'static str,
    /// Removed after the process has ended.
    _folder: TempDir,
}

impl Server {
    /// For databases without one.
    pub(crate) fn none() -> Self {
        Self {
            url: String::new(),
            started: None,
        }
    }

    /// Where it is, with a database to connect to; empty for databases without a server.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it was started here, and nobody else uses it.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.started.is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(Started {
            process, signal, ..
        }) = &mut self.started
        else {
            return;
        };
        let pid = process.id().to_string();
        let _ = Command::new("kill").args(["-s", signal, &pid]).status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if !matches!(process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// The server that a variable names.
pub(crate) fn named(name: &str) -> Option<Server> {
    let url = variable(name)?;
    Some(Server { url, started: None })
}

/// Whether somebody named the server or its binaries: then it is not enough that other tests run.
pub(crate) fn is_named(target: &str) -> bool {
    let target = target.to_uppercase();
    ["URL", "BIN"]
        .iter()
        .any(|what| variable(&format!("TEST_{target}_{what}")).is_some())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where a server's binaries may be: in the folder that the variable names; without one, on the PATH or in these folders.
fn folders_of(name: &str, usual: Vec<PathBuf>) -> Vec<PathBuf> {
    if let Some(folder) = variable(name) {
        return vec![folder.into()];
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(usual).collect()
}

fn binary(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// A folder that `user` owns, if this program runs as root.
fn folder_of(user: &str) -> Result<TempDir, String> {
    let folder = TempDir::with_prefix("upsert-test-server-").map_err(|error| error.to_string())?;
    if runs_as_root() {
        output(Command::new("chown").arg(user).arg(folder.path()))?;
    }
    Ok(folder)
}

fn runs_as_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A command that runs as `user` if this program runs as root, and that the system ends if this program is killed.
fn command_of(user: &str, program: &Path, signal: &str) -> Command {
    let root = runs_as_root();
    let setpriv = binary("setpriv", &["/usr/bin".into()]).filter(|_| cfg!(target_os = "linux"));
    let Some(setpriv) = setpriv else {
        return Command::new(program);
    };
    let mut command = Command::new(setpriv);
    if root {
        command.args([
            &format!("--reuid={user}"),
            &format!("--regid={user}"),
            "--init-groups",
        ]);
    }
    command.args(["--pdeathsig", signal, "--"]).arg(program);
    command.current_dir("/");
    command
}

fn output(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    Ok(listener
        .local_addr()
        .map_err(|error| error.to_string())?
        .port())
}

/// Starts the server and waits until it accepts connections on the port.
fn start(
    command: &mut Command,
    signal: &'static str,
    folder: TempDir,
    port: u16,
    url: String,
) -> Result<Server, String> {
    let log = folder.path().join("upsert-test.log");
    let file = fs::File::create(&log).map_err(|error| error.to_string())?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file);
    let process = command
        .spawn()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let mut server = Server {
        url,
        started: Some(Started {
            process,
            signal,
            _folder: folder,
        }),
    };
    let deadline = Instant::now() + Duration::from_mins(1);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = server
            .started
            .as_mut()
            .is_some_and(|started| !matches!(started.process.try_wait(), Ok(None)));
        if ended || Instant::now() > deadline {
            let log = fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("{command:?} does not accept connections: {log}"));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(server)
}

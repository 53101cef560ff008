use super::{
    Server, binary, command_of, folder_of, folders_of, free_port, output, start as start_server,
};

const USER: &str = "mysql";
const SIGNAL: &str = "TERM";

/// Starts a private MariaDB server, as the user `mysql` if this program runs as root.
pub(crate) fn start() -> Result<Server, String> {
    let missing = "there is no MariaDB server: install `mariadb-server` (Debian), name a folder with `mariadbd` and \
                   `mariadb-install-db` in TEST_MYSQL_BIN, or a server in TEST_MYSQL_URL";
    let usual = vec!["/usr/sbin".into(), "/usr/local/sbin".into()];
    let folders = folders_of("TEST_MYSQL_BIN", usual);
    let install = binary("mariadb-install-db", &folders).ok_or(missing)?;
    let mariadbd = binary("mariadbd", &folders).ok_or(missing)?;
    let folder = folder_of(USER)?;
    let data = format!("--datadir={}", folder.path().join("data").display());
    let mut command = command_of(USER, &install, SIGNAL);
    output(command.args([
        "--no-defaults",
        &data,
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    ]))?;
    let port = free_port()?;
    let mut command = command_of(USER, &mariadbd, SIGNAL);
    command.args([
        "--no-defaults",
        &data,
        &format!("--port={port}"),
        &format!("--socket={}", folder.path().join("socket").display()),
        &format!("--pid-file={}", folder.path().join("pid").display()),
        "--bind-address=127.0.0.1",
        "--max-connections=400",
        "--innodb-flush-log-at-trx-commit=0",
    ]);
    start_server(
        &mut command,
        SIGNAL,
        folder,
        port,
        format!("mysql://root@127.0.0.1:{port}/mysql"),
    )
}

//! A socket's file in front of a server, so that its way is a file also where the server's own one cannot be reached, and is not
//! to be taken away from other tests.

use std::fs;
use std::path::PathBuf;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener};
use tokio::task::JoinHandle;

use crate::database::Database;
use crate::proxy::{server_of, with_option};
use crate::target::Target;

/// A socket's file that leads to the server. Dropped it is gone; connections that were made by it go on.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl SocketFile {
    /// Makes it, in the test's folder.
    ///
    /// # Panics
    ///
    /// If it is there already.
    #[must_use]
    pub fn make<DB: Target>(db: &Database<DB>) -> Self {
        let server = server_of(&db.url());
        let path = path_of(db);
        let listener = UnixListener::bind(&path).expect("a socket");
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut server = TcpStream::connect(&server).await.expect("the server");
                let _ = server.set_nodelay(true);
                tokio::spawn(async move {
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { path, task }
    }

    /// The database's URL by this file, whether it is there or not.
    #[must_use]
    pub fn url<DB: Target>(db: &Database<DB>) -> String {
        let option = if DB::TARGET == "postgres" {
            format!("host={}", db.folder().display())
        } else {
            format!("socket={}", path_of(db).display())
        };
        with_option(&db.url(), &option)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.task.abort();
        let _ = fs::remove_file(&self.path);
    }
}

/// PostgreSQL's clients are told the folder alone.
fn path_of<DB: Target>(db: &Database<DB>) -> PathBuf {
    let server = server_of(&db.url());
    let port = server.rsplit_once(':').map_or("5432", |(_, port)| port);
    db.folder().join(format!(".s.PGSQL.{port}"))
}

//! Servers and databases for the suite, and the harness that runs it.
//!
//! The suite is one set of source files. Each of `sqlite`, `postgres` and `mysql` compiles it for one database and runs each
//! test in a database of its own, so that tests run in parallel. A server is taken from `TEST_POSTGRES_URL` or
//! `TEST_MYSQL_URL`, else started on a free port and ended with the run, from the binaries in the folder `TEST_POSTGRES_BIN` or
//! `TEST_MYSQL_BIN`, else from installed ones; never one that nobody named. Without any the tests are reported as ignored, unless
//! one of these variables or `TEST_REQUIRE=postgres,mysql,sqlite` names the database.

mod database;
mod harness;
mod proxy;
mod server;
mod socket_file;
mod target;

pub use crate::database::Database;
pub use crate::harness::{Suite, run};
pub use crate::proxy::{Answer, Proxy, Refusal};
pub use crate::server::Server;
pub use crate::socket_file::SocketFile;
pub use crate::target::Target;

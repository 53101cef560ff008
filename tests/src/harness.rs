use std::panic;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use tokio::runtime;

use crate::database::Database;
use crate::server::{Server, is_named};
use crate::target::Target;

type Test<DB> =
    Box<dyn Fn(Database<DB>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Tests of one database.
#[expect(missing_debug_implementations, reason = "functions")]
pub struct Suite<DB: Target> {
    tests: Vec<(String, Test<DB>)>,
}

impl<DB: Target> Default for Suite<DB> {
    fn default() -> Self {
        Self { tests: Vec::new() }
    }
}

impl<DB: Target> Suite<DB> {
    /// Adds a test. `name` is its path within the suite.
    pub fn add<F>(&mut self, name: &str, test: fn(Database<DB>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tests.push((
            name.to_owned(),
            Box::new(move |database| Box::pin(test(database))),
        ));
    }
}

/// Runs the suite, as the arguments of the standard harness say. Ends the server that it started.
#[must_use]
pub fn run<DB: Target>(suite: Suite<DB>) -> ExitCode {
    let arguments = Arguments::from_args();
    let server = if arguments.list {
        Err("not started to list tests".to_owned())
    } else {
        DB::server()
    };
    let required = std::env::var("TEST_REQUIRE").unwrap_or_default();
    let known = ["postgres", "mysql", "sqlite"];
    if let Some(unknown) = required
        .split(',')
        .map(str::trim)
        .find(|name| !name.is_empty() && !known.contains(name))
    {
        eprintln!("TEST_REQUIRE names `{unknown}`, which is none of {known:?}");
        return ExitCode::FAILURE;
    }
    let is_required = required.split(',').any(|name| name.trim() == DB::TARGET);
    if let (Err(missing), true) = (
        &server,
        (is_required || is_named(DB::TARGET)) && !arguments.list,
    ) {
        eprintln!("tests on {} are required, but {missing}", DB::TARGET);
        return ExitCode::FAILURE;
    }
    let server = match server {
        Ok(server) => Some(Arc::new(server)),
        Err(missing) => {
            eprintln!("tests on {} are ignored: {missing}", DB::TARGET);
            None
        }
    };
    let trials = suite.tests.into_iter().map(|(name, test)| {
        let server = server.clone();
        let ignored = server.is_none();
        Trial::test(format!("{}::{name}", DB::TARGET), move || {
            let server = server.ok_or("there is no server to run it on")?;
            on_a_database(&server, &test);
            Ok(())
        })
        .with_ignored_flag(ignored)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(server);
    if conclusion.has_failed() {
        ExitCode::from(101)
    } else {
        ExitCode::SUCCESS
    }
}

fn on_a_database<DB: Target>(server: &Arc<Server>, test: &Test<DB>) {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let database = Database::create(server).await;
        let result = tokio::spawn(test(database.clone())).await;
        database.drop().await;
        if let Err(error) = result {
            panic::resume_unwind(error.into_panic());
        }
    });
}

//! Times this crate and its peers in turn, in one program.

mod arguments;
mod bars;
mod contender;
mod count;
mod engine;
mod job;
mod measure;
mod place;
mod proxy;
mod record;
mod report;
mod run;
mod scale;
mod serve;
mod setting;
mod smoke;
mod statements;
mod statistics;
mod stream;
mod valgrind;
mod wire;
mod workload;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::{Builder, Runtime};

use crate::arguments::{Arguments, Line};
use crate::contender::Failure;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &[String]) -> Result<(), Failure> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        // Not for people: how the program starts itself.
        [serve::SERVE] => runtime()?.block_on(serve::serve()),
        [stream::STREAM_INTO, address, records] => {
            runtime()?.block_on(stream::stream_into(address, records.parse()?))
        }
        _ => {
            let arguments = Arguments::try_from(Line::parse())?;
            runtime()?.block_on(run::run(&arguments))
        }
    }
}

/// With threads of its own a runtime takes three times as long for a statement as for the statement alone.
fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

//! Django 5.2, in a Python of its own: the hand-written chain, `update_or_create`, `bulk_create(update_conflicts=True)`.

use std::process::Command;

use super::process::{Hello, Process};
use super::{Contender, Failure};
use crate::setting::Address;

/// Names the Python that has Django; `benches/run` makes one.
const PYTHON: &str = "UPSERT_BENCHES_PYTHON";

const PROGRAM: &str = include_str!("django/peer.py");

/// Its forms for one record a call; none, with a notice, where there is no Python.
pub(crate) fn singles(address: &Address) -> Result<Vec<Box<dyn Contender>>, Failure> {
    all(address, &["chain", "update_or_create"])
}

/// Its forms for many, and the chain: an import that was written with it is what many come from.
pub(crate) fn bulks(address: &Address) -> Result<Vec<Box<dyn Contender>>, Failure> {
    all(address, &["bulk_create", "chain"])
}

/// Whether there is a Python, told once a run.
pub(crate) fn notice() -> Option<String> {
    python()
        .is_none()
        .then(|| format!("{PYTHON} names no Python with Django; `benches/run` makes one"))
}

fn python() -> Option<String> {
    std::env::var(PYTHON)
        .ok()
        .filter(|python| !python.is_empty())
}

fn all(address: &Address, forms: &[&str]) -> Result<Vec<Box<dyn Contender>>, Failure> {
    let Some(python) = python() else {
        return Ok(Vec::new());
    };
    let start = |form: &&str| {
        let hello = Hello {
            address: address.clone(),
            form: (*form).to_owned(),
            turns: None,
        };
        let mut command = Command::new(&python);
        let process = Process::start(
            format!("django-{form}"),
            command.args(["-c", PROGRAM]),
            &hello,
        )?;
        let process = if *form == "chain" {
            process.slow()
        } else {
            process
        };
        Ok(Box::new(process) as Box<dyn Contender>)
    };
    forms.iter().map(start).collect()
}

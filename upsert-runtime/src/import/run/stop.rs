//! What stops an import before its end, because the caller wants it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::import::options::Stop;

use super::course::Halt;

/// Looks whether the caller wants the import to stop.
pub(super) struct Stopper<'s> {
    /// What is ready then; `None` where nothing stops the import.
    stop: Option<Pin<&'s mut Stop<'s>>>,
    /// Whether it was ready: it must not be asked again.
    is_ready: bool,
}

impl<'s> Stopper<'s> {
    pub(super) fn new(stop: Option<&'s mut Pin<Box<Stop<'_>>>>) -> Self {
        Self {
            stop: match stop {
                Some(stop) => Some(stop.as_mut()),
                None => None,
            },
            is_ready: false,
        }
    }

    /// Fails if the import is to stop. It waits for nothing.
    pub(super) async fn check(&mut self) -> Result<(), Halt> {
        if let (Some(stop), false) = (&mut self.stop, self.is_ready) {
            self.is_ready =
                poll_fn(|context| Poll::Ready(stop.as_mut().poll(context).is_ready())).await;
        }
        if self.is_ready {
            Err(Halt::Stop)
        } else {
            Ok(())
        }
    }
}

//! Ctrl-C.

use std::future;
use std::process;

use tokio::signal::ctrl_c;
use tokio::sync::watch;

/// The exit status of a program that Ctrl-C has stopped, as shells count.
pub(crate) const STATUS: u8 = 130;

/// Whether Ctrl-C was pressed, told to whoever asks: one file after the other.
#[derive(Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// From now on Ctrl-C ends the program no more, but is told. The second one does: what is under way may wait for a lock of
    /// somebody else's, and the database rolls it back.
    pub(crate) fn listen() -> Self {
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            // Without a handler Ctrl-C ends the program, as it does by itself.
            if ctrl_c().await.is_ok() {
                sender.send_replace(true);
                if ctrl_c().await.is_ok() {
                    process::exit(STATUS.into());
                }
            }
            future::pending::<()>().await;
        });
        Self(receiver)
    }

    /// Whether it was pressed.
    pub(crate) fn is_pressed(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is pressed.
    pub(crate) async fn pressed(mut self) {
        // The sender is never dropped.
        let _ = self.0.wait_for(|is_pressed| *is_pressed).await;
    }
}

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::calls::Answer;
use crate::error::Error;

/// A call whose answer is put into the model's types when it comes.
///
/// Not an `async` block: that would be compiled for each model and database, and this is for each model.
pub(super) struct Typed<'a, A, F> {
    answer: Answer<'a, A>,
    /// Taken when the answer comes.
    typed: Option<F>,
}

impl<'a, A, T, F: FnOnce(A) -> T> Typed<'a, A, F> {
    pub(super) fn new(answer: Answer<'a, A>, typed: F) -> Self {
        Self {
            answer,
            typed: Some(typed),
        }
    }
}

impl<A, T, F: FnOnce(A) -> T + Unpin> Future for Typed<'_, A, F> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.answer.as_mut().poll(context));
        match self.typed.take() {
            Some(typed) => Poll::Ready(answer.map(typed)),
            // A future that has answered is not asked again.
            None => Poll::Pending,
        }
    }
}

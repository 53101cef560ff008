//! How often, and for how long, work is done again.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

/// How often, and for how long, work in a transaction of ours is done again after a deadlock, a serialization failure, a
/// lost race or a lost connection.
///
/// The default is 10 attempts within 30 seconds. Both bounds are looked at between attempts: an attempt that waits for a
/// lock is not cut short. Between two attempts there is a pause of random length, up to 2 ms at first and up to 200 ms in
/// the end.
///
/// ```
/// # use std::time::Duration;
/// # use upsert_runtime::Retry;
/// let patient = Retry::attempts(20).within(Duration::from_secs(60));
/// let once = Retry::never();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    attempts: u32,
    within: Duration,
}

impl Retry {
    const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
    const LONGEST_PAUSE: Duration = Duration::from_millis(200);

    /// At most this many attempts, the first included; 0 counts as 1. Within 30 seconds.
    #[must_use]
    pub const fn attempts(attempts: u32) -> Self {
        Self {
            attempts: if attempts == 0 { 1 } else { attempts },
            within: Duration::from_secs(30),
        }
    }

    /// One attempt.
    #[must_use]
    pub const fn never() -> Self {
        Self {
            attempts: 1,
            within: Duration::ZERO,
        }
    }

    /// No new attempt once this time has passed since the first one began.
    #[must_use]
    pub const fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// A pause before a second look: whoever won a race has most likely committed.
    pub(crate) fn short_pause() -> Duration {
        Self::SHORTEST_PAUSE.mul_f64(random_share())
    }

    /// The time within which a new attempt may begin.
    pub(crate) fn limit(&self) -> Duration {
        self.within
    }

    /// The pause after the attempt numbered `attempt`, from 1, which ended `elapsed` after the first one began; `None` if it
    /// was the last.
    pub(crate) fn pause(&self, attempt: u32, elapsed: Duration) -> Option<Duration> {
        let longest = Self::SHORTEST_PAUSE
            .saturating_mul(1 << attempt.saturating_sub(1).min(16))
            .min(Self::LONGEST_PAUSE);
        let pause = longest.mul_f64(random_share());
        (attempt < self.attempts && elapsed + pause < self.within).then_some(pause)
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::attempts(10)
    }
}

/// Between 0 and 1. The standard library seeds each `RandomState` anew; a pause needs no better random number.
fn random_share() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or(u32::MAX);
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_and_time_are_bounds() {
        let retry = Retry::attempts(3).within(Duration::from_secs(1));
        assert!(retry.pause(1, Duration::ZERO).is_some());
        assert!(retry.pause(2, Duration::ZERO).is_some());
        assert_eq!(retry.pause(3, Duration::ZERO), None);
        assert_eq!(retry.pause(1, Duration::from_secs(1)), None);
        assert_eq!(Retry::never().pause(1, Duration::ZERO), None);
    }

    #[test]
    fn pauses_differ_and_are_bounded() {
        let retry = Retry::attempts(u32::MAX);
        let pauses: Vec<_> = (1..100)
            .filter_map(|attempt| retry.pause(attempt, Duration::ZERO))
            .collect();
        assert_eq!(pauses.len(), 99);
        assert!(pauses.iter().all(|pause| *pause <= Retry::LONGEST_PAUSE));
        assert!(pauses.windows(2).any(|two| two[0] != two[1]));
    }
}

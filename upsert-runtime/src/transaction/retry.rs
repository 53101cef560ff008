//! How often, and for how long, work is done again.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

/// How often, and for how long, work in a transaction of ours is done again after a deadlock, a serialization failure, a
/// lost race, a lost connection or one that was not to be had.
///
/// The default is 10 attempts within 30 seconds. Both bounds are looked at between attempts: an attempt that waits for a
/// lock or for a connection is not cut short. Between two attempts there is a pause of random length. After a deadlock and the
/// like it is up to 2 ms at first and up to 200 ms in the end: the others are done soon. While the server is away it is up to
/// 50 ms at first and up to 5 s in the end, each time at least half of that, so that ten attempts live through a restart that
/// takes eight seconds.
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
    // Another transaction ends within milliseconds.
    const FOR_OTHERS: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(200)];
    // A server starts within seconds. Nine pauses that double from here are 16 s together at most and 8 s at least.
    const FOR_SERVER: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(5)];

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
        Self::FOR_OTHERS[0].mul_f64(random_share())
    }

    /// The time within which a new attempt may begin.
    pub(crate) fn limit(&self) -> Duration {
        self.within
    }

    /// The pause, at its shortest and its longest, after the attempt of this number, from 1, that met other transactions. They
    /// stand in each other's way, so they must spread: it may be none at all.
    pub(crate) fn pause_for_others(number: u32) -> [Duration; 2] {
        [Duration::ZERO, doubled(Self::FOR_OTHERS, number)]
    }

    /// The same after the attempt of this number that found the server away. It is never less than half of the longest, since
    /// all of them together must outlast a restart.
    pub(crate) fn pause_for_server(number: u32) -> [Duration; 2] {
        let longest = doubled(Self::FOR_SERVER, number);
        [longest / 2, longest]
    }

    /// A pause between these two after the attempt numbered `attempt`, from 1, which ended `elapsed` after the first one began;
    /// `None` if it was the last.
    pub(crate) fn pause(
        &self,
        attempt: u32,
        [shortest, longest]: [Duration; 2],
        elapsed: Duration,
    ) -> Option<Duration> {
        let pause = shortest + longest.saturating_sub(shortest).mul_f64(random_share());
        (attempt < self.attempts && elapsed + pause < self.within).then_some(pause)
    }
}

/// The first of two pauses, doubled for each attempt after the first one, up to the last.
fn doubled([first, last]: [Duration; 2], number: u32) -> Duration {
    first
        .saturating_mul(1 << number.saturating_sub(1).min(16))
        .min(last)
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
        let pause = |retry: Retry, attempt, elapsed| {
            retry.pause(attempt, Retry::pause_for_others(attempt), elapsed)
        };
        assert!(pause(retry, 1, Duration::ZERO).is_some());
        assert!(pause(retry, 2, Duration::ZERO).is_some());
        assert_eq!(pause(retry, 3, Duration::ZERO), None);
        assert_eq!(pause(retry, 1, Duration::from_secs(1)), None);
        assert_eq!(pause(Retry::never(), 1, Duration::ZERO), None);
    }

    #[test]
    fn pauses_differ_and_are_bounded() {
        let retry = Retry::attempts(u32::MAX);
        let pauses: Vec<_> = (1..100)
            .filter_map(|attempt| {
                retry.pause(attempt, Retry::pause_for_others(attempt), Duration::ZERO)
            })
            .collect();
        assert_eq!(pauses.len(), 99);
        assert!(pauses.iter().all(|pause| *pause <= Retry::FOR_OTHERS[1]));
        assert!(pauses.windows(2).any(|two| two[0] != two[1]));
    }

    #[test]
    fn the_default_lives_through_a_restart() {
        let retry = Retry::default();
        let bounds = |place: usize| -> Duration {
            (1..retry.attempts)
                .map(|number| Retry::pause_for_server(number)[place])
                .sum()
        };
        assert!(bounds(0) > Duration::from_secs(8), "{:?}", bounds(0));
        assert!(bounds(1) < retry.within, "{:?}", bounds(1));
    }
}

//! How long who waits for whom.

use std::time::Duration;

/// How the computations of a cache wait for each other; each has a default that is stated at its setter.
///
/// ```
/// use guira::FlightOptions;
/// use std::time::Duration;
///
/// let options = FlightOptions::default()
///     .patience(Duration::from_secs(5))
///     .load_timeout(Duration::from_secs(2));
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlightOptions {
    pub(crate) patience: Duration,
    pub(crate) soft_wait: Duration,
    pub(crate) load_timeout: Option<Duration>,
    pub(crate) back_off: Duration,
    pub(crate) grace: Duration,
    pub(crate) stale_on_error: bool,
    pub(crate) refresh_early: f64,
    pub(crate) is_cluster: bool,
    pub(crate) fetch_wait: Option<Duration>,
}

impl Default for FlightOptions {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(60),
            soft_wait: Duration::ZERO,
            load_timeout: None,
            back_off: Duration::from_secs(1),
            grace: Duration::ZERO,
            stale_on_error: true,
            refresh_early: 0.0,
            is_cluster: false,
            fetch_wait: None,
        }
    }
}

impl FlightOptions {
    /// Whether one computation is enough for all hosts of the cluster; by default each host makes its own. Whoever
    /// leads on a host then asks the brokers first (a millisecond or less), and takes another host's value if that is
    /// at it already. Without [coherence](crate::coherence), or brokers, each host computes.
    #[must_use]
    pub const fn cluster(self, is_cluster: bool) -> Self {
        Self { is_cluster, ..self }
    }

    /// How long other hosts are asked for a value that this one is about to compute, where computations are shared with
    /// the [cluster](FlightOptions::cluster); by default they are not asked, and only who asks while one of them computes
    /// is given its value. A host gives what it has fresh and trusted, and nothing that was invalidated here. It costs a
    /// miss that nobody has the answer to a round trip over a broker, and this time where a host does not answer.
    #[must_use]
    pub const fn fetching(self, wait: Duration) -> Self {
        Self {
            fetch_wait: Some(wait),
            ..self
        }
    }

    /// The hard wait: how long a computation may take before one of those who wait for it computes too, for
    /// it may have been stopped; by default 60 s. Longer than any healthy computation takes.
    #[must_use]
    pub const fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// How long a caller that holds a stale value waits for the fresh one that somebody else computes, before
    /// it takes the stale one; by default not at all.
    #[must_use]
    pub const fn soft_wait(self, soft_wait: Duration) -> Self {
        Self { soft_wait, ..self }
    }

    /// How long a caller waits for somebody else's computation before it gives up with
    /// [`FailureKind::TimedOut`](crate::FailureKind::TimedOut); by default for ever. A caller's own
    /// computation is not interrupted, be it blocking or a future.
    #[must_use]
    pub const fn load_timeout(self, load_timeout: Duration) -> Self {
        Self {
            load_timeout: Some(load_timeout),
            ..self
        }
    }

    /// After a refresh that failed, how long nobody on the host tries again while the stale value lives; by
    /// default 1 s.
    #[must_use]
    pub const fn back_off(self, back_off: Duration) -> Self {
        Self { back_off, ..self }
    }

    /// How long past its lifetime a value, computed or put, is kept for the case that computing a new one fails, or takes longer
    /// than the soft wait if there is one; by default not at all. Until then it is stale, and plain reads such as
    /// [`Cache::get`](crate::Cache::get) give it.
    #[must_use]
    pub const fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Whether a caller whose computation failed gets the stale value, if there is one, instead of the error;
    /// by default yes.
    #[must_use]
    pub const fn stale_on_error(self, stale_on_error: bool) -> Self {
        Self {
            stale_on_error,
            ..self
        }
    }

    /// Makes values stale before their end by chance, the earlier the longer they took to compute, so that they
    /// are refreshed in time and not all at once; by default 0, which is not. 1 is a good value; one that is no number
    /// or below 0 is as 0.
    ///
    /// This is XFetch: a value that took `cost` is due `cost * beta * (1 - ln u)` before its end, `u` being random
    /// between 0 and 1. The draw is made once, by whoever stores the value, and kept as its soft deadline. XFetch as
    /// it was published draws at each read, from the cost and the end, so that of many processes without a common
    /// flight few compute at once; here flights make one of them anyway, a read that drew would have to parse the
    /// cost and take a logarithm, and the time of the refresh would depend on how often a key is read. With the one
    /// draw, and its 1 in the sum, a refresh that begins when it is due ends before the value does, if it takes as
    /// long as the last one. The cost is stored with the value ([`Cache::cost`](crate::Cache::cost)) in five bytes.
    #[must_use]
    pub const fn refresh_early(self, beta: f64) -> Self {
        Self {
            refresh_early: if beta > 0.0 { beta } else { 0.0 },
            ..self
        }
    }
}

//! What can be said to `rewire bench`, and what follows from it.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::args::{Access, Ack, duration};
use crate::run::Failure;

/// Sends messages to a destination and receives them again, over a connection each, and gives an account.
///
/// throughput  as fast as it goes: messages a second, and what they cost this program
/// latency     one message at a time, or --rate: how long until the answer, how long until the receiver has it
/// recovery    at a steady rate, while you kill brokers: what stood still, for how long
/// soak        the same for an hour or more, and memory over time: was anything lost, does anything grow
///
/// Ends with exit code 1 when a message that was confirmed was not received. Messages of other programs on the
/// same destination disturb it: give each run a queue of its own.
///
///   rewire bench throughput tcp://localhost:61616
///   rewire bench soak 'failover:(tcp://a:61616,tcp://b:61616)' queue://SOAK --duration 1h
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct BenchArgs {
    /// What to find out
    #[arg(value_enum)]
    pub(crate) kind: Kind,
    #[command(flatten)]
    pub(crate) access: Access,
    /// queue://NAME, topic://NAME, or the bare name of a queue
    #[arg(value_name = "DEST", default_value = "queue://REWIRE.BENCH")]
    pub(crate) destination: String,
    /// How long to send: 500ms, 5s, 2m, 1h [default: 10s; recovery 1m; soak 1h]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// How long nothing is measured at the start [default: 1s; recovery and soak 0s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) warmup: Option<Duration>,
    /// Messages a second [default: as fast as they go; recovery 500; soak 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) rate: Option<u64>,
    /// Bytes of text in each message
    #[arg(long, value_name = "BYTES", default_value_t = 1024,
          value_parser = clap::value_parser!(u32).range(0..=16_777_216))]
    pub(crate) size: u32,
    /// How many messages may be unanswered [default: 1000; latency 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) in_flight: Option<u32>,
    /// Let messages be lost when a broker restarts
    #[arg(long)]
    pub(crate) non_persistent: bool,
    /// How messages are acknowledged; transacted is not measured here
    #[arg(long, value_enum, default_value_t = Ack::Auto)]
    pub(crate) ack: Ack,
    /// How many messages the broker may send ahead [default: the kind of consumer decides]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=32_766))]
    pub(crate) prefetch: Option<u32>,
    /// How long what is missing at the end is waited for
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub(crate) drain: Duration,
    /// End with the account as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Messages a second, and what they cost
    Throughput,
    /// How long a message takes
    Latency,
    /// What stands still when brokers die
    Recovery,
    /// Hours of it: losses, memory, interruptions
    Soak,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Latency => "latency",
            Self::Recovery => "recovery",
            Self::Soak => "soak",
        }
    }
}

/// A run, all defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) duration: Duration,
    pub(crate) warmup: Duration,
    pub(crate) rate: Option<u64>,
    pub(crate) size: usize,
    pub(crate) in_flight: usize,
    pub(crate) is_persistent: bool,
    pub(crate) ack: Ack,
    pub(crate) prefetch: Option<u32>,
    pub(crate) drain: Duration,
}

impl Plan {
    pub(crate) fn new(args: &BenchArgs) -> Result<Self, Failure> {
        if args.ack == Ack::Transacted {
            return Err(Failure::usage(
                "--ack transacted is not measured here; try rewire receive --ack transacted",
            ));
        }
        let kind = args.kind;
        let (duration, rate) = match kind {
            Kind::Throughput | Kind::Latency => (Duration::from_secs(10), None),
            Kind::Recovery => (Duration::from_secs(60), Some(500)),
            Kind::Soak => (Duration::from_secs(3600), Some(200)),
        };
        let warmup = match kind {
            Kind::Throughput | Kind::Latency => Duration::from_secs(1),
            Kind::Recovery | Kind::Soak => Duration::ZERO,
        };
        let in_flight = match kind {
            // With a rate it is the rate that says how many are under way.
            Kind::Latency if args.rate.is_none() => 1,
            Kind::Throughput | Kind::Latency | Kind::Recovery | Kind::Soak => 1000,
        };
        Ok(Self {
            kind,
            duration: args.duration.unwrap_or(duration),
            warmup: args.warmup.unwrap_or(warmup),
            rate: args.rate.or(rate),
            size: usize::try_from(args.size).unwrap_or(usize::MAX),
            in_flight: args
                .in_flight
                .map_or(in_flight, |count| usize::try_from(count).unwrap_or(usize::MAX)),
            is_persistent: !args.non_persistent,
            ack: args.ack,
            prefetch: args.prefetch,
            drain: args.drain,
        })
    }

    /// Whether each message waits until the one before it has come.
    pub(crate) fn is_alone(&self) -> bool {
        self.kind == Kind::Latency && self.rate.is_none()
    }

    /// How long nothing may happen before it counts as a pause.
    pub(crate) fn pause(&self) -> Duration {
        const SHORTEST: Duration = Duration::from_millis(50);
        let intervals = self.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_secs(3) / u32::try_from(rate).unwrap_or(u32::MAX)
        });
        SHORTEST.max(intervals)
    }
}

//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rewire_broker::cluster::ClusterFilter;
use rewire_broker::testkit::Direction;

use crate::bench::BenchArgs;

/// Send and receive messages through ActiveMQ brokers that may die meanwhile.
///
/// URI is failover:(tcp://a:61616,tcp://b:61616)?option=value, or one broker's address. The first goes on to
/// the next broker when one dies, and waits while there is none; the second ends with its broker.
/// DEST is queue://NAME, topic://NAME, or a bare name for a queue.
///
/// Exit codes: 0 done, 1 not or not all of it, 2 the command line or the URI cannot be used.
#[derive(Debug, Parser)]
#[command(name = "rewire", version, arg_required_else_help = true, after_help = FIRST_STEPS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const FIRST_STEPS: &str = "\
First steps:
  rewire broker --memory                                           a broker, in one terminal
  rewire receive tcp://localhost:61616 GREETINGS                   a receiver, in another
  rewire send tcp://localhost:61616 GREETINGS hello                a message, in a third
  rewire doctor 'failover:(tcp://a:61616,ssl://b:61617)'           why a cluster cannot be reached";

const SENDING: &str = "\
Examples:
  rewire send tcp://localhost:61616 ORDERS '12 anvils' --property region=eu
  rewire send 'failover:(tcp://a:61616,tcp://b:61616)' ORDERS --count 100000 --size 1024 --mode pipelined
  rewire send tcp://localhost:61616 topic://LINES --stdin < file

A message is confirmed when a broker has it, failed when it was refused or never left, and in doubt when it left
and no answer came. Exit code 1 when not all were confirmed.";

const BROKER: &str = "\
Examples:
  rewire broker --memory
  rewire broker --listen tcp://0.0.0.0:61616 --data /var/lib/rewire
  rewire broker --config broker.toml

READY and the address come on standard output when clients may come. Warnings go to standard error; RUST_LOG=info, or
RUST_LOG=rewire_broker=debug, says more, here as with every command.";

const RECEIVING: &str = "\
Examples:
  rewire receive tcp://localhost:61616 ORDERS --count 10 --ack individual
  rewire receive tcp://localhost:61616 ORDERS --selector \"region = 'eu'\" --idle-timeout 5s
  rewire receive tcp://localhost:61616 topic://PRICES --durable prices --client-id billing

Without --count and --idle-timeout it goes on until SIGINT. Messages go to stdout, the summary to stderr; with
--json only the summary goes to stdout. Missing, twice and out of order are told of messages that `rewire send
--count` numbered.";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Send messages, and say what became of each
    #[command(after_help = SENDING)]
    Send(SendArgs),
    /// Receive messages, and say which are missing or came twice
    #[command(after_help = RECEIVING)]
    Receive(ReceiveArgs),
    /// Look at what is in a queue, and leave it there
    Browse(BrowseArgs),
    /// Send one message and wait for its reply
    Request(RequestArgs),
    /// Measure throughput, latency or recovery, or soak a cluster for hours
    Bench(BenchArgs),
    /// Look at each broker of a URI, step by step, and say what is wrong
    Doctor(DoctorArgs),
    /// Show what happens to the connection and to the cluster, as it happens
    Watch(WatchArgs),
    /// Explain a URI: its brokers, and every option with its value
    Uri(UriArgs),
    /// Be a broker to develop and test against, until a signal comes
    #[command(after_help = BROKER)]
    Broker(BrokerArgs),
    /// Stand between clients and a broker, and fail as networks do
    Proxy(ProxyArgs),
    /// Print what makes a shell complete this command line
    Completions(CompletionsArgs),
}

/// Prints a script for the shell; where it goes:
///
///   bash  rewire completions bash > ~/.local/share/bash-completion/completions/rewire
///   zsh   rewire completions zsh > a folder of $fpath, as _rewire
///   fish  rewire completions fish > ~/.config/fish/completions/rewire.fish
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Faults come from flags to begin with, and then from lines of standard input:
///
/// delay 200ms, throttle BYTES, cut-after BYTES, black-hole, half-close: each with to-broker or to-client for
/// one way only; reset, refuse, accept, drop-reply \[N\], cut-reply \[N\], to tcp://host:port, clear
#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    /// Listen here; port 0 for any that is free
    #[arg(long, value_name = "URI", default_value = "tcp://127.0.0.1:0")]
    pub(crate) listen: String,
    /// Forward to this broker: tcp://host:port; it need not be there yet
    #[arg(long, value_name = "URI")]
    pub(crate) to: String,
    /// Forward so much later: 200ms, 2s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) delay: Option<Duration>,
    /// Forward no more than so many bytes a second on each connection
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) throttle: Option<u64>,
    /// Reset each connection after so many bytes
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) cut_after: Option<u64>,
    /// Forward nothing, and close nothing
    #[arg(long)]
    pub(crate) black_hole: bool,
    /// Refuse connections
    #[arg(long)]
    pub(crate) refuse: bool,
    /// Leave out the broker's first N answers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) drop_reply: Option<u64>,
    /// Reset a connection in place of the broker's first N answers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) cut_reply: Option<u64>,
    /// For which way --delay, --throttle, --cut-after and --black-hole hold: to-broker, to-client, both
    #[arg(long, value_name = "WAY", default_value = "both")]
    pub(crate) direction: Direction,
    /// Print what happens as lines of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BrokerArgs {
    /// Read settings from a TOML file; flags win over it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Keep persistent messages and durable subscriptions in this folder; this or --memory has to be said
    #[arg(long, value_name = "DIR", conflicts_with = "memory")]
    pub(crate) data: Option<PathBuf>,
    /// Keep everything in memory; nothing is left when the broker ends
    #[arg(long)]
    pub(crate) memory: bool,
    /// Listen here; port 0 for any that is free; may be repeated. With TLS
    /// 'ssl://0.0.0.0:61617?certificates=FILE&key=FILE' [default: tcp://127.0.0.1:61616]
    #[arg(long, value_name = "URI")]
    pub(crate) listen: Vec<String>,
    /// The broker's name [default: localhost]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Let this user in, and no others but those that are given; may be repeated. Other users of the machine
    /// can see it: a --config file keeps passwords better
    #[arg(long = "user", value_name = "U:PASSWORD")]
    pub(crate) users: Vec<Hidden>,
    /// Print what a --config file may have as `password_hash` of a user, and end; the password is one line of
    /// standard input
    #[arg(long, exclusive = true)]
    pub(crate) hash_password: bool,
    /// Show what the broker is doing at this address: a page, /metrics for Prometheus, /health
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) http: Option<String>,
    /// Tell clients which other brokers there are
    #[arg(long)]
    pub(crate) update_cluster_clients: bool,
    /// Spread clients over the brokers of the cluster
    #[arg(long)]
    pub(crate) rebalance_cluster_clients: bool,
    /// Tell clients to forget brokers that are gone
    #[arg(long)]
    pub(crate) update_cluster_clients_on_remove: bool,
    /// Tell clients only of brokers whose whole name one of these expressions matches: 'east-.*,west-1'
    #[arg(long, value_name = "REGEX")]
    pub(crate) update_cluster_filter: Option<ClusterFilter>,
    /// Be one cluster with other brokers: static:(tcp://b:61616,tcp://c:61616); may be repeated
    #[arg(long, value_name = "URI")]
    pub(crate) network_connector: Vec<Hidden>,
}

/// What may have a password in it. It is read later: what is wrong with a value is said here with the value.
#[derive(Clone)]
pub(crate) struct Hidden(pub(crate) String);

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden")
    }
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) access: Access,
    /// Print each event as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BrowseArgs {
    #[command(flatten)]
    pub(crate) access: Access,
    /// queue://NAME, or the bare name of a queue
    #[arg(value_name = "DEST")]
    pub(crate) destination: String,
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Only messages that this matches: "region = 'eu'"
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Print each message, headers and all, as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    #[command(flatten)]
    pub(crate) access: Access,
    /// queue://NAME, topic://NAME, or the bare name of a queue
    #[arg(value_name = "DEST")]
    pub(crate) destination: String,
    /// The text of the request
    pub(crate) body: String,
    /// How long to wait for the reply: 500ms, 5s, 2m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub(crate) timeout: Duration,
    /// A string property; may be repeated
    #[arg(long = "property", value_name = "K=V", value_parser = property)]
    pub(crate) properties: Vec<(String, String)>,
    /// Print the reply, headers and all, as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) access: Access,
    /// How long each broker has: 500ms, 5s, 2m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub(crate) timeout: Duration,
    /// Print one line of JSON for each broker
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UriArgs {
    /// The URI: failover:(tcp://a:61616,tcp://b:61616)?randomize=false
    pub(crate) uri: String,
    /// Print one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which brokers, and as whom.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// The brokers: failover:(tcp://a:61616,tcp://b:61616)?randomize=false
    pub(crate) uri: String,
    /// User name
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// The environment variable that has the password
    #[arg(long, value_name = "VAR", requires = "user")]
    pub(crate) password_env: Option<String>,
    /// JMS client id
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
}

/// Which brokers and which destination there.
#[derive(Debug, Args)]
pub(crate) struct Target {
    #[command(flatten)]
    pub(crate) access: Access,
    /// queue://NAME, topic://NAME, or the bare name of a queue
    #[arg(value_name = "DEST")]
    pub(crate) destination: String,
    /// Write a line of JSON for each message to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// End with a summary as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The text of every message
    #[arg(conflicts_with_all = ["size", "stdin"])]
    pub(crate) body: Option<String>,
    /// How many messages; with --stdin, at most so many [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Send texts of this many bytes
    #[arg(long, value_name = "BYTES")]
    pub(crate) size: Option<usize>,
    /// Messages a second [default: as fast as they go]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rate: Option<u64>,
    /// Send each line of standard input as a message
    #[arg(long, conflicts_with = "size")]
    pub(crate) stdin: bool,
    /// What to wait for after each message
    #[arg(long, value_enum, default_value_t = SendMode::Sync)]
    pub(crate) mode: SendMode,
    /// With --mode pipelined, how many may be unanswered
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) in_flight: u64,
    /// Let messages be lost when a broker restarts
    #[arg(long)]
    pub(crate) non_persistent: bool,
    /// Send in transactions of N messages, whatever the --mode
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) tx_batch: Option<u64>,
    /// A string property for every message; may be repeated
    #[arg(long = "property", value_name = "K=V", value_parser = property)]
    pub(crate) properties: Vec<(String, String)>,
    /// 0 to 9
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=9))]
    pub(crate) priority: Option<u8>,
    /// When messages expire: 500ms, 5s, 2m, 1h [default: never]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) ttl: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SendMode {
    /// The answer to each message
    Sync,
    /// No more than --in-flight answers
    Pipelined,
    /// No answers: the fastest, and messages can be lost
    Async,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiveArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End when nothing came for so long: 500ms, 5s, 2m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) idle_timeout: Option<Duration>,
    /// How messages are acknowledged
    #[arg(long, value_enum, default_value_t = Ack::Auto)]
    pub(crate) ack: Ack,
    /// With --ack transacted, how many messages a transaction has [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) tx_batch: Option<u64>,
    /// How many messages the broker may send ahead; with 0 each is asked for [default: the kind of consumer decides]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=32_766))]
    pub(crate) prefetch: Option<u32>,
    /// Only messages that this matches: "region = 'eu'"
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Make or take up this durable subscription to a topic; needs --client-id
    #[arg(long, value_name = "NAME", requires = "client_id", conflicts_with = "browse")]
    pub(crate) durable: Option<String>,
    /// Look at the messages of a queue and leave them there
    #[arg(long)]
    pub(crate) browse: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ack {
    /// Each, by itself
    Auto,
    /// All so far, after each
    Client,
    /// Each, one by one
    Individual,
    /// Late and many at once
    DupsOk,
    /// In transactions
    Transacted,
}

/// Reads `500ms`, `5s`, `2m` or `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let ms_each = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("give a number with a unit: 500ms, 5s, 2m, 1h".to_owned()),
    };
    let number: u64 =
        number.parse().map_err(|_| "the number is missing or too large".to_owned())?;
    let ms = number.checked_mul(ms_each).ok_or("the number is too large")?;
    Ok(Duration::from_millis(ms))
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("give a name and a value: region=eu".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_declared_without_contradictions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for text in ["5", "s", "", "5 s", "-5s", "99999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_property_may_have_an_equals_sign_in_its_value_and_needs_a_name() {
        assert_eq!(property("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(property("=b").is_err() && property("b").is_err());
    }

    #[test]
    fn a_body_and_a_size_exclude_each_other() {
        let args = ["rewire", "send", "tcp://a:1", "Q", "hello", "--size", "5"];
        assert!(Cli::try_parse_from(args).is_err());
    }
}

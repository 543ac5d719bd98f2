//! The codec measured on the frames of Java's `CodecBench`: version 12, one thread, a cache that already
//! holds the ids.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rewire_protocol::{
    Command, ConnectionId, ConnectionInfo, Decoder, Destination, Encoder, Limits, Message,
    MessageAck, MessageDispatch, MessageKind, Str, WireFormat, WireFormatInfo,
};

/// What one operation on one command costs.
#[derive(Clone, Debug)]
pub struct Row {
    /// The command, by the name `CodecBench` gives it.
    pub command: String,
    /// `tight` or `loose`.
    pub encoding: &'static str,
    /// `marshal`, `unmarshal` or `build+marshal`, as `CodecBench` says.
    pub op: &'static str,
    /// Bytes of the frame with its size prefix, to be compared with Java's.
    pub frame_bytes: usize,
    /// Nanoseconds an operation: the median of the slices.
    pub ns: f64,
    /// The least of the slices.
    pub ns_min: f64,
    /// Allocations an operation.
    pub allocs: u64,
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Time to warm up, before each row.
    pub warm_up: Duration,
    /// Time of a slice.
    pub slice: Duration,
    /// Slices, of which the median counts.
    pub slices: usize,
}

impl Default for Effort {
    fn default() -> Self {
        let (warm_up, slice) = (Duration::from_millis(50), Duration::from_millis(20));
        Self { warm_up, slice, slices: 15 }
    }
}

/// Measures the rows whose name (command, encoding, operation) has `only` in it, tight before loose.
#[must_use]
pub fn rows(only: &str, effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for (tight, encoding) in [(true, "tight"), (false, "loose")] {
        let mut row = |command: &str, op, bench: &mut Bench, work: &mut dyn FnMut(&mut Bench)| {
            if format!("{command} {encoding} {op}").contains(only) {
                let ((ns, ns_min), allocs) = measure(effort, || work(bench));
                let (command, frame_bytes) = (command.to_owned(), bench.frame_bytes());
                rows.push(Row { command, encoding, op, frame_bytes, ns, ns_min, allocs });
            }
        };
        for (name, command) in commands() {
            let bench = &mut Bench::new(tight, &command);
            row(&name, "marshal", bench, &mut |bench| bench.encode(&command));
            row(&name, "unmarshal", bench, &mut Bench::decode);
        }
        for len in SIZES {
            let text = filler(len);
            let bench = &mut Bench::new(tight, &text_message(&text, 1000).into());
            row(&format!("TextMessage/{len}"), "build+marshal", bench, &mut |bench| {
                bench.encode(&text_message(&text, black_box(1000)).into());
            });
        }
    }
    rows
}

const SIZES: [usize; 3] = [100, 1024, 16_384];

/// Both ends of a connection that have seen the command before.
struct Bench {
    encoder: Encoder,
    decoder: Decoder,
    out: Vec<u8>,
    frame: Bytes,
}

impl Bench {
    fn new(tight: bool, command: &Command) -> Self {
        let format = WireFormat { tight, size_prefix: true, ..WireFormat::DEFAULT };
        let mut encoder = Encoder::new(format);
        let mut decoder = Decoder::new(format, Limits::DEFAULT);
        let mut frame = Bytes::new();
        for _ in 0..2 {
            let mut out = Vec::new();
            encoder.encode(command, &mut out).expect("the command can be written");
            frame = Bytes::from(out).slice(4..);
            decoder.decode(&frame).expect("the command can be read");
        }
        Self { encoder, decoder, out: Vec::with_capacity(128 << 10), frame }
    }

    fn frame_bytes(&self) -> usize {
        self.frame.len() + 4
    }

    fn encode(&mut self, command: &Command) {
        self.out.clear();
        self.encoder.encode(command, &mut self.out).expect("the command can be written");
        black_box(&self.out);
    }

    fn decode(&mut self) {
        let command = self.decoder.decode(black_box(&self.frame));
        assert!(black_box(&command).is_ok(), "the command can be read");
    }
}

/// Nanoseconds, median and least, and allocations of one run of `work`.
#[allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure(effort: Effort, mut work: impl FnMut()) -> ((f64, f64), u64) {
    let allocs = allocation_counter::measure(&mut work).count_total;
    let mut slice = |time: Duration| {
        let (begin, mut runs) = (Instant::now(), 0_u32);
        while begin.elapsed() < time {
            (0..256).for_each(|_| work());
            runs += 256;
        }
        begin.elapsed().as_secs_f64() * 1e9 / f64::from(runs)
    };
    slice(effort.warm_up);
    let mut slices: Vec<f64> = (0..effort.slices).map(|_| slice(effort.slice)).collect();
    slices.sort_by(f64::total_cmp);
    let at = |index: usize| slices.get(index).copied().unwrap_or(f64::NAN);
    ((at(slices.len() / 2), at(0)), allocs)
}

/// The commands of `CodecBench`, with its values.
fn commands() -> Vec<(String, Command)> {
    let mut commands: Vec<_> =
        SIZES.iter().map(|len| (format!("MessageDispatch/{len}"), dispatch(*len))).collect();
    commands.push(("MessageAck".to_owned(), ack()));
    commands.push(("ConnectionInfo".to_owned(), connection_info()));
    commands.push(("WireFormatInfo".to_owned(), wire_format_info()));
    commands
}

fn queue() -> Destination {
    Destination::queue(Str::from_static("orders.incoming"))
}

fn producer() -> rewire_protocol::ProducerId {
    ConnectionId::new(Str::from_static("ID:vm-40001-1700000000000-1:1")).session(1).producer(1)
}

fn consumer() -> rewire_protocol::ConsumerId {
    ConnectionId::new(Str::from_static("ID:vm-40001-1700000000000-3:1")).session(1).consumer(1)
}

/// A text message with three properties, as a producer makes it.
fn text_message(text: &str, sequence: i64) -> Message {
    let mut content = Vec::with_capacity(4 + text.len());
    content.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    content.extend(text.as_bytes());
    Message {
        kind: MessageKind::Text,
        command_id: 77,
        response_required: true,
        producer_id: Some(producer()),
        destination: Some(queue()),
        message_id: Some(producer().message(sequence)),
        persistent: true,
        priority: 4,
        timestamp: 1_700_000_000_123,
        content: Some(content.into()),
        marshalled_properties: Some(properties(sequence)),
        ..Message::default()
    }
}

fn properties(sequence: i64) -> Bytes {
    const STRING: u8 = 9;
    const LONG: u8 = 6;
    let mut map = Vec::with_capacity(64);
    map.extend(3_u32.to_be_bytes());
    let mut entry = |key: &[u8], tag: u8, value: &[&[u8]]| {
        map.extend(u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
        map.extend_from_slice(key);
        map.push(tag);
        value.iter().for_each(|part| map.extend_from_slice(part));
    };
    entry(b"ts", LONG, &[&1_234_567_890_123_i64.to_be_bytes()]);
    entry(b"pid", STRING, &[&5_u16.to_be_bytes(), b"p4711"]);
    entry(b"seq", LONG, &[&sequence.to_be_bytes()]);
    map.into()
}

fn dispatch(len: usize) -> Command {
    let message = Message {
        broker_in_time: 1_700_000_000_124,
        broker_out_time: 1_700_000_000_125,
        ..text_message(&filler(len), 1000)
    };
    MessageDispatch {
        consumer_id: Some(consumer()),
        destination: Some(queue()),
        message: Some(Box::new(message)),
        ..MessageDispatch::default()
    }
    .into()
}

fn ack() -> Command {
    MessageAck {
        command_id: 9,
        destination: Some(queue()),
        consumer_id: Some(consumer()),
        ack_type: MessageAck::STANDARD,
        first_message_id: Some(producer().message(1)),
        last_message_id: Some(producer().message(500)),
        message_count: 500,
        ..MessageAck::default()
    }
    .into()
}

fn connection_info() -> Command {
    ConnectionInfo {
        command_id: 1,
        response_required: true,
        connection_id: Some(ConnectionId::new("ID:vm-40001-1700000000000-3:1")),
        client_id: Some("ID:vm-40001-1700000000000-2:1".into()),
        user_name: Some("user".into()),
        password: Some("password".into()),
        manageable: true,
        client_master: true,
        fault_tolerant: true,
        ..ConnectionInfo::default()
    }
    .into()
}

fn wire_format_info() -> Command {
    // As long as Java's map of fourteen settings.
    let marshalled_properties = Some(Bytes::from(vec![b'x'; 297]));
    WireFormatInfo { magic: WireFormatInfo::MAGIC, version: 12, marshalled_properties }.into()
}

/// `CodecBench`'s text.
fn filler(len: usize) -> String {
    let letter = |i: usize| u8::try_from((i * 7 + i / 26) % 26).map_or('?', |i| (b'a' + i).into());
    (0..len).map(letter).collect()
}

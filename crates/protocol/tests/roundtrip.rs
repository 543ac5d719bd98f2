//! Random commands there and back: what is decoded is what was encoded, as far as the version has it, and
//! encoding that gives the same bytes again.
#![allow(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rewire_protocol::{
    Command, Decoder, Encoder, FieldRow, FrameReader, Kind, Limits, MAX_VERSION, StackElement, Str,
    Throwable, Value, WireFormat,
};

/// Where the values of a command come from: numbers that proptest can shrink, used up one by one.
struct Source<'a> {
    numbers: &'a [u64],
    version: u8,
    stack_trace: bool,
    depth: usize,
}

/// Nested objects inside nested objects: enough to reach every structure from every other.
const MAX_DEPTH: usize = 3;

impl Source<'_> {
    fn next(&mut self) -> u64 {
        match self.numbers.split_first() {
            Some((number, rest)) => {
                self.numbers = rest;
                *number
            }
            None => 0,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// A structure with random fields.
    fn command(&mut self, name: &str) -> Command {
        let mut command = Command::named(name).unwrap();
        let version = self.version;
        let row = command.row();
        for row in row.fields().filter(|row| row.is_in(version)) {
            let value = self.value(row);
            command.set(row.name, value).unwrap();
        }
        command
    }

    fn value(&mut self, row: &FieldRow) -> Value {
        let number = self.next();
        let null = number.is_multiple_of(4);
        match row.kind {
            Kind::Boolean => Value::Boolean(number % 2 == 1),
            Kind::Byte => Value::Integer(i64::from(number.to_le_bytes()[0].cast_signed())),
            Kind::Int => Value::Integer(i64::from(self.integer() as i32)),
            Kind::Long => Value::Integer(self.integer()),
            Kind::FixedBytes(len) => Value::Bytes(Bytes::from(vec![number as u8; len])),
            // Destinations have a name, and it is not empty.
            Kind::String if row.name == "physical_name" => {
                Value::String(Str::from(format!("{:?}", self.string())))
            }
            _ if null => Value::Null,
            Kind::String => Value::String(self.string()),
            Kind::Bytes => Value::Bytes(self.bytes()),
            Kind::Throwable => Value::Throwable(Box::new(self.throwable())),
            Kind::Object(class) => self.object(class),
            Kind::ObjectArray(class) => {
                let len = self.below(4);
                Value::Array((0..len).map(|_| self.object(class)).collect())
            }
        }
    }

    /// Small and large ones, so that tight encoding uses all its widths.
    fn integer(&mut self) -> i64 {
        let number = self.next();
        (number >> (number % 64)).cast_signed()
    }

    /// From a small pool, so that the same ids come again.
    fn string(&mut self) -> Str {
        const POOL: [&str; 6] =
            ["", "c", "ID:host-40001-1700000000000-1:1", "höst → 日本", "\0🚀", "queue://A,B"];
        match self.below(10) {
            n @ 0..=5 => Str::from(POOL[n]),
            6 => Str::from_utf16(&[0xD800, self.next() as u16]),
            7 => Str::from("x".repeat(self.below(5000))),
            _ => Str::from(format!("n{}", self.below(400))),
        }
    }

    fn bytes(&mut self) -> Bytes {
        let len = if self.below(8) == 0 { self.below(3000) } else { self.below(20) };
        Bytes::from(vec![self.next() as u8; len])
    }

    fn throwable(&mut self) -> Throwable {
        // Never a null message: versions 1 and 10 have none. Java cuts theirs at 1024 units.
        let message = Str::from(format!("m{}", self.below(9)));
        let mut throwable = Throwable::new("javax.jms.JMSException", message);
        if self.stack_trace {
            for _ in 0..self.below(3) {
                let (class, method) = (self.string(), self.string());
                let file = (self.below(2) == 0).then(|| self.string());
                throwable.stack.push(StackElement {
                    class,
                    method,
                    file,
                    line: self.integer() as i32,
                });
            }
            self.depth += 1;
            if self.depth < MAX_DEPTH && self.below(2) == 0 {
                throwable.cause = Some(Box::new(self.throwable()));
            }
            self.depth -= 1;
        }
        throwable
    }

    fn object(&mut self, class: &str) -> Value {
        if self.depth == MAX_DEPTH {
            return Value::Null;
        }
        let names: Vec<&str> =
            names(self.version).into_iter().filter(|name| is_a(name, class)).collect();
        let name = names[self.below(names.len())];
        self.depth += 1;
        let object = self.command(name);
        self.depth -= 1;
        Value::Object(Box::new(object))
    }
}

fn names(version: u8) -> Vec<&'static str> {
    Command::schema().filter(|row| row.since <= version).map(|row| row.name).collect()
}

fn is_a(name: &str, class: &str) -> bool {
    match class {
        "DataStructure" => true,
        "ActiveMQDestination" => {
            ["ActiveMQQueue", "ActiveMQTopic", "ActiveMQTempQueue", "ActiveMQTempTopic"]
                .contains(&name)
        }
        "Message" => name.starts_with("ActiveMQ") && name.ends_with("Message"),
        "TransactionId" => name.ends_with("TransactionId"),
        class => name == class,
    }
}

fn formats() -> impl Strategy<Value = WireFormat> {
    let slots = select(vec![
        None,
        Some(1),
        Some(50),
        Some(100),
        Some(104),
        Some(128),
        Some(1024),
        Some(16_383),
    ]);
    let settings = (1..=MAX_VERSION, any::<bool>(), slots, any::<bool>(), any::<bool>());
    settings.prop_map(|(version, tight, cache_slots, stack_trace, size_prefix)| WireFormat {
        version,
        tight,
        cache_slots,
        stack_trace,
        size_prefix,
        ..WireFormat::DEFAULT
    })
}

fn numbers() -> impl Strategy<Value = Vec<u64>> {
    vec(any::<u64>(), 0..120)
}

/// Sequences of commands, each a type and the numbers it is made from.
fn commands(len: usize) -> impl Strategy<Value = Vec<(Index, Vec<u64>)>> {
    vec((any::<Index>(), numbers()), 1..len)
}

fn made(format: WireFormat, (type_index, numbers): &(Index, Vec<u64>)) -> Command {
    let (version, stack_trace) = (format.version, format.stack_trace);
    let name = *type_index.get(&names(version));
    Source { numbers, version, stack_trace, depth: 0 }.command(name)
}

/// Runs the commands through one codec and once more through another.
fn there_and_back(format: WireFormat, commands: &[Command]) {
    let (mut encoder, mut decoder) = (Encoder::new(format), Decoder::new(format, Limits::DEFAULT));
    let mut again = Encoder::new(format);
    for command in commands {
        let (mut out, mut repeated) = (Vec::new(), Vec::new());
        encoder.encode(command, &mut out).unwrap();
        let frame = if format.size_prefix {
            let mut reader = FrameReader::new(usize::MAX);
            reader.extend(&out);
            let frame = reader.next_frame().unwrap().unwrap();
            assert!(reader.is_empty());
            frame
        } else {
            Bytes::from(out.clone())
        };
        let decoded = decoder.decode(&frame).unwrap().unwrap();
        assert_eq!(&decoded, command);
        again.encode(&decoded, &mut repeated).unwrap();
        assert_eq!(repeated, out);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_decoded_is_what_was_encoded(format in formats(), commands in commands(12)) {
        let commands: Vec<_> = commands.iter().map(|command| made(format, command)).collect();
        there_and_back(format, &commands);
    }

    #[test]
    fn fields_that_the_version_does_not_have_come_back_blank(
        version in 1..MAX_VERSION,
        tight: bool,
        command in (any::<Index>(), numbers()),
    ) {
        let newest = WireFormat { stack_trace: false, ..WireFormat::DEFAULT };
        let format = WireFormat { version, tight, size_prefix: false, ..newest };
        let command = made(newest, &command);
        let mut frame = Vec::new();
        // A structure inside may be newer than the version.
        if Encoder::new(format).encode(&command, &mut frame).is_ok() {
            let decoded = Decoder::new(format, Limits::DEFAULT).decode(&frame.into()).unwrap().unwrap();
            for row in command.row().fields().filter(|row| !row.is_in(version)) {
                let blank = Command::named(command.name()).unwrap().get(row.name);
                prop_assert_eq!(decoded.get(row.name), blank, "{}", row.name);
            }
        }
    }

    #[test]
    fn ids_that_come_again_and_again_hit_the_cache_and_leave_it(
        slots in select(vec![1, 50, 100, 104, 128, 1024]),
        tight: bool,
        ids in vec((0..4_usize, 0..300_i64), 1..600),
    ) {
        let format = WireFormat { tight, cache_slots: Some(slots), ..WireFormat::DEFAULT };
        let commands: Vec<Command> = ids.into_iter().map(|(kind, number)| {
            let session = rewire_protocol::ConnectionId::new(format!("c{}", number % 50)).session(number);
            let id: Command = match kind {
                0 => session.into(),
                1 => session.consumer(number % 3).into(),
                2 => session.producer(number % 3).into(),
                _ => rewire_protocol::Destination::queue(format!("q{number}")).into(),
            };
            let object_id = Some(Box::new(id));
            rewire_protocol::RemoveInfo { object_id, ..Default::default() }.into()
        }).collect();
        there_and_back(format, &commands);
    }
}

#[test]
fn every_structure_survives_in_every_version_and_encoding() {
    let numbers: Vec<u64> = (1..500_u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
    for version in 1..=MAX_VERSION {
        for name in names(version) {
            for tight in [true, false] {
                for stack_trace in [true, false] {
                    let mut source = Source { numbers: &numbers, version, stack_trace, depth: 0 };
                    let command = source.command(name);
                    let format = WireFormat { version, tight, stack_trace, ..WireFormat::DEFAULT };
                    there_and_back(format, &[command.clone(), command]);
                }
            }
        }
    }
}

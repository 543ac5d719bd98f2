//! The codec against frames and conversations of the Java implementation, byte for byte: the checks are
//! those of the `vectors` example.

#[path = "../examples/vectors/bodies.rs"]
mod bodies;
#[path = "../examples/vectors/check.rs"]
mod check;
#[path = "../examples/vectors/fields.rs"]
mod fields;

/// Runs all records of a file; answers how many there were of each kind.
fn run(file: &str) -> std::collections::BTreeMap<String, usize> {
    let path = format!("{}/tests/data/openwire/{file}", env!("CARGO_MANIFEST_DIR"));
    let records = check::read(&path).expect("a file of records");
    let mut passed = std::collections::BTreeMap::new();
    let mut failed = Vec::new();
    for record in records {
        let kind = record["kind"].as_str().unwrap_or("unknown").to_owned();
        match check::record(&record) {
            Ok(checks) => *passed.entry(kind).or_default() += checks,
            Err(problem) => failed.push(format!("{kind} {}: {problem}", record["name"])),
        }
    }
    assert!(failed.is_empty(), "{file}: {} failed\n{}", failed.len(), failed.join("\n"));
    passed
}

#[test]
fn every_record_of_the_java_implementation_is_decoded_and_encoded_to_the_byte() {
    let passed = run("vectors-public.jsonl");
    // A file that lost its records would pass as well.
    for (kind, least) in [
        ("command", 3778),
        ("edge", 109),
        ("body", 73),
        ("sequence", 37),
        ("negotiation", 45),
        ("invalid", 74),
        ("truncation", 30),
        ("wireformat", 11),
    ] {
        assert!(passed.get(kind).is_some_and(|count| *count >= least), "{kind}: {passed:?}");
    }
}

/// One test a captured conversation.
macro_rules! sessions {
    ($($test:ident: $file:literal,)*) => {$(
        #[test]
        fn $test() {
            assert_eq!(run(concat!("sessions/session-", $file, ".json")).get("session"), Some(&1));
        }
    )*};
}

sessions! {
    a_conversation_in_version_1: "v1-tight-cache",
    a_conversation_in_version_3: "v3-tight-cache",
    a_conversation_in_version_6: "v6-tight-cache",
    a_conversation_in_version_10: "v10-tight-cache",
    a_conversation_in_version_12: "v12-tight-cache",
    a_conversation_in_loose_encoding: "v12-loose-cache",
    a_conversation_in_loose_encoding_without_a_cache: "v12-loose-nocache",
    a_conversation_without_a_cache_and_stack_traces: "v12-tight-nocache-notrace",
    a_conversation_without_size_prefixes: "v12-no-size-prefix",
    a_conversation_that_overflows_a_small_cache: "v12-cache-128-evict",
    a_conversation_with_errors: "v12-errors",
    a_conversation_kept_alive_by_heartbeats: "v12-keepalive",
    a_conversation_of_a_pulling_consumer: "v12-pull",
    a_conversation_with_every_type_of_message: "v12-types",
}

//! The declarations as data, held against the table read off Java's own marshallers, `spec.json`.

use std::collections::BTreeMap;

use rewire_protocol::{Command, FieldRow, Kind, MAX_VERSION, StructureRow};
use serde_json::Value as Json;

fn spec() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/openwire/spec.json");
    let text = std::fs::read_to_string(path).expect("the table is there");
    serde_json::from_str(&text).expect("the table is JSON")
}

/// Java's types by name.
fn types(spec: &Json) -> BTreeMap<&str, &Json> {
    let types = spec["types"].as_array().expect("types").iter();
    types.map(|json| (json["name"].as_str().expect("a name"), json)).collect()
}

fn declarations() -> BTreeMap<&'static str, StructureRow> {
    Command::schema().map(|row| (row.name, row)).collect()
}

fn is_abstract(json: &Json) -> bool {
    json["abstract"] == true
}

/// Java's fields of a type in wire order: the root's first. `chain` names the parent first.
fn properties<'j>(json: &'j Json, types: &BTreeMap<&str, &'j Json>) -> Vec<&'j Json> {
    let chain = json["chain"].as_array().expect("a chain").iter().rev();
    let ancestors = chain.map(|name| types[name.as_str().expect("a name")]);
    let classes = ancestors.chain([json]);
    classes.flat_map(|class| class["properties"].as_array().expect("properties")).collect()
}

/// A field in words, so that a difference can be read.
fn in_words(row: &FieldRow) -> String {
    let kind = match row.kind {
        Kind::Boolean => "boolean".to_owned(),
        Kind::Byte => "byte".to_owned(),
        Kind::Int => "int".to_owned(),
        Kind::Long => "long".to_owned(),
        Kind::String => "string".to_owned(),
        Kind::Bytes => "bytes".to_owned(),
        Kind::FixedBytes(size) => format!("fixed_bytes {size}"),
        Kind::Object(class) => format!("object {class}"),
        Kind::ObjectArray(class) => format!("object_array {class}"),
        Kind::Throwable => "throwable".to_owned(),
    };
    let until = if row.until >= MAX_VERSION { MAX_VERSION } else { row.until };
    format!("{}: {kind} {}..={until} cached={}", row.java_name(), row.since, row.cached)
}

fn java_in_words(json: &Json) -> String {
    let text = |key: &str| json[key].as_str().unwrap_or_default();
    let kind = match text("type") {
        kind @ ("object" | "object_array") => format!("{kind} {}", java_class(text("class"))),
        "fixed_bytes" => format!("fixed_bytes {}", json["size"]),
        kind => kind.to_owned(),
    };
    let until = json["until"].as_u64().unwrap_or(12);
    let cached = json["cached"] == true;
    format!("{}: {kind} {}..={until} cached={cached}", text("name"), json["since"])
}

/// What we call a class of Java's.
fn java_class(class: &str) -> &str {
    match class {
        // An interface that only one structure implements.
        "BooleanExpression" => "NetworkBridgeFilter",
        class => class,
    }
}

#[test]
fn all_57_concrete_types_are_declared_and_nothing_else() {
    let spec = spec();
    let types = types(&spec);
    let concrete: Vec<_> =
        types.iter().filter(|(_, json)| !is_abstract(json)).map(|(name, _)| *name).collect();
    assert_eq!(concrete.len(), 57);
    assert_eq!(declarations().into_keys().collect::<Vec<_>>(), concrete);
}

#[test]
fn the_codes_are_javas() {
    let (spec, ours) = (spec(), declarations());
    for (name, json) in types(&spec).into_iter().filter(|(_, json)| !is_abstract(json)) {
        assert_eq!(Some(u64::from(ours[name].code)), json["code"].as_u64(), "{name}");
    }
}

#[test]
fn the_fields_are_javas_in_order_kind_class_versions_and_use_of_the_cache() {
    let (spec, ours) = (spec(), declarations());
    let types = types(&spec);
    for (name, json) in types.iter().filter(|(_, json)| !is_abstract(json)) {
        let declared: Vec<_> = ours[name].fields().map(in_words).collect();
        let java: Vec<_> = properties(json, &types).into_iter().map(java_in_words).collect();
        assert_eq!(declared, java, "{name}");
    }
}

#[test]
fn the_fields_of_abstract_types_lead_those_of_their_descendants() {
    let (spec, ours) = (spec(), declarations());
    let types = types(&spec);
    let mut seen = 0;
    for (parent, json) in types.iter().filter(|(_, json)| is_abstract(json)) {
        seen += 1;
        let java: Vec<_> = properties(json, &types).into_iter().map(java_in_words).collect();
        let descends = |json: &Json| {
            json["chain"].as_array().is_some_and(|chain| chain.iter().any(|name| name == parent))
        };
        let mut descendants = 0;
        for (name, _) in types.iter().filter(|(_, json)| !is_abstract(json) && descends(json)) {
            descendants += 1;
            let declared: Vec<_> = ours[name].fields().take(java.len()).map(in_words).collect();
            assert_eq!(declared, java, "{name}, a {parent}");
        }
        assert!(descendants > 1, "{parent} has no descendants");
    }
    assert_eq!(seen, 5);
}

#[test]
fn the_same_types_are_marshall_aware() {
    let (spec, ours) = (spec(), declarations());
    for (name, json) in types(&spec).into_iter().filter(|(_, json)| !is_abstract(json)) {
        assert_eq!(Some(ours[name].marshall_aware), json["marshall_aware"].as_bool(), "{name}");
    }
}

#[test]
fn each_version_has_the_types_java_registers_for_it() {
    let spec = spec();
    for version in 1..=MAX_VERSION {
        let java: Vec<u64> = spec["registered_types_per_version"][version.to_string()]
            .as_array()
            .expect("types of a version")
            .iter()
            .filter_map(Json::as_u64)
            .collect();
        let mut ours: Vec<u64> = Command::schema()
            .filter(|row| row.since <= version)
            .map(|row| row.code.into())
            .collect();
        ours.sort_unstable();
        assert_eq!(ours, java, "version {version}");
    }
}

#[test]
fn a_class_can_hold_what_java_can_assign_to_it() {
    let spec = spec();
    let assignable = spec["assignable"].as_object().expect("classes");
    let mut checked = 0;
    for (name, row) in declarations() {
        for field in row.fields() {
            let Kind::Object(class) = field.kind else { continue };
            let java = assignable
                .get(class)
                .or_else(|| {
                    assignable
                        .get("BooleanExpression")
                        .filter(|_| java_class("BooleanExpression") == class)
                })
                .and_then(Json::as_array)
                .unwrap_or_else(|| panic!("{name}.{}: no class {class}", field.name));
            for candidate in Command::schema() {
                let mut holder = Command::named(name).expect("a declared structure");
                let value = Command::named(candidate.name).expect("a declared structure");
                let held = holder.set(field.name, rewire_protocol::Value::Object(Box::new(value)));
                let expected = java.iter().any(|name| name == candidate.name);
                assert_eq!(held.is_ok(), expected, "{name}.{}: {}", field.name, candidate.name);
                checked += 1;
            }
        }
    }
    assert!(checked > 1000);
}

//! `rewire browse`: what is in a queue, left where it is.

use std::io::Write;

use rewire::{Delivery, Message, Primitive};
use serde_json::{Value, json};

use crate::args::BrowseArgs;
use crate::receive::show;
use crate::run::{self, Failure, Run};

/// Runs the verb; true when the queue was gone through, or as much of it as was asked for.
pub(crate) async fn run(args: BrowseArgs) -> Result<bool, Failure> {
    let destination = run::destination(&args.access, &args.destination)?;
    let run = Run::connect(&args.access).await?;
    let session = run.connection.session().await?;
    let mut builder = session.consumer(&destination).browse();
    if let Some(selector) = &args.selector {
        builder = builder.selector(selector);
    }
    let mut browser = builder.await?;
    let mut seen = 0;
    while args.count.is_none_or(|count| seen < count) {
        let Some(delivery) = browser.next().await.transpose()? else { break };
        print(&delivery, args.json);
        seen += 1;
    }
    browser.close().await?;
    let _ = run.connection.close().await;
    if !args.json {
        run::complain(&format!("{seen} there"));
    }
    Ok(true)
}

fn print(delivery: &Delivery, json: bool) {
    let message = delivery.message();
    if json {
        // Nobody may be reading.
        let _ = writeln!(std::io::stdout(), "{}", to_json(message, delivery.redelivery_counter()));
    } else {
        show(message);
    }
}

/// A message for scripts: its headers, its properties, and its body if it is a text.
pub(crate) fn to_json(message: &Message, redelivery_counter: i32) -> Value {
    let headers = message.headers();
    let text = |text: Option<&rewire::Str>| text.map(ToString::to_string);
    let named = |name: Option<&rewire::Destination>| name.map(ToString::to_string);
    let properties: serde_json::Map<String, Value> = message
        .properties()
        .map(|map| map.iter().map(|(name, value)| (name.to_string(), plain(value))).collect())
        .unwrap_or_default();
    json!({
        "message_id": headers.message_id.as_ref().map(ToString::to_string),
        "destination": named(headers.destination.as_ref()),
        "persistent": headers.persistent,
        "priority": headers.priority,
        "timestamp_ms": headers.timestamp,
        "expiration_ms": headers.expiration,
        "redelivery_counter": redelivery_counter,
        "correlation_id": text(headers.correlation_id.as_ref()),
        "reply_to": named(headers.reply_to.as_ref()),
        "type": text(headers.message_type.as_ref()),
        "properties": properties,
        "body": message.body_text().ok().flatten(),
    })
}

fn plain(value: &Primitive) -> Value {
    match value {
        Primitive::Null => Value::Null,
        Primitive::Boolean(value) => json!(value),
        Primitive::Byte(value) => json!(value),
        Primitive::Short(value) => json!(value),
        Primitive::Int(value) => json!(value),
        Primitive::Long(value) => json!(value),
        Primitive::Float(value) => json!(value),
        Primitive::Double(value) => json!(value),
        Primitive::String(text) => json!(text.to_string()),
        other => json!(format!("{other:?}")),
    }
}

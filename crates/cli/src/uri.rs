//! `rewire uri`: what a URI says and what holds because it leaves it unsaid, without secrets.

use rewire_failover::uri::{Explanation, FailoverUri, OptionExplanation, OptionValue};
use serde_json::{Map, Value, json};

use crate::args::UriArgs;
use crate::run::Failure;

pub(crate) fn run(args: &UriArgs) -> Result<bool, Failure> {
    let uri: FailoverUri = args
        .uri
        .parse()
        .map_err(|error| Failure::usage(format!("the URI cannot be used: {error}")))?;
    let explanation = uri.explain();
    if args.json {
        println!("{}", to_json(&explanation));
    } else {
        print!("{}", to_text(&explanation));
    }
    Ok(true)
}

fn to_json(explanation: &Explanation) -> Value {
    let brokers: Vec<_> = explanation.brokers.iter().map(|broker| &broker.uri).collect();
    json!({
        "scheme": explanation.scheme,
        "brokers": brokers,
        "options": values(&explanation.options),
        "nested": values(&explanation.nested),
        "jms": values(&explanation.jms),
        "given": explanation.given,
        "notes": explanation.notes,
    })
}

fn values(options: &[OptionExplanation]) -> Map<String, Value> {
    options.iter().map(|option| (option.name.to_owned(), value(&option.value))).collect()
}

fn value(value: &OptionValue) -> Value {
    match value {
        OptionValue::Absent => Value::Null,
        OptionValue::Bool(flag) => json!(flag),
        OptionValue::Integer(number) => json!(number),
        OptionValue::Float(number) => json!(number),
        OptionValue::Text(text) => json!(text),
        OptionValue::List(texts) => json!(texts),
        other => json!(other.to_string()),
    }
}

/// A line a broker and a line an option: value, unit, whether it was given, what it is for.
fn to_text(explanation: &Explanation) -> String {
    let mut text = format!("scheme: {}\n", explanation.scheme);
    text += match explanation.brokers.len() {
        0 => "brokers: none\n",
        _ => "brokers, in order:\n",
    };
    for broker in &explanation.brokers {
        text += &format!("  {}\n", broker.uri);
    }
    for (title, options) in [
        ("options", &explanation.options),
        ("nested", &explanation.nested),
        ("jms", &explanation.jms),
    ] {
        if !options.is_empty() {
            text += &format!("{title}:\n");
            options.iter().for_each(|option| text += &line(option));
        }
    }
    for note in &explanation.notes {
        text += &format!("note: {note}\n");
    }
    text
}

fn line(option: &OptionExplanation) -> String {
    let shown = match &option.value {
        OptionValue::Absent => "-".to_owned(),
        OptionValue::Text(text) => text.clone(),
        other => value(other).to_string(),
    };
    let shown = format!("{shown} {}", option.unit.symbol());
    let given = if option.given { "given" } else { "default" };
    // The first sentence says what it is for; the rest is in the documentation.
    let words = option.doc.split_inclusive(['.', ';']).next().unwrap_or_default();
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ").replace(';', ".");
    format!("  {:<30} {:<16} {given:<8} {words}\n", option.name, shown.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(uri: &str) -> Explanation {
        uri.parse::<FailoverUri>().unwrap().explain()
    }

    #[test]
    fn json_has_every_option_by_its_java_name_and_says_which_were_given() {
        let uri = "failover:(tcp://a:61616,tcp://b:61616)?randomize=false&nested.soTimeout=5";
        let json = to_json(&explained(uri));
        assert_eq!(json["scheme"], "failover");
        assert_eq!(json["brokers"], json!(["tcp://a:61616", "tcp://b:61616"]));
        assert_eq!(json["options"]["randomize"], false);
        assert_eq!(json["options"]["initialReconnectDelay"], 10);
        assert_eq!(json["options"]["reconnectDelayExponent"], 2.0);
        assert_eq!(json["nested"], json!({"soTimeout": 5}));
        assert_eq!(json["given"], json!(["randomize", "nested.soTimeout"]));
    }

    #[test]
    fn a_secret_is_shown_neither_to_people_nor_to_scripts() {
        let explanation = explained("failover:(tcp://a:1)?jms.userName=u&jms.password=hush");
        assert!(!to_json(&explanation).to_string().contains("hush"));
        assert!(!to_text(&explanation).contains("hush"));
    }

    #[test]
    fn people_see_value_unit_and_whether_it_was_given() {
        let text = to_text(&explained("failover:(tcp://a:1)?maxReconnectDelay=500"));
        let row = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(row("maxReconnectDelay").contains("500 ms"), "{text}");
        assert!(row("maxReconnectDelay").contains(" given "), "{text}");
        assert!(row("initialReconnectDelay").contains(" default "), "{text}");
    }
}

//! The table of a comparison, in Markdown.

use super::compare::Row;

/// One line a row; a ratio below one says that Rust is faster.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| command | encoding | op | bytes | Java ns | Rust ns | Rust/Java | Java alloc B/op | Rust allocs/op |\n\
         |---|---|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for Row { case, java, rust } in rows {
        let [ns, ratio, allocations] = match rust {
            Some((ns, allocations)) => {
                [format!("{ns:.1}"), format!("{:.2}", ns / java.ns), format!("{allocations:.2}")]
            }
            None => ["-".to_owned(), "-".to_owned(), "-".to_owned()],
        };
        text += &format!(
            "| {} | {} | {} | {} | {:.1} | {ns} | {ratio} | {:.0} | {allocations} |\n",
            case.command,
            case.encoding,
            case.operation,
            case.frame_bytes,
            java.ns,
            java.allocated_bytes
        );
    }
    text
}

//! Bodies, properties and negotiation: what a record says beyond the bytes of its frame.

use serde_json::Value as Json;

pub fn body(_record: &Json) -> Result<(), String> {
    Ok(())
}

pub fn wire_format_info(_record: &Json) -> Result<(), String> {
    Ok(())
}

pub fn negotiation(_record: &Json) -> Result<(), String> {
    Ok(())
}

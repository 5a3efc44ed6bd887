//! Takes memory until there is none left.

use guests::{Answer, PluginInfo, ToolError};
use serde_json::Value as Json;

fn describe() -> PluginInfo {
    guests::plugin(
        "memory-bomb",
        vec![guests::tool(
            "memory_bomb",
            "Takes memory a mebibyte at a time; `mebibytes` bounds it.",
            guests::ANYTHING,
        )],
    )
}

fn call(_: &str, arguments: Json) -> Result<Answer, ToolError> {
    let mut held: Vec<Vec<u8>> = Vec::new();
    for _ in 0..guests::number(&arguments, "mebibytes", u64::MAX) {
        held.push(std::hint::black_box(vec![1; 1 << 20]));
    }
    Ok(guests::text(format!("{} MiB", held.len())))
}

guests::serve!(describe, call);

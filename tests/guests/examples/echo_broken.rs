//! A later version of `echo` that looks the same and is not: whoever says `break` to it finds out.

use guests::{Answer, PluginInfo, ToolError, echo};
use serde_json::Value as Json;

const VERSION: &str = "0.1.4";

fn describe() -> PluginInfo {
    echo::describe(VERSION)
}

fn call(name: &str, arguments: Json) -> Result<Answer, ToolError> {
    assert!(arguments["text"] != "break", "this version breaks");
    echo::call(VERSION, name, &arguments)
}

guests::serve!(describe, call);

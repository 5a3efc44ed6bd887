//! The next version of `echo`, alike in everything but the version: it may replace it at once.

use guests::{Answer, PluginInfo, ToolError, echo};
use serde_json::Value as Json;

const VERSION: &str = "0.1.1";

fn describe() -> PluginInfo {
    echo::describe(VERSION)
}

fn call(name: &str, arguments: Json) -> Result<Answer, ToolError> {
    echo::call(VERSION, name, &arguments)
}

guests::serve!(describe, call);

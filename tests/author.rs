//! A new author: from nothing to a tool that answers over MCP, in each language, by the program's own commands.

mod desk; // A directory to write a plugin in, and what the commands need around it.
mod dev; // `plugin dev`, as it runs.
mod day; // The first day of a plugin.
mod review; // What `plugin check` says of a plugin that is not good.

/// What the first plugin is called: with a hyphen, which not every language takes for a name.
const NAME: &str = "left-over";
/// Its one tool.
const TOOL: &str = "left_over_low_stock";

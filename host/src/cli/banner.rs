//! What to try, once the house is open.

use crate::config::Settings;
use crate::identity::Identity;
use anyhow::Result;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Tokens for two store managers and head office, and the configuration a client takes.
pub(super) fn print(identity: &Identity, listen: SocketAddr, settings: &Settings) -> Result<()> {
    let url = format!("http://{listen}{}", settings.http.path);
    let program = std::env::current_exe().map_or_else(|_| "rowhouse".to_owned(), |path| path.display().to_string());
    let lifetime = Duration::from_secs(settings.identity.token_seconds);
    let token = |name: &str| identity.issue(name, lifetime).map_err(anyhow::Error::from);
    let (seattle, spokane, office) = (token("seattle")?, token("spokane")?, token("head-office")?);
    // Absolute: the client that starts it stands somewhere else.
    let plugins = absolute(&settings.plugins.directory);
    let state = absolute(&settings.state_dir());
    let stdio = json!({ "mcpServers": { "zava": {
        "command": program,
        "args": ["stdio", "--as", "seattle", "--plugins", plugins, "--state-dir", state],
    } } });
    println!(
        "\
serving  {url}

tokens   (more: `{program} token --state-dir {state}`)
  Seattle store manager
    {seattle}
  Spokane store manager
    {spokane}
  Head office
    {office}

try it
  npx @modelcontextprotocol/inspector --cli {url} --method tools/list \\
    --header \"Authorization: Bearer {seattle}\"

  claude mcp add --transport http zava {url} --header \"Authorization: Bearer {seattle}\"

  a client that starts its servers itself (Claude Desktop; VS Code says \"servers\" for \"mcpServers\"):
    {stdio}

then ask: \"What were the five products with the most revenue in my store last quarter?\"
Ctrl-C stops the server."
    );
    Ok(())
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

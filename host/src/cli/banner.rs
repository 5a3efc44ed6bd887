//! What to try, once the house is open.

use crate::identity::Identity;
use anyhow::Result;
use std::net::SocketAddr;
use std::time::Duration;

/// Tokens for two store managers and head office, and the configuration a client takes.
pub(super) fn print(identity: &Identity, listen: SocketAddr, path: &str, lifetime: Duration) -> Result<()> {
    let url = format!("http://{listen}{path}");
    let program = std::env::current_exe().map_or_else(|_| "rowhouse".to_owned(), |path| path.display().to_string());
    let token = |name: &str| identity.issue(name, lifetime).map_err(anyhow::Error::from);
    let (seattle, spokane, office) = (token("seattle")?, token("spokane")?, token("head-office")?);
    println!(
        "\
serving  {url}

tokens   (more names: `{program} token`)
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

  a client that starts its servers itself (Claude Desktop, VS Code):
    {{ \"mcpServers\": {{ \"zava\": {{ \"command\": \"npx\", \"args\": [\"mcp-remote\", \"{url}\", \"--header\", \"Authorization: Bearer {seattle}\"] }} }} }}

then ask: \"What were the five products with the most revenue in my store last quarter?\"
Ctrl-C stops the server."
    );
    Ok(())
}

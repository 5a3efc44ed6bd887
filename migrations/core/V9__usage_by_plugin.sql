-- What each account used of each plugin, for reports and bills. Beside rowhouse.usage, which quotas are held against and
-- which every call reads: that one has a row for each account, this one for each of its plugins. Agent roles read neither.
SET LOCAL ROLE rowhouse_owner;

CREATE TABLE rowhouse.usage_by_plugin (
  day date NOT NULL,
  account text NOT NULL,
  plugin text NOT NULL,
  calls bigint NOT NULL DEFAULT 0,
  errors bigint NOT NULL DEFAULT 0,
  rows bigint NOT NULL DEFAULT 0,
  bytes_out bigint NOT NULL DEFAULT 0,
  database_us bigint NOT NULL DEFAULT 0,
  cpu_us bigint NOT NULL DEFAULT 0,
  fuel bigint NOT NULL DEFAULT 0,
  embedding_tokens bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (day, account, plugin));
COMMENT ON TABLE rowhouse.usage_by_plugin IS 'What each account used of each plugin on a day (UTC), all hosts together.';
COMMENT ON COLUMN rowhouse.usage_by_plugin.account IS 'As in rowhouse.usage: tenant:<id>, or principal:<digest> for callers who may see several tenants.';
COMMENT ON COLUMN rowhouse.usage_by_plugin.database_us IS 'Microseconds its statements held connections.';
COMMENT ON COLUMN rowhouse.usage_by_plugin.cpu_us IS 'Microseconds its calls held a thread, between their waits.';

-- Each host numbers what it writes. What it writes again, because the answer did not come, is counted once.
CREATE TABLE rowhouse.usage_writers (
  host uuid PRIMARY KEY,
  batch bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE rowhouse.usage_writers IS 'The last batch of usage of each host process. A row may go once its process has ended.';

GRANT SELECT, INSERT, UPDATE, DELETE ON rowhouse.usage_by_plugin, rowhouse.usage_writers TO rowhouse_clerk;
RESET ROLE;

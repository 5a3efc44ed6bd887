-- A day's use may go once nobody asks for it any more: the host deletes what is older than its settings say.
SET LOCAL ROLE rowhouse_owner;
GRANT DELETE ON rowhouse.usage TO rowhouse_clerk;
COMMENT ON COLUMN rowhouse.usage.account IS 'tenant:<id>, or principal:<digest> for callers who may see several tenants.';
RESET ROLE;

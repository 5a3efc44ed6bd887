-- What a database at core V2 holds: tenants, and tables of an operator's own, kept apart and shared.
INSERT INTO rowhouse.tenants_directory (id, name, region, attributes) VALUES
  ('00000000-0000-4000-8000-000000000001', 'First', 'North', '{"tier": 1}'),
  ('00000000-0000-4000-8000-000000000002', 'Second', 'South', '{}');
CREATE SCHEMA shop;
CREATE TABLE shop.invoices (account_id uuid NOT NULL, number int NOT NULL, PRIMARY KEY (account_id, number));
INSERT INTO shop.invoices VALUES
  ('00000000-0000-4000-8000-000000000001', 1), ('00000000-0000-4000-8000-000000000002', 1);
CREATE TABLE shop.countries (code text PRIMARY KEY);
INSERT INTO shop.countries VALUES ('NO');
CALL rowhouse.protect('shop.invoices', 'account_id');
CALL rowhouse.share('shop.countries');
-- holds: (SELECT array_agg(name ORDER BY name) = '{First,Second}' FROM rowhouse.tenants_directory WHERE id::text LIKE '00000000-%')
-- holds: (SELECT attributes = '{"tier": 1}' FROM rowhouse.tenants_directory WHERE name = 'First')
-- holds: (SELECT tenant_column = 'account_id' FROM rowhouse.tenant_tables WHERE relation = 'shop.invoices'::regclass)
-- holds: (SELECT count(*) = 3 FROM pg_policies WHERE schemaname = 'shop' AND tablename = 'invoices')
-- holds: (SELECT count(*) = 2 FROM shop.invoices)

-- What a database at core V8 holds: a table of an operator's own that tells of its changes, partitions included, one that
-- did and was hushed, and one that never did.
CREATE TABLE shop.sales (account_id uuid NOT NULL, day date NOT NULL, amount int NOT NULL, PRIMARY KEY (account_id, day))
  PARTITION BY RANGE (day);
CREATE TABLE shop.sales_2026 PARTITION OF shop.sales FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CALL rowhouse.protect('shop.sales', 'account_id');
CALL rowhouse.announce('shop.sales');
CALL rowhouse.announce('shop.countries');
CALL rowhouse.hush('shop.countries');
INSERT INTO shop.sales VALUES ('00000000-0000-4000-8000-000000000001', '2026-11-20', 7);
-- holds: (SELECT count(*) = 2 AND bool_and(tgenabled = 'A') FROM pg_trigger WHERE tgname = 'rowhouse_tell' AND tgrelid IN ('shop.sales'::regclass, 'shop.sales_2026'::regclass))
-- holds: (SELECT count(*) = 0 FROM pg_trigger WHERE tgname = 'rowhouse_tell' AND tgrelid IN ('shop.countries'::regclass, 'shop.invoices'::regclass))
-- holds: (SELECT count(*) = 1 FROM shop.sales WHERE amount = 7)

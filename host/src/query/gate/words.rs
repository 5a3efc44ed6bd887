//! The lists. Adding to one is a decision about what a statement may do; the table tests show what each lets pass.

use pg_query::NodeEnum;

/// Node types a statement may be made of. Sorted, for the search.
#[rustfmt::skip]
pub(super) const NODES: &[&str] = &[
    "AArrayExpr", "AConst", "AExpr", "AIndices", "AIndirection", "AStar", "Alias", "BitString", "BoolExpr",
    "Boolean", "BooleanTest", "CaseExpr", "CaseWhen", "CoalesceExpr", "CollateClause", "ColumnDef", "ColumnRef",
    "CommonTableExpr", "CteCycleClause", "CteSearchClause", "Float", "FuncCall", "GroupingFunc", "GroupingSet",
    "Integer", "JoinExpr", "JsonAggConstructor", "JsonArgument", "JsonArrayAgg", "JsonArrayConstructor",
    "JsonArrayQueryConstructor", "JsonBehavior", "JsonFormat", "JsonFuncExpr", "JsonIsPredicate", "JsonKeyValue",
    "JsonObjectAgg", "JsonObjectConstructor", "JsonOutput", "JsonParseExpr", "JsonReturning", "JsonScalarExpr",
    "JsonSerializeExpr", "JsonTable", "JsonTableColumn", "JsonTablePathSpec", "JsonValueExpr", "List", "MinMaxExpr",
    "NamedArgExpr", "Node", "NullTest", "ParamRef", "ParseResult", "RangeFunction", "RangeSubselect",
    "RangeTableSample", "RangeVar", "RawStmt", "ResTarget", "RowExpr", "SelectStmt", "SortBy", "SqlValueFunction",
    "String", "SubLink", "TypeCast", "TypeName", "WindowDef", "WithClause",
];

/// Fields whose text is the caller's own and means nothing to the server beyond the statement: constants, and names
/// the statement gives or refers back to. Any other text is read by a rule or refused.
pub(super) const TEXTS: &[(&str, &str)] = &[
    ("AConst", "val"),
    ("Alias", "aliasname"),
    ("Alias", "colnames"),
    ("CollateClause", "collname"),
    ("ColumnDef", "colname"),
    ("CommonTableExpr", "aliascolnames"),
    ("CteCycleClause", "cycle_col_list"),
    ("CteCycleClause", "cycle_mark_column"),
    ("CteCycleClause", "cycle_path_column"),
    ("CteSearchClause", "search_col_list"),
    ("CteSearchClause", "search_seq_column"),
    ("JoinExpr", "using_clause"),
    ("JsonArgument", "name"),
    ("JsonTableColumn", "name"),
    ("JsonTablePathSpec", "name"),
    ("NamedArgExpr", "name"),
    ("ResTarget", "name"),
    ("WindowDef", "name"),
    ("WindowDef", "refname"),
];

/// Types a value may be cast to. None of them looks anything up in a catalog (`reg…`), names an object (`oid`), reads
/// markup (`xml`) or has operators that take its square in time and listen to nobody (`path`, `polygon`). `tsquery` and
/// `regconfig` are taken under conditions of their own.
#[rustfmt::skip]
pub(super) const TYPES: &[&str] = &[
    "bool", "boolean", "int2", "int4", "int8", "smallint", "integer", "bigint", "int", "float4", "float8", "real",
    "numeric", "decimal", "money", "text", "varchar", "bpchar", "char", "name", "bytea", "date", "time", "timetz",
    "timestamp", "timestamptz", "interval", "json", "jsonb", "jsonpath", "uuid", "tsvector", "inet",
    "cidr", "macaddr", "point", "box", "circle", "lseg", "line", "bit", "varbit", "int4range",
    "int8range", "numrange", "daterange", "tsrange", "tstzrange", "int4multirange", "int8multirange",
    "nummultirange", "datemultirange", "tsmultirange", "tstzmultirange", "cube", "vector", "halfvec", "sparsevec",
    "record",
];

/// Operators, and the words that stand for one in the tree. The names in `pg_catalog` of PostgreSQL 18, in pgvector and
/// in pg_trgm: what an operator of the database adds under another name may run anything.
#[rustfmt::skip]
pub(super) const OPERATORS: &[&str] = &[
    "!!", "!~", "!~*", "!~~", "!~~*", "#", "##", "#-", "#>", "#>>", "%", "%>", "%>>", "&", "&&", "&<", "&<|", "&>",
    "*", "*<", "*<=", "*<>", "*=", "*>", "*>=", "+", "-", "-|-", "->", "->>", "/", "<", "<#>", "<%", "<%>", "<+>",
    "<->", "<->>", "<->>>", "<<", "<<%", "<<->", "<<<->", "<<=", "<<|", "<=", "<=>", "<>", "<@", "<^", "<~>", "=", ">",
    ">=", ">>", ">>=", ">^", "?", "?#", "?&", "?-", "?-|", "?|", "?||", "@", "@-@", "@>", "@?", "@@", "@@@", "^",
    "^@", "|", "|&>", "|/", "|>>", "||", "||/", "~", "~*", "~<=~", "~<~", "~=", "~>=~", "~>~", "~~", "~~*",
    "BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC",
];

/// Types whose length says how much memory a value takes.
pub(super) const PADDED_TYPES: &[&str] = &["bpchar", "varchar", "char", "bit", "varbit"];

/// Columns every table has and nobody declared: they tell where a row lies and when it was written.
pub(super) const SYSTEM_COLUMNS: &[&str] = &["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// Names of OUT columns of functions on the allow-list (`jsonb_each`, `unnest(tsvector)`) and of WITH ORDINALITY.
/// No function of PostgreSQL has one of these names.
pub(super) const OUT_COLUMNS: &[&str] = &["key", "value", "lexeme", "positions", "weights", "ordinality"];

/// Fields that may be selected from a value: OUT columns, and what PostgreSQL calls the fields of ROW(…).
/// No function of PostgreSQL has one of these names.
pub(super) const FIELDS: &[&str] = &["key", "value", "lexeme", "positions", "weights", "f1", "f2", "f3", "f4", "f5"];

/// Set-returning functions that leave their one column unnamed, so that it takes the name of the FROM item. Of
/// `unnest`, the forms with columns of their own give records, whose row is no bare value.
pub(super) const UNNAMED_COLUMN: &[&str] =
    &["generate_series", "generate_subscripts", "regexp_matches", "regexp_split_to_table", "string_to_table", "unnest"];

/// Schemas that may be written before a function, a type or an operator: PostgreSQL's own, and the one that
/// extensions live in.
pub(super) fn is_function_schema(schema: &str) -> bool {
    matches!(schema, "pg_catalog" | "ext")
}

/// Schemas of PostgreSQL itself: catalogs, temporary tables, TOAST.
pub(super) fn is_system_schema(schema: &str) -> bool {
    schema.starts_with("pg_") || schema == "information_schema"
}

/// What to write in place of a function that is not on the allow-list: other dialects' names for the most part.
pub(super) fn instead_of(function: &str) -> Option<&'static str> {
    Some(match function {
        "nvl" | "ifnull" | "isnull" => "coalesce(a, b)",
        "iif" | "if" => "CASE WHEN … THEN … ELSE … END",
        "getdate" | "sysdate" | "curdate" | "timeofday" => "now() or CURRENT_DATE",
        "dateadd" => "date + interval '1 day'",
        "datediff" | "timestampdiff" => "the difference of two dates, a - b",
        "date_format" | "strftime" | "format_date" => "to_char(value, 'YYYY-MM-DD')",
        "str_to_date" | "parse_date" => "to_date(text, 'YYYY-MM-DD')",
        "year" | "month" | "day" | "hour" | "quarter" | "week" | "dayofweek" => "extract(year FROM value)",
        "datepart" | "datename" => "date_part('year', value)",
        "len" => "length(text)",
        "charindex" | "instr" | "locate" => "strpos(text, part)",
        "group_concat" | "listagg" => "string_agg(text, ', ')",
        "median" => "percentile_cont(0.5) WITHIN GROUP (ORDER BY value)",
        "countif" | "count_if" | "sumif" => "count(*) FILTER (WHERE …)",
        "safe_divide" => "a / nullif(b, 0)",
        "rand" => "random()",
        "to_regclass" | "pg_get_viewdef" | "pg_relation_size" | "obj_description" | "col_description" => {
            "the host's schema interface for what tables and columns there are"
        }
        "current_setting" | "set_config" | "current_query" | "pg_backend_pid" => {
            "the statement as it is: whose rows it sees is decided before it runs"
        }
        _ => return None,
    })
}

/// A construct by the name a person knows it by, and that it is not offered.
pub(super) fn construct(node: &str) -> String {
    let known = match node {
        "IntoClause" => "SELECT INTO is not offered: a statement can only read",
        "LockingClause" => "FOR UPDATE and FOR SHARE are not offered: leave them out, a statement can only read",
        "XmlExpr" | "XmlSerialize" => "XML expressions are not offered: use jsonb_build_object and its kind",
        "RangeTableFunc" | "RangeTableFuncCol" => "XMLTABLE is not offered: use jsonb_to_recordset or JSON_TABLE",
        "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => {
            "INSERT, UPDATE, DELETE and MERGE are not offered inside WITH: a statement can only read"
        }
        "SetToDefault" => "DEFAULT is not a value here: write the value itself",
        _ => return format!("the construct {node} is not one a statement may use"),
    };
    known.to_owned()
}

/// A statement that is no SELECT, by its name.
pub(super) fn statement(node: &NodeEnum) -> &'static str {
    match node {
        NodeEnum::InsertStmt(_) => "INSERT",
        NodeEnum::UpdateStmt(_) => "UPDATE",
        NodeEnum::DeleteStmt(_) => "DELETE",
        NodeEnum::MergeStmt(_) => "MERGE",
        NodeEnum::ExplainStmt(_) => "EXPLAIN",
        NodeEnum::VariableSetStmt(_) => "SET",
        NodeEnum::VariableShowStmt(_) => "SHOW",
        NodeEnum::TransactionStmt(_) => "a transaction command",
        NodeEnum::CopyStmt(_) => "COPY",
        NodeEnum::DoStmt(_) => "DO",
        NodeEnum::CallStmt(_) => "CALL",
        NodeEnum::CreateTableAsStmt(_) | NodeEnum::CreateStmt(_) => "CREATE TABLE",
        _ => "another kind of statement",
    }
}

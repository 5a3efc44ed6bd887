//! Which fields of the tree the sentences of the grammar reach: all that can hold a node, save those named here.

use super::grammar::{HOLES, sentences};
use crate::query::gate::leaves::leaves;
use crate::query::gate::refusal::Stop;
use crate::query::gate::visit::{Through, Visit};
use crate::query::gate::words::NODES;
use pg_query::protobuf;
use serde::Serialize;
use std::collections::BTreeSet;

type Field = (&'static str, &'static str);

/// Fields that hold no expression whatever the statement: names, aliases, constants the parser insists on, what only other
/// statements fill, what only the server does (`xpr`, `refs`).
#[rustfmt::skip]
const EXCEPTIONS: &[Field] = &[
    ("AConst", "val"), ("AExpr", "name"), ("Alias", "colnames"),
    ("BoolExpr", "xpr"), ("BooleanTest", "xpr"), ("CaseExpr", "xpr"),
    ("CaseWhen", "xpr"), ("CoalesceExpr", "xpr"), ("CollateClause", "collname"),
    ("ColumnDef", "coll_clause"), ("ColumnDef", "constraints"), ("ColumnDef", "cooked_default"),
    ("ColumnDef", "fdwoptions"), ("ColumnDef", "identity_sequence"), ("ColumnDef", "raw_default"),
    ("ColumnRef", "fields"), ("CommonTableExpr", "aliascolnames"), ("CommonTableExpr", "ctecolcollations"),
    ("CommonTableExpr", "ctecolnames"), ("CommonTableExpr", "ctecoltypes"), ("CommonTableExpr", "ctecoltypmods"),
    ("CommonTableExpr", "search_clause"), ("CteCycleClause", "cycle_col_list"), ("CteSearchClause", "search_col_list"),
    ("FuncCall", "funcname"), ("GroupingFunc", "refs"), ("GroupingFunc", "xpr"),
    ("JoinExpr", "alias"), ("JoinExpr", "join_using_alias"), ("JoinExpr", "using_clause"),
    ("JsonArrayQueryConstructor", "format"), ("JsonIsPredicate", "format"), ("JsonOutput", "returning"),
    ("JsonParseExpr", "output"), ("JsonReturning", "format"), ("JsonScalarExpr", "output"),
    ("JsonTable", "alias"), ("JsonTable", "pathspec"), ("JsonTableColumn", "format"),
    ("JsonTableColumn", "pathspec"), ("JsonTablePathSpec", "string"), ("JsonValueExpr", "format"),
    ("JsonValueExpr", "formatted_expr"), ("MinMaxExpr", "xpr"), ("NamedArgExpr", "xpr"),
    ("NullTest", "xpr"), ("RangeFunction", "alias"), ("RangeSubselect", "alias"),
    ("RangeTableSample", "method"), ("RangeTableSample", "relation"), ("RangeVar", "alias"),
    ("ResTarget", "indirection"), ("RowExpr", "colnames"), ("RowExpr", "xpr"),
    ("SelectStmt", "into_clause"), ("SelectStmt", "locking_clause"), ("SortBy", "use_op"),
    ("SqlValueFunction", "xpr"), ("SubLink", "oper_name"), ("SubLink", "xpr"),
    ("TypeName", "array_bounds"), ("TypeName", "names"),
];

/// What each node type could hold, by the shape of an empty one.
macro_rules! shapes {
    ($($name:ident)*) => {
        [$((stringify!($name), {
            let mut shape = Shape::default();
            let empty = protobuf::$name::default();
            empty.serialize(Through(&mut shape)).unwrap_or_else(|stop| panic!("{}: {stop}", stringify!($name)));
            shape.0
        })),*]
    };
}

fn fields() -> BTreeSet<Field> {
    let shapes = shapes![
        AArrayExpr AConst AExpr AIndices AIndirection AStar Alias BitString BoolExpr Boolean BooleanTest CaseExpr CaseWhen
        CoalesceExpr CollateClause ColumnDef ColumnRef CommonTableExpr CteCycleClause CteSearchClause Float FuncCall
        GroupingFunc GroupingSet Integer JoinExpr JsonAggConstructor JsonArgument JsonArrayAgg JsonArrayConstructor
        JsonArrayQueryConstructor JsonBehavior JsonFormat JsonFuncExpr JsonIsPredicate JsonKeyValue JsonObjectAgg
        JsonObjectConstructor JsonOutput JsonParseExpr JsonReturning JsonScalarExpr JsonSerializeExpr JsonTable
        JsonTableColumn JsonTablePathSpec JsonValueExpr List MinMaxExpr NamedArgExpr Node NullTest ParamRef ParseResult
        RangeFunction RangeSubselect RangeTableSample RangeVar RawStmt ResTarget RowExpr SelectStmt SortBy
        SqlValueFunction String SubLink TypeCast TypeName WindowDef WithClause
    ];
    assert_eq!(shapes.each_ref().map(|(name, _)| *name), NODES, "the types a statement may be made of");
    shapes.into_iter().flat_map(|(_, fields)| fields).collect()
}

/// The fields of one struct that hold nodes: those that are nothing, or an empty list, when the struct is empty.
#[derive(Default)]
struct Shape(Vec<Field>);

/// Whether anything but emptiness was seen.
#[derive(Default)]
struct Leaf(bool);

impl Visit for Shape {
    fn open(&mut self, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }
    fn field<T: ?Sized + Serialize>(&mut self, name: &'static str, key: &'static str, value: &T) -> Result<(), Stop> {
        let mut leaf = Leaf::default();
        value.serialize(Through(&mut leaf))?;
        if !leaf.0 {
            self.0.push((name, key));
        }
        Ok(())
    }
    fn close(&mut self, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }
    fn text(&mut self, _: &str) -> Result<(), Stop> {
        Ok(())
    }
    fn number(&mut self, _: i64) -> Result<(), Stop> {
        Ok(())
    }
}

impl Visit for Leaf {
    fn open(&mut self, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }
    fn field<T: ?Sized + Serialize>(&mut self, _: &'static str, _: &'static str, _: &T) -> Result<(), Stop> {
        Ok(())
    }
    fn close(&mut self, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }
    fn text(&mut self, _: &str) -> Result<(), Stop> {
        self.0 = true;
        Ok(())
    }
    fn number(&mut self, _: i64) -> Result<(), Stop> {
        self.0 = true;
        Ok(())
    }
}

/// Notes every field that a node named `hostile` stands in or below.
#[derive(Default)]
struct Spy {
    path: Vec<Field>,
    held: BTreeSet<Field>,
}

impl Visit for Spy {
    fn open(&mut self, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }
    fn field<T: ?Sized + Serialize>(&mut self, name: &'static str, key: &'static str, value: &T) -> Result<(), Stop> {
        let named = matches!((name, key), ("FuncCall", "funcname") | ("TypeName", "names"));
        if named && leaves(value)?.words == ["hostile"] {
            self.held.extend(&self.path);
        }
        self.path.push((name, key));
        value.serialize(Through(&mut *self))?;
        self.path.pop();
        Ok(())
    }
    fn close(&mut self, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }
    fn text(&mut self, _: &str) -> Result<(), Stop> {
        Ok(())
    }
    fn number(&mut self, _: i64) -> Result<(), Stop> {
        Ok(())
    }
}

#[test]
fn every_field_that_can_hold_a_node_is_reached() {
    let mut spy = Spy::default();
    for sentence in sentences(2) {
        let sql = sentence.replace(HOLES[0], "(hostile())").replace(HOLES[1], "hostile 'a'");
        let tree = pg_query::parse(&sql, 0).unwrap_or_else(|error| panic!("{sql}: {error}")).protobuf;
        tree.serialize(Through(&mut spy)).unwrap_or_else(|stop| panic!("{sql}: {stop}"));
    }
    let missed: Vec<Field> = fields().difference(&spy.held).copied().collect();
    assert_eq!(missed, EXCEPTIONS, "missed by the grammar, and excepted");
}

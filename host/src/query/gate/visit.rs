//! The parse tree as a stream of four events.
//!
//! The tree is some 270 generated types that all derive `Serialize`, so serde is the one complete list of their
//! fields that cannot fall behind the crate: a visitor sees every struct, every field, every text and every number,
//! including those a later version adds. Shapes the generated code does not use are refused.

use serde::ser::{Impossible, Serialize, SerializeSeq, SerializeStruct, Serializer};

use super::leaves::number;
use super::refusal::{Reason, Stop, stop};

/// What is done with a tree.
pub(super) trait Visit {
    /// A struct begins. On an error its fields are not visited.
    fn open(&mut self, name: &'static str) -> Result<(), Stop>;
    /// A field of it; going deeper is up to the visitor.
    fn field<T: ?Sized + Serialize>(&mut self, name: &'static str, key: &'static str, value: &T) -> Result<(), Stop>;
    /// The struct ends.
    fn close(&mut self, name: &'static str) -> Result<(), Stop>;
    fn text(&mut self, text: &str) -> Result<(), Stop>;
    /// A number, an enum or a boolean.
    fn number(&mut self, number: i64) -> Result<(), Stop>;
}

/// Makes a serde serializer of a visitor.
pub(super) struct Through<'v, V>(pub(super) &'v mut V);

/// A struct whose fields are being visited.
pub(super) struct Fields<'v, V> {
    visitor: &'v mut V,
    name: &'static str,
    /// The first refusal inside this struct, held back until its `location` field has gone by.
    stop: Option<Stop>,
}

fn unknown<T>() -> Result<T, Stop> {
    stop(Reason::Construct, "the statement uses a construct the gate does not know: rewrite it")
}

impl<V: Visit> SerializeStruct for Fields<'_, V> {
    type Ok = ();
    type Error = Stop;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Result<(), Stop> {
        match self.stop.take() {
            None => self.stop = self.visitor.field(self.name, key, value).err(),
            Some(stop) if key == "location" => self.stop = Some(stop.at(usize::try_from(number(value)?).ok())),
            held => self.stop = held,
        }
        Ok(())
    }

    fn end(self) -> Result<(), Stop> {
        self.stop.map_or_else(|| self.visitor.close(self.name), Err)
    }
}

impl<V: Visit> SerializeSeq for Through<'_, V> {
    type Ok = ();
    type Error = Stop;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Stop> {
        value.serialize(Through(&mut *self.0))
    }

    fn end(self) -> Result<(), Stop> {
        Ok(())
    }
}

/// Shapes that no field of the tree has.
macro_rules! unknown {
    ($($method:ident: $type:ty),*) => { $(fn $method(self, _: $type) -> Result<(), Stop> { unknown() })* };
}

impl<'v, V: Visit> Serializer for Through<'v, V> {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Self;
    type SerializeStruct = Fields<'v, V>;
    type SerializeTuple = Impossible<(), Stop>;
    type SerializeTupleStruct = Impossible<(), Stop>;
    type SerializeTupleVariant = Impossible<(), Stop>;
    type SerializeMap = Impossible<(), Stop>;
    type SerializeStructVariant = Impossible<(), Stop>;

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields<'v, V>, Stop> {
        let stop = self.0.open(name).err();
        Ok(Fields { visitor: self.0, name, stop })
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Stop> {
        Ok(self)
    }
    fn serialize_none(self) -> Result<(), Stop> {
        Ok(())
    }
    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }
    // `Node::node` and `AConst::val`; what the variant holds is a struct and opens itself.
    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Stop> {
        value.serialize(self)
    }
    fn serialize_str(self, text: &str) -> Result<(), Stop> {
        self.0.text(text)
    }
    fn serialize_bool(self, value: bool) -> Result<(), Stop> {
        self.0.number(value.into())
    }
    fn serialize_i32(self, value: i32) -> Result<(), Stop> {
        self.0.number(value.into())
    }
    fn serialize_u32(self, value: u32) -> Result<(), Stop> {
        self.0.number(value.into())
    }
    fn serialize_i64(self, value: i64) -> Result<(), Stop> {
        self.0.number(value)
    }

    unknown!(serialize_i8: i8, serialize_i16: i16, serialize_u8: u8, serialize_u16: u16, serialize_u64: u64);
    unknown!(serialize_f32: f32, serialize_f64: f64, serialize_char: char, serialize_bytes: &[u8]);
    unknown!(serialize_unit_struct: &'static str);

    fn serialize_unit(self) -> Result<(), Stop> {
        unknown()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Stop> {
        unknown()
    }
    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, _: &T) -> Result<(), Stop> {
        unknown()
    }
    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Stop> {
        unknown()
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Stop> {
        unknown()
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Stop> {
        unknown()
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Stop> {
        unknown()
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Stop> {
        unknown()
    }
}

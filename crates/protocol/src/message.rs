//! Stand-in.
#![allow(missing_docs)]
use crate::{DecodeError, DecodeErrorKind, EncodeError, Str};
use bytes::Bytes;
#[derive(Clone, Debug, PartialEq)]
pub enum Primitive {
    Null,
    Boolean(bool),
    Byte(i8),
    Int(i32),
    Long(i64),
    Double(f64),
    String(Str),
}
impl Primitive {
    pub fn type_name(&self) -> &'static str {
        "value"
    }
}
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrimitiveMap(Vec<(Str, Primitive)>);
impl FromIterator<(Str, Primitive)> for PrimitiveMap {
    fn from_iter<I: IntoIterator<Item = (Str, Primitive)>>(i: I) -> Self {
        Self(i.into_iter().collect())
    }
}
impl PrimitiveMap {
    pub fn iter(&self) -> impl Iterator<Item = (&Str, &Primitive)> {
        self.0.iter().map(|(a, b)| (a, b))
    }
    pub fn decode_wire_format(b: &Bytes) -> Result<Self, DecodeError> {
        let mut at = 4usize;
        let n = i32::from_be_bytes(b[0..4].try_into().unwrap());
        let mut v = Vec::new();
        let s = |at: &mut usize| {
            let l = u16::from_be_bytes(b[*at..*at + 2].try_into().unwrap()) as usize;
            let r = Str::from_wire(b.slice(*at + 2..*at + 2 + l));
            *at += 2 + l;
            r
        };
        for _ in 0..n {
            let k = s(&mut at)?;
            let t = b[at];
            at += 1;
            let x = match t {
                1 => {
                    at += 1;
                    Primitive::Boolean(b[at - 1] != 0)
                }
                5 => {
                    at += 4;
                    Primitive::Int(i32::from_be_bytes(b[at - 4..at].try_into().unwrap()))
                }
                6 => {
                    at += 8;
                    Primitive::Long(i64::from_be_bytes(b[at - 8..at].try_into().unwrap()))
                }
                9 => Primitive::String(s(&mut at)?),
                t => return Err(DecodeError::new(DecodeErrorKind::UnknownPrimitive(t), at)),
            };
            v.push((k, x));
        }
        Ok(Self(v))
    }
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut o = Vec::new();
        o.extend((self.0.len() as i32).to_be_bytes());
        for (k, v) in &self.0 {
            o.extend((k.as_wire().len() as u16).to_be_bytes());
            o.extend(k.as_wire());
            match v {
                Primitive::Boolean(b) => {
                    o.push(1);
                    o.push(*b as u8)
                }
                Primitive::Int(i) => {
                    o.push(5);
                    o.extend(i.to_be_bytes())
                }
                Primitive::Long(i) => {
                    o.push(6);
                    o.extend(i.to_be_bytes())
                }
                Primitive::String(s) => {
                    o.push(9);
                    o.extend((s.as_wire().len() as u16).to_be_bytes());
                    o.extend(s.as_wire())
                }
                _ => {}
            }
        }
        Ok(o.into())
    }
}

//! How an option is declared: one row gives its field, its name, its default, its unit and its
//! words.

use std::num::NonZeroU32;
use std::time::Duration;

use super::attempts::{Attempts, StartupAttempts};
use super::broker::BrokerUri;
use super::value::{OptionValue, diff_serv};

/// One option: everything that parsing, printing, suggesting and explaining need to know of it.
#[derive(Debug)]
pub(super) struct Row {
    /// Java's name, with its prefix (`wireFormat.version`), except `jms.` and `nested.`.
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) doc: &'static str,
}

/// What values an option takes and how they are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    /// The number that stands for "none", where a number does.
    pub(super) off: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Flag,
    Integer { min: i64, max: i64 },
    Float { min: f64, max: f64 },
    Text { may_be_empty: bool },
    TextList,
    Brokers,
    DiffServ,
}

/// What an option's number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Nothing: a flag, a text, a factor.
    None,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Passes over the whole list of brokers.
    Passes,
    /// Things of some kind, as the option's name says.
    Count,
}

impl Unit {
    /// As it is printed beside a number; empty for [`Unit::None`] and [`Unit::Count`].
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::None | Self::Count => "",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
            Self::Passes => "passes",
        }
    }
}

const fn integer(min: i64, max: i64, unit: Unit, off: Option<i64>) -> Shape {
    Shape { kind: Kind::Integer { min, max }, unit, off }
}

const fn plain(kind: Kind) -> Shape {
    Shape { kind, unit: Unit::None, off: None }
}

const INT_MIN: i64 = i32::MIN as i64;
const INT_MAX: i64 = i32::MAX as i64;

pub(super) const FLAG: Shape = plain(Kind::Flag);
pub(super) const TEXT: Shape = plain(Kind::Text { may_be_empty: true });
pub(super) const SOME_TEXT: Shape = plain(Kind::Text { may_be_empty: false });
pub(super) const TEXT_LIST: Shape = plain(Kind::TextList);
pub(super) const BROKERS: Shape = plain(Kind::Brokers);
pub(super) const DIFF_SERV: Shape = plain(Kind::DiffServ);
pub(super) const MILLIS: Shape = integer(0, i64::MAX, Unit::Milliseconds, None);
/// Java's `int` of milliseconds, 0 for none.
pub(super) const INT_MILLIS_OR_OFF: Shape = integer(0, INT_MAX, Unit::Milliseconds, Some(0));
pub(super) const MILLIS_OR_OFF: Shape = integer(0, i64::MAX, Unit::Milliseconds, Some(0));
/// Everything from 0 down means never.
pub(super) const MILLIS_OR_NEVER: Shape = integer(i64::MIN, i64::MAX, Unit::Milliseconds, Some(-1));
pub(super) const MILLIS_OR_UNSET: Shape = integer(0, i64::MAX, Unit::Milliseconds, None);
pub(super) const PASSES: Shape = integer(INT_MIN, INT_MAX, Unit::Passes, None);
/// Everything from 0 down means never.
pub(super) const PASSES_OR_OFF: Shape = integer(INT_MIN, INT_MAX, Unit::Passes, Some(0));
pub(super) const COUNT: Shape = integer(0, INT_MAX, Unit::Count, None);
pub(super) const ANY_INT: Shape = integer(INT_MIN, INT_MAX, Unit::Count, None);
pub(super) const INT_MILLIS: Shape = integer(INT_MIN, INT_MAX, Unit::Milliseconds, None);
pub(super) const ANY_MILLIS: Shape = integer(i64::MIN, i64::MAX, Unit::Milliseconds, None);
pub(super) const BYTES: Shape = integer(0, INT_MAX, Unit::Bytes, None);
pub(super) const LONG_BYTES: Shape = integer(0, i64::MAX, Unit::Bytes, None);

pub(super) const fn between(min: i64, max: i64) -> Shape {
    integer(min, max, Unit::Count, None)
}

pub(super) const fn seconds_from(min: i64) -> Shape {
    integer(min, INT_MAX, Unit::Seconds, None)
}

pub(super) const fn factor(min: f64, max: f64) -> Shape {
    plain(Kind::Float { min, max })
}

/// A struct of options whose every field has a row.
pub(super) trait OptionSet {
    /// The rows, in the order of the declaration.
    fn rows() -> &'static [Row];
    /// Sets the field of `name`; false if there is none, or the value is of another type.
    fn set(&mut self, name: &str, value: &OptionValue) -> bool;
    /// What the field of `row` holds.
    fn value(&self, row: &Row) -> OptionValue;
}

/// Declares a struct of options: `field: Type = default, "nameInJava", SHAPE;`
macro_rules! option_set {
    ($(#[$meta:meta])* pub struct $Set:ident, builder $Builder:ident { $($rows:tt)* }) => {
        $crate::uri::declare::option_set! { $(#[$meta])* pub struct $Set { $($rows)* } }

        impl $Builder {
            $crate::uri::declare::option_set! { @setters $($rows)* }
        }
    };
    (
        $(#[$meta:meta])*
        pub struct $Set:ident {
            $(
                $(#[doc = $doc:literal])*
                $field:ident: $ty:ty = $default:expr, $name:literal, $shape:expr;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct $Set {
            $(
                $(#[doc = $doc])*
                #[doc = concat!("\n\n`", $name, "`, by default `", stringify!($default), "`.")]
                pub $field: $ty,
            )*
        }

        impl Default for $Set {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::uri::declare::OptionSet for $Set {
            fn rows() -> &'static [$crate::uri::declare::Row] {
                static ROWS: &[$crate::uri::declare::Row] = &[$(
                    $crate::uri::declare::Row {
                        name: $name,
                        shape: $shape,
                        doc: concat!($($doc),*),
                    },
                )*];
                ROWS
            }

            fn set(&mut self, name: &str, value: &$crate::uri::value::OptionValue) -> bool {
                match name {
                    $($name => match $crate::uri::declare::Typed::from_value(value) {
                        Some(value) => {
                            self.$field = value;
                            true
                        }
                        None => false,
                    },)*
                    _ => false,
                }
            }

            fn value(&self, row: &$crate::uri::declare::Row) -> $crate::uri::value::OptionValue {
                match row.name {
                    $($name => $crate::uri::declare::Typed::to_value(&self.$field, &row.shape),)*
                    _ => $crate::uri::value::OptionValue::Absent,
                }
            }
        }
    };
    (@setters $(
        $(#[doc = $doc:literal])*
        $field:ident: $ty:ty = $default:expr, $name:literal, $shape:expr;
    )*) => {
        $(
            $(#[doc = $doc])*
            #[doc = concat!("\n\nIn a URI `", $name, "`.")]
            pub fn $field(mut self, value: $ty) -> Self {
                self.options.$field = value;
                self.give($name);
                self
            }
        )*
    };
}
pub(super) use option_set;

/// A type a field of options may have, and its way from and to a value.
pub(super) trait Typed: Sized {
    fn from_value(value: &OptionValue) -> Option<Self>;
    fn to_value(&self, shape: &Shape) -> OptionValue;
}

fn off(shape: &Shape) -> OptionValue {
    shape.off.map_or(OptionValue::Absent, OptionValue::Integer)
}

impl Typed for bool {
    fn from_value(value: &OptionValue) -> Option<Self> {
        value.as_bool()
    }
    fn to_value(&self, _: &Shape) -> OptionValue {
        OptionValue::Bool(*self)
    }
}

impl Typed for Option<bool> {
    fn from_value(value: &OptionValue) -> Option<Self> {
        value.as_bool().map(Some)
    }
    fn to_value(&self, shape: &Shape) -> OptionValue {
        self.map_or_else(|| off(shape), OptionValue::Bool)
    }
}

impl Typed for f64 {
    fn from_value(value: &OptionValue) -> Option<Self> {
        value.as_f64()
    }
    fn to_value(&self, _: &Shape) -> OptionValue {
        OptionValue::Float(*self)
    }
}

impl Typed for String {
    fn from_value(value: &OptionValue) -> Option<Self> {
        value.as_str().map(Self::from)
    }
    fn to_value(&self, _: &Shape) -> OptionValue {
        OptionValue::Text(self.clone())
    }
}

impl Typed for Option<String> {
    fn from_value(value: &OptionValue) -> Option<Self> {
        value.as_str().map(|text| Some(text.to_owned()))
    }
    fn to_value(&self, shape: &Shape) -> OptionValue {
        self.clone().map_or_else(|| off(shape), OptionValue::Text)
    }
}

impl Typed for Vec<String> {
    fn from_value(value: &OptionValue) -> Option<Self> {
        value.as_list().map(<[String]>::to_vec)
    }
    fn to_value(&self, _: &Shape) -> OptionValue {
        OptionValue::List(self.clone())
    }
}

impl Typed for Vec<BrokerUri> {
    fn from_value(value: &OptionValue) -> Option<Self> {
        value.as_list()?.iter().map(|text| BrokerUri::parse(text).ok()).collect()
    }
    fn to_value(&self, _: &Shape) -> OptionValue {
        OptionValue::List(self.iter().map(ToString::to_string).collect())
    }
}

/// Whole milliseconds; more than fit are as good as for ever.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Typed for Duration {
    fn from_value(value: &OptionValue) -> Option<Self> {
        u64::try_from(value.as_integer()?).ok().map(Self::from_millis)
    }
    fn to_value(&self, _: &Shape) -> OptionValue {
        OptionValue::Integer(millis(*self))
    }
}

impl Typed for Option<Duration> {
    fn from_value(value: &OptionValue) -> Option<Self> {
        let positive = u64::try_from(value.as_integer()?).ok().filter(|ms| *ms > 0);
        Some(positive.map(Duration::from_millis))
    }
    fn to_value(&self, shape: &Shape) -> OptionValue {
        self.map_or_else(|| off(shape), |duration| OptionValue::Integer(millis(duration)))
    }
}

/// The two ways of whole numbers: always there, or unset.
macro_rules! typed_integers {
    ($($ty:ty),*) => {$(
        impl Typed for $ty {
            fn from_value(value: &OptionValue) -> Option<Self> {
                Self::try_from(value.as_integer()?).ok()
            }
            fn to_value(&self, _: &Shape) -> OptionValue {
                OptionValue::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }
        impl Typed for Option<$ty> {
            fn from_value(value: &OptionValue) -> Option<Self> {
                Some(Some(<$ty>::try_from(value.as_integer()?).ok()?))
            }
            fn to_value(&self, shape: &Shape) -> OptionValue {
                self.map_or_else(
                    || off(shape),
                    |number| OptionValue::Integer(i64::try_from(number).unwrap_or(i64::MAX)),
                )
            }
        }
    )*};
}
typed_integers!(i32, u16, u32, u64);

impl Typed for Option<u8> {
    fn from_value(value: &OptionValue) -> Option<Self> {
        match value.as_str() {
            Some(name) => diff_serv(name).map(Some),
            None => Some(Some(u8::try_from(value.as_integer()?).ok()?)),
        }
    }
    fn to_value(&self, shape: &Shape) -> OptionValue {
        self.map_or_else(|| off(shape), |number| OptionValue::Integer(number.into()))
    }
}

impl Typed for Option<NonZeroU32> {
    fn from_value(value: &OptionValue) -> Option<Self> {
        Some(u32::try_from(value.as_integer()?).ok().and_then(NonZeroU32::new))
    }
    fn to_value(&self, shape: &Shape) -> OptionValue {
        self.map_or_else(|| off(shape), |number| OptionValue::Integer(number.get().into()))
    }
}

impl Typed for Attempts {
    fn from_value(value: &OptionValue) -> Option<Self> {
        value.as_integer().map(Self::from_java)
    }
    fn to_value(&self, _: &Shape) -> OptionValue {
        OptionValue::Integer(self.to_java())
    }
}

impl Typed for StartupAttempts {
    fn from_value(value: &OptionValue) -> Option<Self> {
        value.as_integer().map(Self::from_java)
    }
    fn to_value(&self, _: &Shape) -> OptionValue {
        OptionValue::Integer(self.to_java())
    }
}

//! Reads a value as another type, where JMS allows it.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::primitive::Primitive;
use crate::string::Str;

/// A value that cannot be read as the type that was asked for.
///
/// JMS 1.1 (sections 3.5.4 and 3.11.3) allows, for properties, map and stream messages alike:
///
/// | a value of | reads as |
/// |---|---|
/// | boolean | boolean, string |
/// | byte | byte, short, int, long, string |
/// | short | short, int, long, string |
/// | char | char, string |
/// | int | int, long, string |
/// | long | long, string |
/// | float | float, double, string |
/// | double | double, string |
/// | string | string; boolean, byte, short, int, long, float, double if it is written like one |
/// | byte array | byte array |
/// | null | string and byte array, as none; boolean, as false |
///
/// Texts are read and written as Java does: any string but `true`, in either case, is false; `1E10` is
/// written `1.0E10`. Java's hexadecimal notation of floating point numbers is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConversionError {
    /// The types do not convert.
    #[error("a {found} cannot be read as a {wanted}")]
    Type {
        /// The type of the value.
        found: &'static str,
        /// The type asked for.
        wanted: &'static str,
    },
    /// There is no value, and the type has no way to say so.
    #[error("null cannot be read as a {wanted}")]
    Null {
        /// The type asked for.
        wanted: &'static str,
    },
    /// The text is not written like a value of the type.
    #[error("the string is not a {wanted}")]
    Text {
        /// The type asked for.
        wanted: &'static str,
    },
}

impl Primitive {
    /// The value as a boolean.
    ///
    /// # Errors
    ///
    /// It is neither a boolean nor a string nor null.
    pub fn as_boolean(&self) -> Result<bool, ConversionError> {
        match self {
            Self::Boolean(value) => Ok(*value),
            Self::String(text) => Ok(text.as_wire().eq_ignore_ascii_case(b"true")),
            Self::Null => Ok(false),
            Self::Byte(_)
            | Self::Char(_)
            | Self::Short(_)
            | Self::Int(_)
            | Self::Long(_)
            | Self::Double(_)
            | Self::Float(_)
            | Self::Bytes(_)
            | Self::Map(_)
            | Self::List(_) => Err(self.refuse("boolean")),
        }
    }

    /// The value as a byte.
    ///
    /// # Errors
    ///
    /// It is neither a byte nor a string that says one.
    pub fn as_byte(&self) -> Result<i8, ConversionError> {
        self.integer(8, "byte")
    }

    /// The value as a short.
    ///
    /// # Errors
    ///
    /// It is neither a byte or short nor a string that says one.
    pub fn as_short(&self) -> Result<i16, ConversionError> {
        self.integer(16, "short")
    }

    /// The value as an int.
    ///
    /// # Errors
    ///
    /// It is neither a byte, short or int nor a string that says one.
    pub fn as_int(&self) -> Result<i32, ConversionError> {
        self.integer(32, "int")
    }

    /// The value as a long.
    ///
    /// # Errors
    ///
    /// It is neither a byte, short, int or long nor a string that says one.
    pub fn as_long(&self) -> Result<i64, ConversionError> {
        self.integer(64, "long")
    }

    /// The value as a char, a UTF-16 unit.
    ///
    /// # Errors
    ///
    /// It is not a char.
    pub fn as_char(&self) -> Result<u16, ConversionError> {
        match self {
            Self::Char(unit) => Ok(*unit),
            Self::Null
            | Self::Boolean(_)
            | Self::Byte(_)
            | Self::Short(_)
            | Self::Int(_)
            | Self::Long(_)
            | Self::Double(_)
            | Self::Float(_)
            | Self::String(_)
            | Self::Bytes(_)
            | Self::Map(_)
            | Self::List(_) => Err(self.refuse("char")),
        }
    }

    /// The value as a float.
    ///
    /// # Errors
    ///
    /// It is neither a float nor a string that says one.
    pub fn as_float(&self) -> Result<f32, ConversionError> {
        match self {
            Self::Float(value) => Ok(*value),
            Self::String(text) => parse_floating(text, "float"),
            Self::Null
            | Self::Boolean(_)
            | Self::Byte(_)
            | Self::Char(_)
            | Self::Short(_)
            | Self::Int(_)
            | Self::Long(_)
            | Self::Double(_)
            | Self::Bytes(_)
            | Self::Map(_)
            | Self::List(_) => Err(self.refuse("float")),
        }
    }

    /// The value as a double.
    ///
    /// # Errors
    ///
    /// It is neither a float or double nor a string that says one.
    pub fn as_double(&self) -> Result<f64, ConversionError> {
        match self {
            Self::Double(value) => Ok(*value),
            Self::Float(value) => Ok((*value).into()),
            Self::String(text) => parse_floating(text, "double"),
            Self::Null
            | Self::Boolean(_)
            | Self::Byte(_)
            | Self::Char(_)
            | Self::Short(_)
            | Self::Int(_)
            | Self::Long(_)
            | Self::Bytes(_)
            | Self::Map(_)
            | Self::List(_) => Err(self.refuse("double")),
        }
    }

    /// The value as a string, none for null.
    ///
    /// # Errors
    ///
    /// It is a byte array, a map or a list.
    pub fn as_string(&self) -> Result<Option<Str>, ConversionError> {
        Ok(Some(match self {
            Self::Null => return Ok(None),
            Self::String(text) => text.clone(),
            Self::Char(unit) => Str::from_utf16(&[*unit]),
            Self::Boolean(value) => value.to_string().into(),
            Self::Byte(value) => value.to_string().into(),
            Self::Short(value) => value.to_string().into(),
            Self::Int(value) => value.to_string().into(),
            Self::Long(value) => value.to_string().into(),
            Self::Double(value) => java_floating(&format_args!("{value:e}")).into(),
            Self::Float(value) => java_floating(&format_args!("{value:e}")).into(),
            Self::Bytes(_) | Self::Map(_) | Self::List(_) => return Err(self.refuse("string")),
        }))
    }

    /// The value as bytes, none for null.
    ///
    /// # Errors
    ///
    /// It is not a byte array.
    pub fn as_bytes(&self) -> Result<Option<Bytes>, ConversionError> {
        match self {
            Self::Null => Ok(None),
            Self::Bytes(bytes) => Ok(Some(bytes.clone())),
            Self::Boolean(_)
            | Self::Byte(_)
            | Self::Char(_)
            | Self::Short(_)
            | Self::Int(_)
            | Self::Long(_)
            | Self::Double(_)
            | Self::Float(_)
            | Self::String(_)
            | Self::Map(_)
            | Self::List(_) => Err(self.refuse("byte array")),
        }
    }

    fn integer<T: TryFrom<i64>>(
        &self,
        bits: u32,
        wanted: &'static str,
    ) -> Result<T, ConversionError> {
        let (value, width) = match self {
            Self::Byte(value) => (i64::from(*value), i8::BITS),
            Self::Short(value) => (i64::from(*value), i16::BITS),
            Self::Int(value) => (i64::from(*value), i32::BITS),
            Self::Long(value) => (*value, i64::BITS),
            Self::String(text) => {
                let value = i64::from_str(&text.to_str()).ok();
                let value = value.and_then(|value| T::try_from(value).ok());
                return value.ok_or(ConversionError::Text { wanted });
            }
            Self::Null
            | Self::Boolean(_)
            | Self::Char(_)
            | Self::Double(_)
            | Self::Float(_)
            | Self::Bytes(_)
            | Self::Map(_)
            | Self::List(_) => return Err(self.refuse(wanted)),
        };
        // A wider type is refused by its type, whatever its value: JMS promises no luck.
        if width > bits {
            return Err(self.refuse(wanted));
        }
        T::try_from(value).map_err(|_| self.refuse(wanted))
    }

    #[cold]
    fn refuse(&self, wanted: &'static str) -> ConversionError {
        if let Self::Null = self {
            return ConversionError::Null { wanted };
        }
        ConversionError::Type { found: self.type_name(), wanted }
    }
}

/// Java: `Double.valueOf` and `Float.valueOf`, without hexadecimal notation.
fn parse_floating<T: FromStr>(text: &Str, wanted: &'static str) -> Result<T, ConversionError> {
    let refused = ConversionError::Text { wanted };
    let text = text.to_str();
    let text = text.trim_matches(|c: char| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return text.parse().map_err(|_| refused);
    }
    // Rust also reads `inf` and `nan` in any case, and has no type suffix.
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(refused);
    }
    text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text).parse().map_err(|_| refused)
}

/// Java's notation of a floating point number, from Rust's scientific one (`-1.25e-7`): plain from
/// 0.001 up to ten millions, else with an exponent, and always with a digit after the point.
fn java_floating(scientific: &fmt::Arguments<'_>) -> String {
    let scientific = scientific.to_string();
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific.replace("inf", "Infinity");
    };
    let (sign, mantissa) =
        mantissa.strip_prefix('-').map_or(("", mantissa), |unsigned| ("-", unsigned));
    let (first, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let or_zero = |digits: &str| if digits.is_empty() { "0".into() } else { digits.to_owned() };
    match exponent.parse::<i32>() {
        Ok(0) => format!("{sign}{first}.{}", or_zero(fraction)),
        Ok(exponent @ 1..=6) => {
            let padded = format!("{fraction:0<width$}", width = exponent.unsigned_abs() as usize);
            let (whole, rest) =
                padded.split_at_checked(exponent.unsigned_abs() as usize).unwrap_or((&padded, ""));
            format!("{sign}{first}{whole}.{}", or_zero(rest))
        }
        Ok(exponent @ -3..=-1) => {
            let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
            format!("{sign}0.{zeros}{first}{fraction}")
        }
        Ok(_) | Err(_) => format!("{sign}{first}.{}E{exponent}", or_zero(fraction)),
    }
}

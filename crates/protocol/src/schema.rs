//! What a declaration knows, as data: tests hold it against the table read off Java's marshallers, and
//! tools walk structures by it.

/// A structure as declared: its code and its fields in wire order, ancestors' first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StructureRow {
    /// The class, by Java's name.
    pub name: &'static str,
    /// The type code.
    pub code: u8,
    /// The first version that has it.
    pub since: u8,
    /// Whether tight encoding gives it one more boolean when it is nested (Java's `MarshallAware`).
    pub marshall_aware: bool,
    /// The fields of its ancestors and then its own, each a list in wire order.
    pub fields: &'static [&'static [FieldRow]],
}

impl StructureRow {
    /// All fields in wire order.
    pub fn fields(&self) -> impl Iterator<Item = &'static FieldRow> + use<> {
        self.fields.iter().copied().flatten()
    }
}

/// A field as declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRow {
    /// The field's name here.
    pub name: &'static str,
    /// Java's name, where it is not the same in camel case.
    pub java: Option<&'static str>,
    /// How it is encoded.
    pub kind: Kind,
    /// The first version that has it.
    pub since: u8,
    /// The last version that has it.
    pub until: u8,
    /// Whether it goes through the marshalling cache.
    pub cached: bool,
    /// Whether it is a secret and kept out of `Debug`.
    pub secret: bool,
}

impl FieldRow {
    /// Java's name of the field.
    #[must_use]
    pub fn java_name(&self) -> String {
        if let Some(java) = self.java {
            return java.to_owned();
        }
        let mut words = self.name.split('_');
        let mut name = words.next().unwrap_or_default().to_owned();
        for word in words {
            let mut letters = word.chars();
            name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            name.push_str(letters.as_str());
        }
        name
    }

    /// Whether the field exists in a version.
    #[must_use]
    pub const fn is_in(&self, version: u8) -> bool {
        self.since <= version && version <= self.until
    }
}

/// How a field is encoded. The classes of objects are Java's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One bit or byte.
    Boolean,
    /// One byte, signed.
    Byte,
    /// Four bytes, signed.
    Int,
    /// Eight bytes, signed; fewer in tight encoding.
    Long,
    /// Modified UTF-8, or null.
    String,
    /// Bytes with a length of 32 bits, or null.
    Bytes,
    /// So many bytes as they stand.
    FixedBytes(usize),
    /// An object of this class, or null.
    Object(&'static str),
    /// An array of objects of this class or nulls, or null.
    ObjectArray(&'static str),
    /// An exception, or null.
    Throwable,
}

/// The attributes of a field in a declaration.
#[derive(Clone, Copy)]
pub(crate) struct Attr {
    pub(crate) since: u8,
    pub(crate) until: u8,
    pub(crate) cached: bool,
    pub(crate) secret: bool,
    pub(crate) java: Option<&'static str>,
}

impl Attr {
    pub(crate) const NONE: Self =
        Self { since: 1, until: u8::MAX, cached: false, secret: false, java: None };

    pub(crate) const fn since(mut self, version: u8) -> Self {
        self.since = version;
        self
    }

    pub(crate) const fn until(mut self, version: u8) -> Self {
        self.until = version;
        self
    }

    pub(crate) const fn cached(mut self) -> Self {
        self.cached = true;
        self
    }

    pub(crate) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    pub(crate) const fn java(mut self, name: &'static str) -> Self {
        self.java = Some(name);
        self
    }

    /// Whether the field exists in a version; no question at all for a field of every version.
    pub(crate) const fn is_in(&self, version: u8) -> bool {
        (self.since <= 1 || self.since <= version)
            && (self.until == u8::MAX || version <= self.until)
    }

    pub(crate) const fn row(self, name: &'static str, kind: Kind) -> FieldRow {
        let Self { since, until, cached, secret, java } = self;
        FieldRow { name, java, kind, since, until, cached, secret }
    }
}

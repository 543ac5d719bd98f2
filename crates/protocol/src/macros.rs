//! `structure!`: a structure declared once, in wire order; and what a declaration turns into.
//!
//! ```text
//! structure! {
//!     /// What it is for.
//!     #[wire(code = 18)]                     // or (code = 19, since = 3)
//!     pub struct ConnectionControl: BaseCommand {
//!         pub close: bool,
//!         #[wire(since = 6)]                 // since, until, cached, secret, java
//!         pub connected_brokers: Option<Str>,
//!     }
//! }
//! ```
//!
//! `: BaseCommand` and `: Response` put the fields of that ancestor in front, as Java's inheritance does.
//! The type of a field says how it is encoded; the rules stand in `wire/field.rs`.

/// Declares a structure; see the module.
macro_rules! structure {
    ($(#[doc = $doc:literal])* #[wire(code = $code:literal $(, $key:ident = $value:literal)*)]
     pub struct $name:ident: BaseCommand { $($fields:tt)* }) => {
        structure! { @declare [$($doc)*] $name ($code $(, $key = $value)*)
            /// The number by which a response refers to this command.
            pub command_id: i32,
            /// Whether the sender wants a [`Response`](crate::Response).
            pub response_required: bool,
            $($fields)*
        }
        impl From<$name> for crate::Command {
            fn from(command: $name) -> Self { Self::$name(command.into()) }
        }
    };
    ($(#[doc = $doc:literal])* #[wire(code = $code:literal $(, $key:ident = $value:literal)*)]
     pub struct $name:ident: Response { $($fields:tt)* }) => {
        structure! {
            $(#[doc = $doc])*
            #[wire(code = $code $(, $key = $value)*)]
            pub struct $name: BaseCommand {
                /// The command that is answered.
                pub correlation_id: i32,
                $($fields)*
            }
        }
    };
    ($(#[doc = $doc:literal])* #[wire(code = $code:literal $(, $key:ident = $value:literal)*)]
     pub struct $name:ident { $($fields:tt)* }) => {
        structure! { @declare [$($doc)*] $name ($code $(, $key = $value)*) $($fields)* }
        impl From<$name> for crate::Command {
            fn from(structure: $name) -> Self { Self::$name(structure.into()) }
        }
    };
    (@declare [$($doc:literal)*] $name:ident ($code:literal $(, $key:ident = $value:literal)*)
     $($fields:tt)*) => {
        fields! { [$($doc)*] $name local wire $($fields)* }

        impl crate::wire::field::Structure for $name {
            const ROW: crate::StructureRow = crate::command::row(
                stringify!($name), $code, &[<$name as crate::wire::field::Fields>::ROWS],
            )$(.$key($value))*;
        }

        impl $name {
            /// The declaration, as data.
            pub const ROW: crate::StructureRow = <Self as crate::wire::field::Structure>::ROW;
        }

        structure! { @nested $name }
    };
    (@nested $name:ident) => {
        impl crate::wire::field::Nested for $name {
            const CLASS: &'static str = $name::ROW.name;

            fn code(&self) -> u8 {
                Self::ROW.code
            }

            fn since(&self) -> u8 {
                Self::ROW.since
            }

            fn write_fields<'c>(
                &'c self,
                w: &mut crate::wire::writer::Writer<'_, 'c>,
            ) -> Result<(), crate::wire::writer::Refusal> {
                crate::wire::field::Fields::write(self, w)
            }

            fn blank(code: u8) -> Option<Self> {
                (code == Self::ROW.code).then(Self::default)
            }

            fn read_fields(
                &mut self,
                r: &mut crate::wire::reader::Reader<'_>,
            ) -> Result<(), crate::wire::reader::Fault> {
                crate::wire::field::Fields::read(self, r)
            }

            fn to_cached(&self) -> crate::wire::cache::Cached {
                cached!(to $name self)
            }

            #[inline]
            fn load_cached(place: &mut Option<Self>, cached: &crate::wire::cache::Cached) -> bool {
                cached!(load $name place cached)
            }

            fn is_cached(&self, cached: &crate::wire::cache::Cached) -> bool {
                cached!(is $name self cached)
            }

            fn cache_hash(&self) -> u64 {
                cached!(hash $name self)
            }

            fn cache_hint(&self) -> crate::wire::cache::Hint {
                cached!(hint $name self)
            }

            fn from_command(command: crate::Command) -> Result<Self, crate::ValueError> {
                crate::command::Held::held(command)
                    .ok_or(crate::ValueError::new(concat!(stringify!($name), " is expected")))
            }
        }
    };
}

/// How a structure goes through the marshalling cache; only ids do in practice.
macro_rules! cached {
    (to BrokerId $s:ident) => { crate::wire::cache::Cached::Broker($s.clone()) };
    (to ConnectionId $s:ident) => { crate::wire::cache::Cached::Connection($s.clone()) };
    (to SessionId $s:ident) => { crate::wire::cache::Cached::Session($s.clone()) };
    (to ConsumerId $s:ident) => { crate::wire::cache::Cached::Consumer($s.clone()) };
    (to ProducerId $s:ident) => { crate::wire::cache::Cached::Producer($s.clone()) };
    (to LocalTransactionId $s:ident) => {
        crate::wire::cache::Cached::Transaction(crate::TransactionId::Local($s.clone()))
    };
    (to XaTransactionId $s:ident) => {
        crate::wire::cache::Cached::Transaction(crate::TransactionId::Xa(Box::new($s.clone())))
    };
    (to $other:ident $s:ident) => {
        crate::wire::cache::Cached::Other(Box::new($s.clone().into()))
    };
    (load BrokerId $p:ident $c:ident) => { cached!(@load Broker $p $c) };
    (load ConnectionId $p:ident $c:ident) => { cached!(@load Connection $p $c) };
    (load SessionId $p:ident $c:ident) => { cached!(@load Session $p $c) };
    (load ConsumerId $p:ident $c:ident) => { cached!(@load Consumer $p $c) };
    (load ProducerId $p:ident $c:ident) => { cached!(@load Producer $p $c) };
    (load $other:ident $p:ident $c:ident) => {{ let _ = ($p, $c); false }};
    (@load $variant:ident $p:ident $c:ident) => {{
        let crate::wire::cache::Cached::$variant(id) = $c else { return false };
        *$p = Some(id.clone());
        true
    }};
    (is BrokerId $s:ident $c:ident) => { cached!(@is Broker $s $c) };
    (is ConnectionId $s:ident $c:ident) => { cached!(@is Connection $s $c) };
    (is SessionId $s:ident $c:ident) => { cached!(@is Session $s $c) };
    (is ConsumerId $s:ident $c:ident) => { cached!(@is Consumer $s $c) };
    (is ProducerId $s:ident $c:ident) => { cached!(@is Producer $s $c) };
    (is LocalTransactionId $s:ident $c:ident) => { cached!(@is_transaction Local $s $c) };
    (is XaTransactionId $s:ident $c:ident) => { cached!(@is_transaction Xa $s $c) };
    (is $other:ident $s:ident $c:ident) => {{ let _ = $c; false }};
    (@is $variant:ident $s:ident $c:ident) => {
        matches!($c, crate::wire::cache::Cached::$variant(id) if id == $s)
    };
    (@is_transaction $variant:ident $s:ident $c:ident) => {
        if let crate::wire::cache::Cached::Transaction(crate::TransactionId::$variant(id)) = $c {
            std::borrow::Borrow::<Self>::borrow(id) == $s
        } else {
            false
        }
    };
    (hash BrokerId $s:ident) => { crate::wire::cache::hash_of(Self::ROW.code, $s) };
    (hash ConnectionId $s:ident) => { crate::wire::cache::hash_of(Self::ROW.code, $s) };
    (hash SessionId $s:ident) => { crate::wire::cache::hash_of(Self::ROW.code, $s) };
    (hash ConsumerId $s:ident) => { crate::wire::cache::hash_of(Self::ROW.code, $s) };
    (hash ProducerId $s:ident) => { crate::wire::cache::hash_of(Self::ROW.code, $s) };
    (hash LocalTransactionId $s:ident) => { crate::wire::cache::hash_of(Self::ROW.code, $s) };
    (hash XaTransactionId $s:ident) => { crate::wire::cache::hash_of(Self::ROW.code, $s) };
    (hash $other:ident $s:ident) => { u64::from(Self::ROW.code) };
    (hint BrokerId $s:ident) => { cached!(@hint $s.value, 0, 0) };
    (hint ConnectionId $s:ident) => { cached!(@hint $s.value, 0, 0) };
    (hint SessionId $s:ident) => { cached!(@hint $s.connection_id, $s.value, 0) };
    (hint ConsumerId $s:ident) => { cached!(@hint $s.connection_id, $s.value, $s.session_id) };
    (hint ProducerId $s:ident) => { cached!(@hint $s.connection_id, $s.value, $s.session_id) };
    (hint LocalTransactionId $s:ident) => {
        crate::wire::cache::Hint::new(Self::ROW.code, None, $s.value, 0)
    };
    (hint XaTransactionId $s:ident) => {
        crate::wire::cache::Hint::new(Self::ROW.code, None, i64::from($s.format_id), 0)
    };
    (hint $other:ident $s:ident) => { crate::wire::cache::Hint::NONE };
    (@hint $text:expr, $number:expr, $other:expr) => {
        crate::wire::cache::Hint::new(Self::ROW.code, $text.as_ref(), $number, $other)
    };
}

/// A struct and how its fields are written, read, shown and walked.
macro_rules! fields {
    ([$($doc:literal)*] $name:ident
     local $($(#[doc = $ldoc:literal])* pub $local:ident: $ltype:ty,)*
     wire $($(#[doc = $fdoc:literal])* $(#[wire($($attr:ident $(= $arg:literal)?),*)])?
       pub $field:ident: $type:ty,)*) => {
        $(#[doc = $doc])*
        #[derive(Clone, Default, PartialEq, Eq, Hash)]
        pub struct $name {
            $($(#[doc = $ldoc])* pub $local: $ltype,)*
            $($(#[doc = $fdoc])* pub $field: $type,)*
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut shown = f.debug_struct(stringify!($name));
                $(shown.field(stringify!($local), &self.$local);)*
                $(if attr!($($($attr $(= $arg)?),*)?).secret {
                    shown.field(stringify!($field), &crate::wire::field::HIDDEN);
                } else {
                    shown.field(stringify!($field), &self.$field);
                })*
                shown.finish()
            }
        }

        impl crate::wire::field::Fields for $name {
            const ROWS: &'static [crate::FieldRow] = &[
                $(attr!($($($attr $(= $arg)?),*)?).row(
                    stringify!($field),
                    <$type as crate::wire::field::Field>::KIND,
                ),)*
            ];

            #[allow(unused_variables, reason = "a structure may have no fields")]
            fn write<'c>(
                &'c self,
                w: &mut crate::wire::writer::Writer<'_, 'c>,
            ) -> Result<(), crate::wire::writer::Refusal> {
                $({
                    const ATTR: crate::schema::Attr = attr!($($($attr $(= $arg)?),*)?);
                    if ATTR.is_in(w.version) {
                        let written = if ATTR.cached {
                            crate::wire::field::Field::write_cached(&self.$field, w)
                        } else {
                            crate::wire::field::Field::write(&self.$field, w)
                        };
                        if let Err(refusal) = written {
                            return Err(crate::wire::field::refused_within(
                                refusal, stringify!($name), stringify!($field),
                            ));
                        }
                    }
                })*
                Ok(())
            }

            #[allow(unused_variables, reason = "a structure may have no fields")]
            fn read(
                &mut self,
                r: &mut crate::wire::reader::Reader<'_>,
            ) -> Result<(), crate::wire::reader::Fault> {
                $({
                    const ATTR: crate::schema::Attr = attr!($($($attr $(= $arg)?),*)?);
                    if ATTR.is_in(r.version) {
                        let read = if ATTR.cached {
                            crate::wire::field::Field::read_cached(&mut self.$field, r)
                        } else {
                            crate::wire::field::Field::read(&mut self.$field, r)
                        };
                        if let Err(fault) = read {
                            return Err(crate::wire::field::within(
                                fault, stringify!($name), stringify!($field),
                            ));
                        }
                    }
                })*
                Ok(())
            }

            fn get(&self, field: &str) -> Option<crate::Value> {
                match field {
                    $(stringify!($field) => {
                        Some(crate::wire::field::Field::to_value(&self.$field))
                    })*
                    _ => None,
                }
            }

            #[allow(unused_variables, reason = "a structure may have no fields")]
            fn set(&mut self, field: &str, value: crate::Value) -> Result<(), crate::ValueError> {
                match field {
                    $(stringify!($field) => {
                        self.$field = crate::wire::field::Field::from_value(value)?;
                        Ok(())
                    })*
                    _ => Err(crate::ValueError::new("no such field")),
                }
            }
        }
    };
}

/// The attributes of a field as a constant.
macro_rules! attr {
    ($($attr:ident $(= $arg:literal)?),*) => {
        crate::schema::Attr::NONE$(.$attr($($arg)?))*
    };
}

pub(crate) use {attr, cached, fields, structure};

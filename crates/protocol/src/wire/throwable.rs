//! Exceptions, as data: a class name is a string here and is never looked up.

use crate::string::Str;
use crate::wire::reader::{Fault, Reader};
use crate::wire::writer::{Refusal, Writer};

/// A Java exception as it travelled.
///
/// Give one that you send a class Java peers know, such as `javax.jms.JMSException`; otherwise they
/// show it as `java.lang.Throwable("class: message")`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Throwable {
    /// The Java class name, such as `javax.jms.InvalidClientIDException`.
    pub class: Str,
    /// The message. Versions 1 and 10 cut it to 1024 UTF-16 units.
    pub message: Option<Str>,
    /// Where it was thrown; empty unless stack traces were negotiated.
    pub stack: Vec<StackElement>,
    /// What caused it; none unless stack traces were negotiated.
    pub cause: Option<Box<Self>>,
}

/// One line of a stack trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StackElement {
    /// The class of the method.
    pub class: Str,
    /// The method.
    pub method: Str,
    /// The source file, when known.
    pub file: Option<Str>,
    /// The line; -1 unknown, -2 a native method.
    pub line: i32,
}

impl Throwable {
    /// An exception without a stack trace or a cause.
    #[must_use]
    pub fn new(class: impl Into<Str>, message: impl Into<Str>) -> Self {
        Self { class: class.into(), message: Some(message.into()), ..Self::default() }
    }

    pub(crate) fn write(&self, w: &mut Writer<'_, '_>) -> Result<(), Refusal> {
        w.descend()?;
        w.string(Some(&self.class))?;
        match &self.message {
            Some(message) if cuts_messages(w.version) => w.string(Some(&cut(message)))?,
            message => w.string(message.as_ref())?,
        }
        if w.stack_trace {
            w.count(self.stack.len())?;
            for element in &self.stack {
                w.string(Some(&element.class))?;
                w.string(Some(&element.method))?;
                w.string(element.file.as_ref())?;
                w.int(element.line);
            }
            w.boolean(self.cause.is_some());
            if let Some(cause) = &self.cause {
                cause.write(w)?;
            }
        }
        w.ascend();
        Ok(())
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Fault> {
        r.descend()?;
        r.spend(size_of::<Self>())?;
        let mut throwable = Self { class: r.required_string()?, ..Self::default() };
        r.string(&mut throwable.message)?;
        if r.stack_trace {
            let count = r.count::<StackElement>()?;
            for to_come in (1..=count).rev() {
                Reader::make_room(&mut throwable.stack, to_come);
                let (class, method) = (r.required_string()?, r.required_string()?);
                let mut file = None;
                r.string(&mut file)?;
                throwable.stack.push(StackElement { class, method, file, line: r.int()? });
            }
            if r.boolean()? {
                throwable.cause = Some(Box::new(Self::read(r)?));
            }
        }
        r.ascend();
        Ok(throwable)
    }
}

impl std::fmt::Display for Throwable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.message {
            Some(message) => write!(f, "{}: {message}", self.class),
            None => write!(f, "{}", self.class),
        }
    }
}

/// Java: `BaseDataStreamMarshaller` of these versions alone has `cutMessageIfNeeded`.
const fn cuts_messages(version: u8) -> bool {
    matches!(version, 1 | 10)
}

fn cut(message: &Str) -> Str {
    const MAX_UNITS: usize = 1024;
    if message.as_wire().len() <= MAX_UNITS || message.utf16().count() <= MAX_UNITS {
        return message.clone();
    }
    let dots = [u16::from(b'.'); 3];
    let units: Vec<u16> = message.utf16().take(MAX_UNITS - dots.len()).chain(dots).collect();
    Str::from_utf16(&units)
}

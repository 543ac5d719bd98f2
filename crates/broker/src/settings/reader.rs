//! A TOML file as tables whose keys are asked for, so that what nobody asked for is an error with a place.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::SettingsError;

/// The text of a file, to say where in it something is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'t> {
    pub(super) file: &'t str,
    pub(super) text: &'t str,
}

impl Source<'_> {
    /// An error about what stands there.
    pub(super) fn error(&self, span: Range<usize>, problem: impl Into<String>) -> SettingsError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let problem = problem.into();
        SettingsError { file: self.file.to_owned(), place: Some((line, column)), problem }
    }
}

/// A table, and which of its keys were asked for.
#[derive(Debug)]
pub(super) struct Table<'t> {
    source: Source<'t>,
    /// What the table is called in errors: ` of [limits]`, or nothing for the whole file.
    of: String,
    span: Range<usize>,
    entries: Vec<(Spanned<Cow<'t, str>>, Spanned<DeValue<'t>>)>,
    asked: Vec<&'static str>,
}

/// A value with the key it stands under.
#[derive(Debug)]
pub(super) struct Value<'t> {
    source: Source<'t>,
    key: String,
    span: Range<usize>,
    value: DeValue<'t>,
}

/// Names are the same however their words are put together: `queuePrefetch`, `queue_prefetch` and
/// `queue-prefetch`.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

/// The nearest of some names, unless even that one is far: more than a third of the letters off.
pub(super) fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    /// The longest name that is compared; all known ones are shorter.
    const MAX_COMPARED: usize = 64;
    if name.len() > MAX_COMPARED {
        return None;
    }
    let (name, far) = (plain(name), (name.chars().count() / 3).max(1));
    known
        .iter()
        .map(|word| (strsim::osa_distance(&name, &plain(word)), *word))
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `: did you mean X?`, if there is one that is meant.
pub(super) fn suggestion(name: &str, known: &[&str]) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!(": did you mean `{near}`?"))
}

impl<'t> Table<'t> {
    /// The whole file.
    pub(super) fn parse(source: Source<'t>) -> Result<Self, SettingsError> {
        // Its own way to show an error quotes the line, which may have a password.
        let table = DeTable::parse(source.text)
            .map_err(|error| source.error(error.span().unwrap_or(0..0), error.message()))?;
        Self::new(source, String::new(), table)
    }

    fn new(
        source: Source<'t>,
        of: String,
        table: Spanned<DeTable<'t>>,
    ) -> Result<Self, SettingsError> {
        let span = table.span();
        let entries: Vec<_> = table.into_inner().into_iter().collect();
        for (at, (key, _)) in entries.iter().enumerate() {
            let name = plain(key.as_ref());
            if let Some((first, _)) = entries[..at].iter().find(|(k, _)| plain(k.as_ref()) == name)
            {
                let later = if first.span().start > key.span().start { first } else { key };
                let (a, b) = (first.as_ref(), key.as_ref());
                return Err(source.error(later.span(), format!("`{a}` and `{b}` are one key")));
            }
        }
        Ok(Self { source, of, span, entries, asked: Vec::new() })
    }

    /// The value of a key, if it is there.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Value<'t>> {
        self.asked.push(name);
        let wanted = plain(name);
        let at = self.entries.iter().position(|(key, _)| plain(key.as_ref()) == wanted)?;
        let (key, value) = self.entries.swap_remove(at);
        let span = value.span();
        let key = key.into_inner().into_owned();
        Some(Value { source: self.source, key, span, value: value.into_inner() })
    }

    /// A key of ActiveMQ's that cannot mean anything here must not be there.
    pub(super) fn refuse(&self, name: &str, why: &str) -> Result<(), SettingsError> {
        let wanted = plain(name);
        let given = self.entries.iter().find(|(key, _)| plain(key.as_ref()) == wanted);
        given.map_or(Ok(()), |(key, _)| {
            let given: &str = key.as_ref();
            let problem = format!("`{given}`{} has no meaning here: {why}", self.of);
            Err(self.source.error(key.span(), problem))
        })
    }

    /// The value of a key that must be there.
    pub(super) fn need(&mut self, name: &'static str) -> Result<Value<'t>, SettingsError> {
        let problem = format!("`{name}`{} is missing", self.of);
        self.take(name).ok_or_else(|| self.error(problem))
    }

    /// Nothing more is asked for: what is left is not known.
    pub(super) fn finish(mut self) -> Result<(), SettingsError> {
        self.entries.sort_by_key(|(key, _)| key.span().start);
        let Some((key, _)) = self.entries.first() else { return Ok(()) };
        let name: &str = key.as_ref();
        let hint = suggestion(name, &self.asked);
        let problem = format!("there is no key `{name}`{}{hint}", self.of);
        Err(self.source.error(key.span(), problem))
    }

    /// An error about the table as a whole.
    pub(super) fn error(&self, problem: impl Into<String>) -> SettingsError {
        self.source.error(self.span.clone(), problem)
    }
}

impl<'t> Value<'t> {
    /// An error about this value.
    pub(super) fn error(&self, problem: impl AsRef<str>) -> SettingsError {
        self.source.error(self.span.clone(), format!("`{}` {}", self.key, problem.as_ref()))
    }

    fn wrong(&self, wanted: &str) -> SettingsError {
        let what = match &self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.error(format!("has to be {wanted}, and is {what}"))
    }

    pub(super) fn text(self) -> Result<String, SettingsError> {
        match self.value {
            DeValue::String(text) => Ok(text.into_owned()),
            _ => Err(self.wrong("a text")),
        }
    }

    pub(super) fn as_text(&self) -> Result<&str, SettingsError> {
        match &self.value {
            DeValue::String(text) => Ok(text),
            _ => Err(self.wrong("a text")),
        }
    }

    /// One of some words.
    pub(super) fn one_of<T: Copy>(self, words: &[(&str, T)]) -> Result<T, SettingsError> {
        let DeValue::String(given) = &self.value else { return Err(self.wrong("a text")) };
        if let Some((_, meaning)) = words.iter().find(|(word, _)| plain(word) == plain(given)) {
            return Ok(*meaning);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = suggestion(given, &known);
        let all = known.join(", ");
        Err(self.error(format!("cannot be {given:?}, only one of {all}{hint}")))
    }

    pub(super) fn number(self) -> Result<f64, SettingsError> {
        let number: f64 = match &self.value {
            DeValue::Float(float) => float.as_str().parse().unwrap_or(f64::NAN),
            DeValue::Integer(number) => number.as_str().parse().unwrap_or(f64::NAN),
            _ => return Err(self.wrong("a number")),
        };
        if number.is_finite() && number >= 0.0 {
            return Ok(number);
        }
        Err(self.error(format!("cannot be {number}")))
    }

    /// A text that says something else again.
    pub(super) fn parse<T: FromStr<Err: Display>>(self) -> Result<T, SettingsError> {
        let DeValue::String(text) = &self.value else { return Err(self.wrong("a text")) };
        text.parse().map_err(|error: T::Err| self.error(format!("is not understood: {error}")))
    }

    pub(super) fn boolean(self) -> Result<bool, SettingsError> {
        match self.value {
            DeValue::Boolean(value) => Ok(value),
            _ => Err(self.wrong("true or false")),
        }
    }

    fn integer(&self) -> Option<Result<u64, SettingsError>> {
        let DeValue::Integer(number) = &self.value else { return None };
        let read = u64::from_str_radix(number.as_str(), number.radix());
        Some(read.map_err(|_| self.error(format!("cannot be {number}"))))
    }

    /// A whole number that is not negative.
    pub(super) fn count(self) -> Result<usize, SettingsError> {
        let number = self.integer().unwrap_or_else(|| Err(self.wrong("a whole number")))?;
        usize::try_from(number).map_err(|_| self.error("is too large"))
    }

    /// A whole number of bytes, or a text with a unit: `64 KiB`, `100 mb`. As in ActiveMQ, a kilobyte is
    /// 1,024 bytes.
    pub(super) fn bytes(self) -> Result<usize, SettingsError> {
        const UNITS: [(&str, u64); 10] = [
            ("", 1),
            ("b", 1),
            ("k", 1 << 10),
            ("kb", 1 << 10),
            ("kib", 1 << 10),
            ("m", 1 << 20),
            ("mb", 1 << 20),
            ("mib", 1 << 20),
            ("gb", 1 << 30),
            ("gib", 1 << 30),
        ];
        self.with_unit(&UNITS, "a number of bytes, or a text like \"64 MiB\"")
            .and_then(|bytes| usize::try_from(bytes).map_err(|_| self.error("is too large")))
    }

    /// A whole number of milliseconds, or a text with a unit: `30 s`, `500ms`.
    pub(super) fn duration(self) -> Result<Duration, SettingsError> {
        const UNITS: [(&str, u64); 5] =
            [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        self.with_unit(&UNITS, "a number of milliseconds, or a text like \"30 s\"")
            .map(Duration::from_millis)
    }

    fn with_unit(&self, units: &[(&str, u64)], wanted: &str) -> Result<u64, SettingsError> {
        if let Some(number) = self.integer() {
            return number;
        }
        let DeValue::String(text) = &self.value else { return Err(self.wrong(wanted)) };
        let text = text.trim();
        let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(at);
        let unit = unit.trim();
        let each = units.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name));
        match (number.parse::<u64>(), each) {
            (Ok(number), Some((_, each))) => {
                number.checked_mul(*each).ok_or_else(|| self.error("is too large"))
            }
            _ => Err(self.error(format!("cannot be {text:?}, only {wanted}"))),
        }
    }

    /// A list of texts, or one text.
    pub(super) fn texts(self) -> Result<Vec<String>, SettingsError> {
        let Self { source, key, span, value } = self;
        match value {
            DeValue::String(text) => Ok(vec![text.into_owned()]),
            DeValue::Array(items) => items
                .into_iter()
                .map(|item| {
                    let span = item.span();
                    let key = format!("{key}[]");
                    Self { source, key, span, value: item.into_inner() }.text()
                })
                .collect(),
            value => Err(Self { source, key, span, value }.wrong("a list of texts")),
        }
    }

    /// A table with a `kind`, or just the kind as a text.
    pub(super) fn kind<T: Copy>(
        self,
        kinds: &[(&str, T)],
    ) -> Result<(T, Table<'t>), SettingsError> {
        if let DeValue::String(_) = &self.value {
            let (source, of) = (self.source, format!(" of `{}`", self.key));
            let empty = Spanned::new(self.span.clone(), DeTable::new());
            return Ok((self.one_of(kinds)?, Table::new(source, of, empty)?));
        }
        let mut table = self.table()?;
        let kind = table.need("kind")?.one_of(kinds)?;
        Ok((kind, table))
    }

    pub(super) fn table(self) -> Result<Table<'t>, SettingsError> {
        let of = format!(" of [{}]", self.key);
        match self.value {
            DeValue::Table(table) => Table::new(self.source, of, Spanned::new(self.span, table)),
            _ => Err(self.wrong("a table")),
        }
    }

    /// Tables of one name: `[[listener]]`, several times.
    pub(super) fn tables(self) -> Result<Vec<Table<'t>>, SettingsError> {
        let Self { source, key, span, value } = self;
        let DeValue::Array(items) = value else {
            let wanted = format!("tables of the form [[{key}]]");
            return Err(Self { source, key, span, value }.wrong(&wanted));
        };
        items
            .into_iter()
            .map(|item| {
                let span = item.span();
                let DeValue::Table(table) = item.into_inner() else {
                    let wanted = format!("`{key}` has to be tables of the form [[{key}]]");
                    return Err(source.error(span, wanted));
                };
                Table::new(source, format!(" of [[{key}]]"), Spanned::new(span, table))
            })
            .collect()
    }

    /// A list of texts, or one, each of which is looked at.
    pub(super) fn names(
        self,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Result<Vec<String>, SettingsError> {
        let (source, key, span) = (self.source, self.key.clone(), self.span.clone());
        let texts = self.texts()?;
        for text in &texts {
            check(text)
                .map_err(|problem| source.error(span.clone(), format!("`{key}` {problem}")))?;
        }
        Ok(texts)
    }
}

//! From text to tokens, each with its place.

use super::SelectorError;

/// A word, a literal or a sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// The name of a property or header.
    Name(String),
    /// A word of the language.
    Keyword(Keyword),
    Text(String),
    Integer(i64),
    Float(f64),
    Sign(Sign),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    And,
    Or,
    Not,
    Between,
    Like,
    Escape,
    In,
    Is,
    Null,
    True,
    False,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
    Open,
    Close,
    Comma,
}

const KEYWORDS: [(&str, Keyword); 11] = [
    ("AND", Keyword::And),
    ("OR", Keyword::Or),
    ("NOT", Keyword::Not),
    ("BETWEEN", Keyword::Between),
    ("LIKE", Keyword::Like),
    ("ESCAPE", Keyword::Escape),
    ("IN", Keyword::In),
    ("IS", Keyword::Is),
    ("NULL", Keyword::Null),
    ("TRUE", Keyword::True),
    ("FALSE", Keyword::False),
];

/// The two-byte signs stand in front of those that begin like them.
const SIGNS: [(&str, Sign); 14] = [
    ("<>", Sign::NotEqual),
    ("<=", Sign::LessOrEqual),
    (">=", Sign::GreaterOrEqual),
    ("=", Sign::Equal),
    ("<", Sign::Less),
    (">", Sign::Greater),
    ("+", Sign::Plus),
    ("-", Sign::Minus),
    ("*", Sign::Times),
    ("/", Sign::Divide),
    ("%", Sign::Modulo),
    ("(", Sign::Open),
    (")", Sign::Close),
    (",", Sign::Comma),
];

/// Cuts the whole text; the last token is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SelectorError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at = skip_blank(text, at)?;
        let rest = text.get(at..).unwrap_or_default();
        let Some(first) = rest.chars().next() else {
            tokens.push((text.len(), Token::End));
            return Ok(tokens);
        };
        let starts_number = first.is_ascii_digit()
            || first == '.' && rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
        let (len, token) = if first == '\'' {
            literal(rest).ok_or_else(|| SelectorError::new(at, "a string is not closed"))?
        } else if starts_number {
            number(rest).map_err(|problem| SelectorError::new(at, problem))?
        } else if is_name_start(first) {
            word(rest)
        } else if let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
            (sign.len(), Token::Sign(*token))
        } else {
            return Err(SelectorError::new(at, format!("{first:?} cannot stand here")));
        };
        tokens.push((at, token));
        at += len;
    }
}

/// Where the next token begins. Comments are blank, as in ActiveMQ's grammar.
fn skip_blank(text: &str, mut at: usize) -> Result<usize, SelectorError> {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        if trimmed.starts_with("--") {
            at += trimmed.find('\n').unwrap_or(trimmed.len());
        } else if let Some(comment) = trimmed.strip_prefix("/*") {
            let Some(end) = comment.find("*/") else {
                return Err(SelectorError::new(at, "a comment is not closed"));
            };
            at += end + 4;
        } else {
            return Ok(at);
        }
    }
}

/// A string in quotes, in which a quote stands twice.
fn literal(rest: &str) -> Option<(usize, Token)> {
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            value.push(c);
        } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
            value.push('\'');
        } else {
            return Some((at + 1, Token::Text(value)));
        }
    }
    None
}

/// Whole numbers in decimal, hexadecimal and octal, and numbers with a point or an exponent.
fn number(rest: &str) -> Result<(usize, Token), String> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let suffix = |at: usize| usize::from(matches!(rest.as_bytes().get(at), Some(b'l' | b'L')));
    let whole = |text: &str, radix: u32| {
        i64::from_str_radix(text, radix)
            .map(Token::Integer)
            .map_err(|_| format!("{text} is too large for a number"))
    };
    if let Some(hex) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        let len = hex.bytes().take_while(u8::is_ascii_hexdigit).count();
        let token = whole(hex.get(..len).unwrap_or_default(), 16)?;
        return Ok((2 + len + suffix(2 + len), token));
    }
    let mut len = digits(rest);
    let is_float_at = |at: usize| matches!(rest.as_bytes().get(at), Some(b'.' | b'e' | b'E'));
    if !is_float_at(len) {
        let text = rest.get(..len).unwrap_or_default();
        let is_octal = len > 1 && text.starts_with('0');
        return Ok((len + suffix(len), whole(text, if is_octal { 8 } else { 10 })?));
    }
    if rest.as_bytes().get(len) == Some(&b'.') {
        len += 1;
        len += digits(rest.get(len..).unwrap_or_default());
    }
    if let Some(exponent) = rest.get(len..).filter(|tail| tail.starts_with(['e', 'E'])) {
        let sign = usize::from(exponent.get(1..).is_some_and(|tail| tail.starts_with(['+', '-'])));
        let count = digits(exponent.get(1 + sign..).unwrap_or_default());
        if count == 0 {
            return Err("an exponent has no digits".to_owned());
        }
        len += 1 + sign + count;
    }
    let text = rest.get(..len).unwrap_or_default();
    let value = text.parse().map_err(|_| format!("{text} is no number"))?;
    Ok((len, Token::Float(value)))
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

/// A name or a keyword, in any case of letters. Java: a name goes on with whatever an identifier may.
fn word(rest: &str) -> (usize, Token) {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || c == '.';
    let len = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let text = rest.get(..len).unwrap_or_default();
    let keyword = KEYWORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    let token = match keyword {
        Some((_, keyword)) => Token::Keyword(*keyword),
        None => Token::Name(text.to_owned()),
    };
    (len, token)
}

//! `Pattern`: what `LIKE` compares with.

/// A pattern in which `_` stands for one character and `%` for any number.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Char(char),
    One,
    Any,
}

impl Pattern {
    /// Reads a pattern. Java: the escape character does so only in front of a sign with a meaning; a
    /// wildcard as escape character is a wildcard elsewhere.
    pub(super) fn new(text: &str, escape: Option<char>) -> Self {
        let mut pieces = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let has_meaning = |next: &char| matches!(next, '%' | '_') || Some(*next) == escape;
            if Some(c) == escape
                && let Some(next) = chars.next_if(has_meaning)
            {
                pieces.push(Piece::Char(next));
                continue;
            }
            let piece = match c {
                '_' => Piece::One,
                '%' => Piece::Any,
                c => Piece::Char(c),
            };
            // Two in a row say no more than one, and would only cost time.
            if piece != Piece::Any || pieces.last() != Some(&Piece::Any) {
                pieces.push(piece);
            }
        }
        Self(pieces)
    }

    /// Matches in time proportional to the product of both lengths at worst, without recursion.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Self(pieces) = self;
        let (mut piece, mut rest) = (0, text.chars());
        // Where to go on when it does not fit: behind the last `%`, one character later.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let mut ahead = rest.clone();
            match (pieces.get(piece), ahead.next()) {
                (None, None) => return true,
                (Some(Piece::Any), _) => {
                    piece += 1;
                    retry = Some((piece, rest.clone()));
                    continue;
                }
                (Some(Piece::One), Some(_)) => {
                    (piece, rest) = (piece + 1, ahead);
                    continue;
                }
                (Some(Piece::Char(wanted)), Some(found)) if *wanted == found => {
                    (piece, rest) = (piece + 1, ahead);
                    continue;
                }
                (None | Some(Piece::One | Piece::Char(_)), _) => {}
            }
            let Some((from, text)) = &mut retry else { return false };
            if text.next().is_none() {
                return false;
            }
            (piece, rest) = (*from, text.clone());
        }
    }
}

//! From tokens to an expression, by binding powers; what can be known to be wrong is refused.

use super::lexer::{Keyword, Sign, Token, tokens};
use super::like::Pattern;
use super::{MAX_NESTING, SelectorError};

/// What a selector is made of.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Name(String),
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Not(Box<Self>),
    Negate(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Compare(Comparison, Box<Self>, Box<Self>),
    Compute(Operation, Box<Self>, Box<Self>),
    Between { value: Box<Self>, low: Box<Self>, high: Box<Self> },
    Like { value: Box<Self>, pattern: Pattern },
    In { value: Box<Self>, texts: Vec<String> },
    IsNull(Box<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

pub(super) fn parse(text: &str) -> Result<Expression, SelectorError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let expression = parser.expression(0)?;
    if *parser.peek() != Token::End {
        return Err(parser.unexpected("the end"));
    }
    parser.condition(0, expression)
}

/// How tightly signs and words bind, loosest first.
mod power {
    pub(super) const OR: u8 = 1;
    pub(super) const AND: u8 = 2;
    pub(super) const NOT: u8 = 3;
    pub(super) const EQUALITY: u8 = 4;
    pub(super) const COMPARISON: u8 = 5;
    pub(super) const SUM: u8 = 6;
    pub(super) const PRODUCT: u8 = 7;
    pub(super) const UNARY: u8 = 8;
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

/// What stands between two operands, or behind one.
enum Operator {
    And,
    Or,
    Compare(Comparison),
    Compute(Operation),
    /// `BETWEEN`, `LIKE`, `IN`, and whether `NOT` stands in front.
    Test(Keyword, bool),
    Is,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(_, token)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).or_else(|| self.tokens.last()).map_or(0, |(at, _)| *at)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn take_if(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, token: &Token, what: &str) -> Result<(), SelectorError> {
        if self.take_if(token) { Ok(()) } else { Err(self.unexpected(what)) }
    }

    fn unexpected(&self, wanted: &str) -> SelectorError {
        let found = match self.peek() {
            Token::Name(name) => name.clone(),
            Token::Text(text) => format!("'{text}'"),
            Token::Integer(value) => value.to_string(),
            Token::Float(value) => value.to_string(),
            Token::Keyword(word) => format!("{word:?}").to_uppercase(),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::End => "the end".to_owned(),
        };
        SelectorError::new(self.at(), format!("{wanted} is expected, not {found}"))
    }

    /// One level deeper, for as long as that is allowed.
    fn descend<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, SelectorError>,
    ) -> Result<T, SelectorError> {
        if self.depth == MAX_NESTING {
            let problem = format!("nested deeper than {MAX_NESTING}");
            return Err(SelectorError::new(self.at(), problem));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// An expression whose operators bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Result<Expression, SelectorError> {
        let start = self.at();
        let mut left = self.descend(Self::operand)?;
        // A long chain makes a deep tree, although the text is not nested.
        let mut length = 0;
        while let Some((operator, power, tokens)) = self.operator()
            && power >= least
        {
            length += 1;
            if length > MAX_NESTING * 5 {
                return Err(SelectorError::new(self.at(), "too many operators in a row"));
            }
            self.next += tokens;
            left = self.apply(start, left, operator, power)?;
        }
        Ok(left)
    }

    /// The operator that comes next, how tightly it binds, and of how many tokens it is.
    fn operator(&self) -> Option<(Operator, u8, usize)> {
        use power::{AND, COMPARISON, EQUALITY, OR, PRODUCT, SUM};
        let compare = |comparison| Operator::Compare(comparison);
        Some(match self.peek() {
            Token::Keyword(Keyword::Or) => (Operator::Or, OR, 1),
            Token::Keyword(Keyword::And) => (Operator::And, AND, 1),
            Token::Keyword(Keyword::Is) => (Operator::Is, EQUALITY, 1),
            Token::Keyword(word @ (Keyword::Between | Keyword::Like | Keyword::In)) => {
                (Operator::Test(*word, false), COMPARISON, 1)
            }
            Token::Keyword(Keyword::Not) => match self.tokens.get(self.next + 1) {
                Some((
                    _,
                    Token::Keyword(word @ (Keyword::Between | Keyword::Like | Keyword::In)),
                )) => (Operator::Test(*word, true), COMPARISON, 2),
                _ => return None,
            },
            Token::Sign(sign) => match sign {
                Sign::Equal => (compare(Comparison::Equal), EQUALITY, 1),
                Sign::NotEqual => (compare(Comparison::NotEqual), EQUALITY, 1),
                Sign::Less => (compare(Comparison::Less), COMPARISON, 1),
                Sign::LessOrEqual => (compare(Comparison::LessOrEqual), COMPARISON, 1),
                Sign::Greater => (compare(Comparison::Greater), COMPARISON, 1),
                Sign::GreaterOrEqual => (compare(Comparison::GreaterOrEqual), COMPARISON, 1),
                Sign::Plus => (Operator::Compute(Operation::Add), SUM, 1),
                Sign::Minus => (Operator::Compute(Operation::Subtract), SUM, 1),
                Sign::Times => (Operator::Compute(Operation::Multiply), PRODUCT, 1),
                Sign::Divide => (Operator::Compute(Operation::Divide), PRODUCT, 1),
                Sign::Modulo => (Operator::Compute(Operation::Modulo), PRODUCT, 1),
                Sign::Open | Sign::Close | Sign::Comma => return None,
            },
            Token::Keyword(_)
            | Token::Name(_)
            | Token::Text(_)
            | Token::Integer(_)
            | Token::Float(_)
            | Token::End => return None,
        })
    }

    fn apply(
        &mut self,
        start: usize,
        left: Expression,
        operator: Operator,
        power: u8,
    ) -> Result<Expression, SelectorError> {
        match operator {
            Operator::And | Operator::Or => {
                let left = Box::new(self.condition(start, left)?);
                let at = self.at();
                let right = self.expression(power + 1)?;
                let right = Box::new(self.condition(at, right)?);
                Ok(match operator {
                    Operator::And => Expression::And(left, right),
                    _ => Expression::Or(left, right),
                })
            }
            Operator::Compare(comparison) => {
                let at = self.at();
                let right = self.expression(power + 1)?;
                if !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
                    ordered(start, &left)?;
                    ordered(at, &right)?;
                }
                Ok(Expression::Compare(comparison, Box::new(left), Box::new(right)))
            }
            Operator::Compute(operation) => {
                let right = self.expression(power + 1)?;
                Ok(Expression::Compute(operation, Box::new(left), Box::new(right)))
            }
            Operator::Test(word, negated) => {
                let test = self.test(Box::new(left), word)?;
                Ok(if negated { Expression::Not(Box::new(test)) } else { test })
            }
            Operator::Is => {
                let negated = self.take_if(&Token::Keyword(Keyword::Not));
                self.expect(&Token::Keyword(Keyword::Null), "NULL")?;
                let test = Expression::IsNull(Box::new(left));
                Ok(if negated { Expression::Not(Box::new(test)) } else { test })
            }
        }
    }

    /// What follows `BETWEEN`, `LIKE` or `IN`.
    fn test(&mut self, value: Box<Expression>, word: Keyword) -> Result<Expression, SelectorError> {
        match word {
            Keyword::Between => {
                let low = Box::new(self.expression(power::SUM)?);
                self.expect(&Token::Keyword(Keyword::And), "AND")?;
                let high = Box::new(self.expression(power::SUM)?);
                Ok(Expression::Between { value, low, high })
            }
            Keyword::Like => {
                let pattern = self.text()?;
                let at = self.at();
                let escape = if self.take_if(&Token::Keyword(Keyword::Escape)) {
                    let text = self.text()?;
                    let mut chars = text.chars();
                    let (Some(escape), None) = (chars.next(), chars.next()) else {
                        return Err(SelectorError::new(at, "ESCAPE takes one character"));
                    };
                    Some(escape)
                } else {
                    None
                };
                Ok(Expression::Like { value, pattern: Pattern::new(&pattern, escape) })
            }
            _ => {
                self.expect(&Token::Sign(Sign::Open), "(")?;
                let mut texts = vec![self.text()?];
                while self.take_if(&Token::Sign(Sign::Comma)) {
                    texts.push(self.text()?);
                }
                self.expect(&Token::Sign(Sign::Close), ")")?;
                Ok(Expression::In { value, texts })
            }
        }
    }

    fn text(&mut self) -> Result<String, SelectorError> {
        if !matches!(self.peek(), Token::Text(_)) {
            return Err(self.unexpected("a string"));
        }
        let Token::Text(text) = self.take() else { return Err(self.unexpected("a string")) };
        Ok(text)
    }

    fn operand(&mut self) -> Result<Expression, SelectorError> {
        let at = self.at();
        let refusal = self.unexpected("a value");
        match self.take() {
            Token::Name(name) => {
                if *self.peek() == Token::Sign(Sign::Open) || matches!(self.peek(), Token::Text(_))
                {
                    let problem = format!("{name} is not something that selectors here can do");
                    return Err(SelectorError::new(at, problem));
                }
                Ok(Expression::Name(name))
            }
            Token::Text(text) => Ok(Expression::Text(text)),
            Token::Integer(value) => Ok(Expression::Integer(value)),
            Token::Float(value) => Ok(Expression::Float(value)),
            Token::Keyword(Keyword::True) => Ok(Expression::Boolean(true)),
            Token::Keyword(Keyword::False) => Ok(Expression::Boolean(false)),
            Token::Keyword(Keyword::Not) => {
                let at = self.at();
                let inner = self.expression(power::NOT)?;
                Ok(Expression::Not(Box::new(self.condition(at, inner)?)))
            }
            Token::Sign(Sign::Plus) => self.expression(power::UNARY),
            Token::Sign(Sign::Minus) => {
                Ok(Expression::Negate(Box::new(self.expression(power::UNARY)?)))
            }
            Token::Sign(Sign::Open) => {
                let inner = self.expression(0)?;
                self.expect(&Token::Sign(Sign::Close), ")")?;
                Ok(inner)
            }
            Token::Keyword(_) | Token::Sign(_) | Token::End => Err(refusal),
        }
    }

    /// The expression, if it can be true or false.
    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    fn condition(&self, at: usize, found: Expression) -> Result<Expression, SelectorError> {
        match found {
            Expression::Text(_)
            | Expression::Integer(_)
            | Expression::Float(_)
            | Expression::Negate(_)
            | Expression::Compute(..) => {
                Err(SelectorError::new(at, "this is neither true nor false"))
            }
            Expression::Name(_)
            | Expression::Boolean(_)
            | Expression::Not(_)
            | Expression::And(..)
            | Expression::Or(..)
            | Expression::Compare(..)
            | Expression::Between { .. }
            | Expression::Like { .. }
            | Expression::In { .. }
            | Expression::IsNull(_) => Ok(found),
        }
    }
}

/// Java: strings and booleans that stand in the selector have no order.
fn ordered(at: usize, value: &Expression) -> Result<(), SelectorError> {
    match value {
        Expression::Text(text) => {
            Err(SelectorError::new(at, format!("'{text}' has no order: use = or <>")))
        }
        Expression::Boolean(_) => Err(SelectorError::new(at, "a boolean has no order")),
        _ => Ok(()),
    }
}

//! Answers to commands that asked for one.

use super::Command;
use crate::macros::{attr, cached, fields, structure};
use crate::wire::throwable::Throwable;

structure! {
    /// It is done.
    #[wire(code = 30)]
    pub struct Response: Response {}
}

structure! {
    /// It was refused, or failed.
    #[wire(code = 31)]
    pub struct ExceptionResponse: Response {
        /// Why.
        pub exception: Option<Box<Throwable>>,
    }
}

structure! {
    /// It is done, and this is the answer.
    #[wire(code = 32)]
    pub struct DataResponse: Response {
        /// The answer.
        pub data: Option<Box<Command>>,
    }
}

structure! {
    /// It is done, and these are the answers: the transactions in doubt, to `RECOVER`.
    #[wire(code = 33)]
    pub struct DataArrayResponse: Response {
        /// The answers.
        pub data: Option<Vec<Option<Box<Command>>>>,
    }
}

structure! {
    /// It is done, with a number: XA's vote, to `PREPARE`.
    #[wire(code = 34)]
    pub struct IntegerResponse: Response {
        /// The number.
        pub result: i32,
    }
}

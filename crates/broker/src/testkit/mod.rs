//! What tests of applications need: a network that fails when it is told to.
//!
//! Behind the feature `testkit`:
//!
//! - [`FaultProxy`]: a TCP proxy between a client and its broker that fails as networks do.

mod fault;
mod proxy;

pub use self::fault::{Direction, Fault, FaultError};
pub use self::proxy::{Ending, FaultProxy, ProxyError, ProxyEvent};

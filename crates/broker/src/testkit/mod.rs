//! What tests of applications need: brokers in their own process, and a network, that fail when they are told to.
//!
//! Behind the feature `testkit`:
//!
//! - [`TestCluster`]: some brokers that can be stopped, killed, restarted, paused and cut off.
//! - [`FaultProxy`]: a TCP proxy between a client and its broker that fails as networks do.
//! - [`eventually`]: waits for something, in place of a sleep.
//!
//! A test of what an application does when its broker dies needs no more than this:
//!
//! ```
//! use rewire_broker::testkit::{TestCluster, eventually};
//! # struct Shop;
//! # impl Shop {
//! #     async fn open(_: &str) -> Self { Self }
//! #     async fn order(&self, _: &str) {}
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let cluster = TestCluster::start(2).await;
//! let shop = Shop::open(&cluster.failover_uri()).await; // the application
//! shop.order("12 anvils").await;
//! cluster[0].kill().await;
//! shop.order("13 anvils").await;
//! # return;
//! eventually("the order is at the other broker", async || {
//!     cluster[1].messages("ORDERS").await == 1
//! })
//! .await;
//! # }
//! ```
//!
//! `examples/failover_test.rs` in the repository is such a test, whole.

mod broker;
mod cluster;
mod fault;
mod process;
mod proxy;

pub use self::broker::TestBroker;
pub use self::cluster::{TestCluster, TestClusterBuilder, eventually};
pub use self::fault::{Direction, Fault, FaultError};
pub use self::proxy::{Ending, FaultProxy, ProxyError, ProxyEvent};

//! A link to ActiveMQ brokers that survives them.

pub mod uri;

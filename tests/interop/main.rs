//! Rewire against a real ActiveMQ: one module a scenario.

//! What tests share: real brokers, Java programs, free ports, conditions with deadlines.

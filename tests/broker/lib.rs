//! Holds nothing: the suite is the test binary `broker`.

//! Composite URIs and their options.

//! What the side-by-side measurements share.

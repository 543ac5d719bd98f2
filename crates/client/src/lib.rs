//! What application authors hold.

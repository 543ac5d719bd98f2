//! The handshake: what each side would like, before anything else is said.

use bytes::Bytes;

use crate::macros::{attr, cached, fields, structure};

structure! {
    /// The first frame in each direction, always loose, without a cache and with its size in front.
    #[wire(code = 1)]
    pub struct WireFormatInfo {
        /// `ActiveMQ`.
        pub magic: [u8; 8],
        /// The newest version the sender speaks.
        pub version: i32,
        /// Its wishes, as a primitive map.
        pub marshalled_properties: Option<Bytes>,
    }
}

impl WireFormatInfo {
    /// What the magic must be.
    pub const MAGIC: [u8; 8] = *b"ActiveMQ";
}

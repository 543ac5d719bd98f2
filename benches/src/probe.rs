//! A bare socket that waits for the end of its peer.

use std::io::Read;
use std::net::TcpStream;
use std::thread::JoinHandle;

use rewire_test_support::monotonic_ns;

/// Connected to a broker and silent, it sees when the kernel shows the broker's end.
#[derive(Debug)]
pub(crate) struct Probe {
    ended_ns: JoinHandle<u64>,
}

impl Probe {
    pub(crate) fn start(port: u16) -> Self {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
        let ended_ns = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(1..) = socket.read(&mut buffer) {}
            monotonic_ns()
        });
        Self { ended_ns }
    }

    /// Waits for the end, and says when it was.
    pub(crate) fn wait(self) -> u64 {
        self.ended_ns.join().expect("a probe does not panic")
    }
}

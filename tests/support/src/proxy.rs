//! A proxy between a client and a broker that loses what a test wants lost.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Passes bytes on, in both directions, until told otherwise. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    loses_answers: AtomicBool,
    loses_requests: AtomicBool,
    is_over: AtomicBool,
    /// Both ends of each connection.
    streams: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A proxy to this port of this machine.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    #[must_use]
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let own = listener.local_addr().expect("a listener has an address").port();
        let shared = Arc::new(Shared {
            target: (Ipv4Addr::LOCALHOST, port).into(),
            loses_answers: AtomicBool::new(false),
            loses_requests: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            streams: Mutex::new(Vec::new()),
        });
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || shared.accept(&listener)
        });
        Self { port: own, shared, accepting: Some(accepting) }
    }

    /// Where it accepts connections: `tcp://127.0.0.1:PORT`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// From now on nothing that the broker says arrives.
    pub fn lose_answers(&self) {
        self.shared.loses_answers.store(true, Ordering::SeqCst);
    }

    /// From now on nothing that the client says arrives.
    pub fn lose_requests(&self) {
        self.shared.loses_requests.store(true, Ordering::SeqCst);
    }

    /// Ends all connections, and loses nothing of those to come.
    pub fn cut(&self) {
        let streams = std::mem::take(&mut *self.shared.streams());
        for stream in streams {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.shared.loses_answers.store(false, Ordering::SeqCst);
        self.shared.loses_requests.store(false, Ordering::SeqCst);
    }
}

impl Shared {
    fn streams(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while let Ok((client, _)) = listener.accept() {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            // Without a broker the client is let go, as a port without a listener would.
            let Ok(broker) = TcpStream::connect(self.target) else { continue };
            let both = [(&client, &broker), (&broker, &client)];
            let clones = both.map(|(from, to)| (from.try_clone(), to.try_clone()));
            self.streams().extend([client, broker]);
            let loses: [fn(&Self) -> &AtomicBool; 2] =
                [|shared| &shared.loses_requests, |shared| &shared.loses_answers];
            for (clone, loses) in clones.into_iter().zip(loses) {
                let (Ok(from), Ok(to)) = clone else { continue };
                let shared = self.clone();
                std::thread::spawn(move || shared.pass_on(from, to, loses));
            }
        }
    }

    fn pass_on(&self, mut from: TcpStream, mut to: TcpStream, loses: fn(&Self) -> &AtomicBool) {
        let mut bytes = vec![0; 1 << 16];
        loop {
            let count = match from.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            if !loses(self).load(Ordering::SeqCst) && to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        for stream in [from, to] {
            // The other direction may have ended it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Proxy, TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap().port());
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port)).unwrap();
        let (server, _) = listener.accept().unwrap();
        (proxy, client, server)
    }

    #[test]
    fn it_passes_on_what_it_is_not_told_to_lose_and_ends_what_it_is_told_to() {
        let (proxy, mut client, mut server) = pair();
        let mut byte = [0];
        client.write_all(b"a").unwrap();
        server.read_exact(&mut byte).unwrap();
        proxy.lose_answers();
        server.write_all(b"lost").unwrap();
        client.write_all(b"b").unwrap();
        server.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"b");
        proxy.cut();
        assert_eq!(client.read(&mut byte).unwrap_or(0), 0);
        assert_eq!(server.read(&mut byte).unwrap_or(0), 0);
    }
}

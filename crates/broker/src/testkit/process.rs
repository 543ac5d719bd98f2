//! `Process`: a broker with a thread of its own, that can be stopped, killed and held like a process.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc as std_mpsc;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use crate::server::Probe;
use crate::{Broker, BrokerBuilder, StartError};

/// See the [module](self). Dropping it kills the broker, and waits until it is gone.
#[derive(Debug)]
pub(super) struct Process {
    orders: mpsc::Sender<Order>,
    pub(super) probe: Probe,
    pub(super) address: SocketAddr,
    /// Holds the thread as long as it is there.
    gate: Option<Gate>,
    /// `None` only while it is dropped.
    thread: Option<JoinHandle<()>>,
}

/// Dropped, it lets a thread go on.
#[derive(Debug)]
struct Gate(#[expect(dead_code, reason = "it is there to be dropped")] std_mpsc::SyncSender<()>);

/// What is wanted of a thread.
#[derive(Debug)]
enum Order {
    /// Stand still until the gate opens.
    Pause(std_mpsc::Receiver<()>, oneshot::Sender<()>),
    /// End in order.
    Stop,
    /// End at once.
    Kill,
}

type Started = Result<(Probe, SocketAddr), StartError>;

impl Process {
    /// Starts a broker. Nothing is left behind when the future is dropped.
    pub(super) async fn start(builder: BrokerBuilder, name: &str) -> Result<Self, StartError> {
        let (orders, given) = mpsc::channel(4);
        let (started, is_started) = oneshot::channel();
        let work = move || run(builder, given, started);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
        let thread = thread.map_err(StartError::Thread)?;
        let (probe, address) = match is_started.await {
            Ok(started) => started?,
            Err(_) => return Err(StartError::Thread(io::Error::other("it has panicked"))),
        };
        Ok(Self { orders, probe, address, gate: None, thread: Some(thread) })
    }

    /// Stands still, as under SIGSTOP: when this returns nothing of the broker moves any more.
    pub(super) async fn pause(&mut self) {
        let (opens, gate) = std_mpsc::sync_channel(1);
        let (told, stands) = oneshot::channel();
        if self.orders.send(Order::Pause(gate, told)).await.is_ok() {
            // The end of the thread is an answer as well.
            let _ = stands.await;
            self.gate = Some(Gate(opens));
        }
    }

    /// Goes on. Nothing happens when it does already.
    pub(super) fn resume(&mut self) {
        self.gate = None;
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.gate.is_some()
    }

    pub(super) async fn stop(self) {
        self.end(Order::Stop).await;
    }

    pub(super) async fn kill(self) {
        self.end(Order::Kill).await;
    }

    async fn end(mut self, order: Order) {
        let _ = self.orders.send(order).await;
        // It finds the order before anything else it might do.
        self.gate = None;
        self.orders.closed().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The thread of a broker that nobody holds any more kills it.
        let (nobody, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.orders, nobody));
        self.gate = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been shown already.
            let _ = thread.join();
        }
    }
}

/// The whole life of a broker. Its runtime is this one thread: whoever holds the thread holds all of it.
fn run(builder: BrokerBuilder, orders: mpsc::Receiver<Order>, started: oneshot::Sender<Started>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(StartError::Thread(error)));
            return;
        }
    };
    runtime.block_on(live(builder, orders, started));
    runtime.shutdown_background();
}

async fn live(
    builder: BrokerBuilder,
    mut orders: mpsc::Receiver<Order>,
    started: oneshot::Sender<Started>,
) {
    let broker = match builder.start().await {
        Ok(broker) => broker,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    // It was told to listen.
    let Some(address) = broker.addresses().next() else { return broker.kill().await };
    if started.send(Ok((broker.probe(), address))).is_err() {
        return broker.kill().await;
    }
    obey(broker, &mut orders).await;
}

async fn obey(broker: Broker, orders: &mut mpsc::Receiver<Order>) {
    loop {
        match orders.recv().await {
            Some(Order::Pause(gate, told)) => {
                let _ = told.send(());
                // On purpose the whole thread: sockets stay open, and nobody is there.
                let _ = gate.recv();
            }
            Some(Order::Stop) => return broker.stop().await,
            Some(Order::Kill) | None => return broker.kill().await,
        }
    }
}

//! The tasks of a run: one sends, one notes what becomes of it, one receives.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rewire::{Connection, Consumer, Destination, Error, ErrorKind, Message, Producer, Receipt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::account::{Receiving, Sending, Series};
use super::args::Plan;
use super::memory::Memory;
use super::outage::{Outage, Outages, Side};
use super::progress::{Live, Progress};
use crate::args::Access;
use crate::clock::{cpu_ns, now_ns};
use crate::ledger::Numbers;
use crate::receive::{ack_mode, number, property};
use crate::run::{self, Failure, with_advice};
use crate::send::{GRACE, pattern};
use crate::tally::Outcome;

/// When a message leaves later than this after it was due, its time counts from then: what waits for a broker
/// is late, what waits for a timer is not.
const LATE_NS: u64 = 5_000_000;
/// When all has come, how long more is waited for duplicates.
const QUIET: Duration = Duration::from_millis(500);

/// What happened in a run.
pub(crate) struct Found {
    pub(crate) sending: Sending,
    pub(crate) receiving: Receiving,
    pub(crate) outages: Vec<Outage>,
    pub(crate) interruptions: u64,
    pub(crate) memory: Memory,
    /// When the first message was sent.
    pub(crate) began_ns: u64,
    /// How long it was sent.
    pub(crate) sent_for: Duration,
    /// CPU that this program used meanwhile, from the first message until the last came.
    pub(crate) cpu_ns: u64,
    /// Why it ended before its time.
    pub(crate) problem: Option<String>,
}

/// Connects, sends for as long as the plan says, and waits for what is missing.
pub(crate) async fn run(
    plan: &Plan,
    access: &Access,
    destination: &Destination,
) -> Result<Found, Failure> {
    let outages = Outages::new();
    let receiving = connect(access, &outages, Side::Receiver).await?;
    let session = receiving.session().ack(ack_mode(plan.ack)).await?;
    let mut builder = session.consumer(destination);
    if let Some(prefetch) = plan.prefetch {
        builder = builder.prefetch(prefetch);
    }
    let consumer = builder.await?;
    let sending = connect(access, &outages, Side::Sender).await?;
    let producer = sending.session().await?.producer(destination).await?;

    let (began_ns, cpu_from_ns) = (now_ns(), cpu_ns());
    let measured_from_ns = began_ns + u64::try_from(plan.warmup.as_nanos()).unwrap_or(u64::MAX);
    let series = || Series::new(measured_from_ns, plan.pause());
    let common = Arc::new(Common {
        live: Live::default(),
        stop: watch::channel(false).0,
        arrivals: plan.is_alone().then(|| Semaphore::new(0)),
        pid: format!("{}-{began_ns}", std::process::id()),
    });
    let (all_sent, is_all_sent) = oneshot::channel();
    let receiver =
        Receiver { common: common.clone(), account: Receiving::new(series()), drain: plan.drain };
    let mut received = tokio::spawn(receiver.receive(consumer, is_all_sent));
    let (sent, to_note) = mpsc::channel(plan.in_flight);
    let collector =
        Collector { common: common.clone(), account: Sending::new(series()), problem: None };
    let mut collected = tokio::spawn(collector.collect(to_note));
    let sender = Sender { common: common.clone(), producer, sent, began_ns, plan: plan.clone() };
    tokio::spawn(sender.send_all());

    let mut watch = Watch::new(plan.duration, outages, common.clone());
    let mut stopped = None;
    let answered_by = Instant::now() + plan.duration + plan.drain;
    let mut waited = watch.wait(&mut collected, Some(answered_by)).await?;
    if matches!(waited, Waited::Stopped) {
        stopped = Some("stopped before its time".to_owned());
        common.stop.send_replace(true);
        waited = watch.wait(&mut collected, Some(Instant::now() + GRACE)).await?;
    }
    if !matches!(waited, Waited::Done(_)) {
        // What is unanswered now is in doubt.
        common.stop.send_replace(true);
        let _ = sending.close().await;
        waited = watch.wait(&mut collected, None).await?;
    }
    let Waited::Done((sent, refused)) = waited else {
        return Err(Failure::failed("stopped while answers were waited for"));
    };
    let sent_for = watch.began.elapsed().min(plan.duration);
    // The receiver may have ended before.
    let _ = all_sent.send(sent.confirmed.numbers.clone());
    let Waited::Done((came, failed)) = watch.wait(&mut received, None).await? else {
        return Err(Failure::failed("stopped while what is missing was waited for"));
    };
    let cpu_ns = cpu_ns().saturating_sub(cpu_from_ns);
    let Watch { progress, memory, outages, .. } = watch;
    progress.finish();
    let _ = tokio::join!(sending.close(), receiving.close());
    let (outages, interruptions) = outages.finish();
    let problem = refused.or(failed).or(stopped);
    Ok(Found {
        sending: sent,
        receiving: came,
        outages,
        interruptions,
        memory,
        began_ns,
        sent_for,
        cpu_ns,
        problem,
    })
}

async fn connect(access: &Access, outages: &Outages, side: Side) -> Result<Connection, Failure> {
    let builder = run::builder(access)?.listener(outages.listener(side));
    tokio::select! {
        connected = builder => Ok(connected?),
        _ = tokio::signal::ctrl_c() => Err(Failure::failed("stopped before a broker was there")),
    }
}

/// What the tasks of a run share.
struct Common {
    live: Live,
    /// No more is to be sent.
    stop: watch::Sender<bool>,
    /// A permit for each message that came, where the next one waits for it.
    arrivals: Option<Semaphore>,
    /// By this the messages of this run are known.
    pid: String,
}

/// Looks on, once a second.
struct Watch {
    began: Instant,
    progress: Progress,
    memory: Memory,
    outages: Outages,
    common: Arc<Common>,
    tick: Interval,
}

enum Waited<T> {
    Done(T),
    /// The deadline was first.
    Late,
    /// SIGINT was first.
    Stopped,
}

impl Watch {
    fn new(duration: Duration, outages: Outages, common: Arc<Common>) -> Self {
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let progress = Progress::new(duration);
        Self { began: Instant::now(), progress, memory: Memory::default(), outages, common, tick }
    }

    async fn wait<T>(
        &mut self,
        task: &mut JoinHandle<T>,
        until: Option<Instant>,
    ) -> Result<Waited<T>, Failure> {
        let deadline = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let mut deadline = std::pin::pin!(deadline);
        let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            tokio::select! {
                done = &mut *task => {
                    return done.map(Waited::Done).map_err(|error| Failure::failed(error.to_string()));
                }
                () = &mut deadline => return Ok(Waited::Late),
                _ = &mut stop => return Ok(Waited::Stopped),
                _ = self.tick.tick() => {
                    self.memory.sample();
                    self.outages.take();
                    self.progress.show(self.began.elapsed(), &self.common.live, self.outages.count);
                }
            }
        }
    }
}

/// A message on its way: its number, when it was begun with, and its receipt.
type Sent = (u64, u64, Result<Receipt, Error>, OwnedSemaphorePermit);

struct Sender {
    common: Arc<Common>,
    producer: Producer,
    sent: mpsc::Sender<Sent>,
    began_ns: u64,
    plan: Plan,
}

impl Sender {
    /// Sends until it is time, or it is stopped.
    async fn send_all(self) {
        let mut stop = self.common.stop.subscribe();
        let until = Instant::now() + self.plan.duration;
        tokio::select! {
            () = self.send() => {}
            () = sleep_until(until) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn send(&self) {
        let began = Instant::now();
        let text = pattern(self.plan.size);
        let template = Message::text(text)
            .persistent(self.plan.is_persistent)
            .property("pid", self.common.pid.as_str());
        let in_flight = Arc::new(Semaphore::new(self.plan.in_flight));
        for seq in 0_u64.. {
            let mut due_ns = None;
            if let Some(rate) = self.plan.rate {
                let after_ns = seq.saturating_mul(1_000_000_000) / rate;
                due_ns = Some(self.began_ns + after_ns);
                sleep_until(began + Duration::from_nanos(after_ns)).await;
            }
            let Ok(permit) = in_flight.clone().acquire_owned().await else { return };
            let Ok(room) = self.sent.reserve().await else { return };
            let now_ns = now_ns();
            let begun_ns = due_ns.filter(|due_ns| due_ns + LATE_NS < now_ns).unwrap_or(now_ns);
            let message = template
                .clone()
                .property("seq", seq.cast_signed())
                .property("ts", begun_ns.cast_signed());
            let receipt = self.producer.enqueue(message).await;
            room.send((seq, begun_ns, receipt, permit));
            if let Some(arrivals) = &self.common.arrivals {
                // One that does not come is waited for until the time is over.
                let Ok(arrived) = arrivals.acquire().await else { return };
                arrived.forget();
            }
        }
    }
}

/// Notes what becomes of messages, in their order.
struct Collector {
    common: Arc<Common>,
    account: Sending,
    problem: Option<String>,
}

impl Collector {
    async fn collect(mut self, mut to_note: mpsc::Receiver<Sent>) -> (Sending, Option<String>) {
        while let Some((seq, begun_ns, receipt, _in_flight)) = to_note.recv().await {
            let answered = match receipt {
                Ok(receipt) => receipt.await,
                Err(error) => Err(error),
            };
            let outcome = match answered {
                Ok(_) => {
                    self.common.live.confirmed.fetch_add(1, Ordering::Relaxed);
                    Outcome::Confirmed
                }
                Err(error) => self.explain(&error),
            };
            self.account.note(seq, begun_ns, now_ns(), outcome);
        }
        (self.account, self.problem)
    }

    fn explain(&mut self, error: &Error) -> Outcome {
        if self.problem.is_none() && !*self.common.stop.borrow() {
            self.problem = Some(with_advice(error));
        }
        if matches!(error.kind(), ErrorKind::Closed | ErrorKind::Unreachable) {
            // Nothing more will come of this.
            self.common.stop.send_replace(true);
        }
        Outcome::of(error.kind())
    }
}

struct Receiver {
    common: Arc<Common>,
    account: Receiving,
    drain: Duration,
}

impl Receiver {
    /// Receives until all that was confirmed has come, or what is missing was waited for long enough.
    async fn receive(
        mut self,
        mut consumer: Consumer,
        mut is_all_sent: oneshot::Receiver<Numbers>,
    ) -> (Receiving, Option<String>) {
        let mut wanted: Option<Numbers> = None;
        loop {
            let patience = match &wanted {
                Some(wanted) if wanted.absent_from(&self.account.arrived.numbers) == 0 => QUIET,
                Some(_) => self.drain,
                None => Duration::MAX,
            };
            let over = async {
                match Instant::now().checked_add(patience) {
                    Some(over) => sleep_until(over).await,
                    None => std::future::pending().await,
                }
            };
            let next = tokio::select! {
                biased;
                next = consumer.next() => next,
                numbers = &mut is_all_sent, if wanted.is_none() => {
                    // Without them the run has failed.
                    wanted = Some(numbers.unwrap_or_default());
                    continue;
                }
                () = over => return (self.account, None),
            };
            let Some(delivery) = next else { return self.fail("the consumer has ended") };
            let delivery = match delivery {
                Ok(delivery) => delivery,
                Err(error) => return self.fail(&with_advice(&error)),
            };
            self.note(delivery.message(), delivery.is_redelivered());
            if let Err(error) = delivery.ack().await {
                return self.fail(&with_advice(&error));
            }
        }
    }

    fn note(&mut self, message: &Message, is_redelivered: bool) {
        let seq = number(message).filter(|(pid, _)| *pid == self.common.pid).map(|(_, seq)| seq);
        let begun = property(message, "ts").and_then(|ts| ts.as_long().ok());
        let (Some(seq), Some(begun)) = (seq, begun) else {
            self.account.foreign += 1;
            return;
        };
        self.account.note(seq, begun.cast_unsigned(), now_ns(), is_redelivered);
        self.common.live.received.fetch_add(1, Ordering::Relaxed);
        if let Some(arrivals) = &self.common.arrivals {
            arrivals.add_permits(1);
        }
    }

    fn fail(self, why: &str) -> (Receiving, Option<String>) {
        self.common.stop.send_replace(true);
        (self.account, Some(why.to_owned()))
    }
}

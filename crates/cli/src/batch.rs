//! Sending in transactions: what becomes of a message is what becomes of its commit.

use std::pin::{Pin, pin};

use rewire::{Connection, ErrorKind, Producer, TransactedSession};
use tokio::time::timeout;

use crate::clock::now_ns;
use crate::send::{Collector, GRACE, Source};

/// Where a run in transactions sends to.
pub(crate) struct Target<'r> {
    pub(crate) connection: &'r Connection,
    pub(crate) session: TransactedSession,
    pub(crate) producer: Producer,
    /// How many messages a transaction has.
    pub(crate) size: u64,
}

/// Sends all of `source`; true when stopped before its end.
pub(crate) async fn send_all(
    target: Target<'_>,
    mut source: Source,
    collector: &mut Collector,
) -> bool {
    let mut stop = pin!(tokio::signal::ctrl_c());
    let began = tokio::time::Instant::now();
    let (mut is_over, mut was_stopped) = (false, false);
    let mut batch: Vec<(u64, u64)> = Vec::new();
    while !is_over {
        let step = async {
            source.wait(began).await;
            let (seq, message) = source.next().await?;
            let submitted_ns = now_ns();
            Some((seq, submitted_ns, target.producer.enqueue(message).await))
        };
        let sent = tokio::select! {
            biased;
            _ = &mut stop => {
                was_stopped = true;
                None
            }
            sent = collector.log.during(step) => sent,
        };
        match sent {
            // What becomes of it the commit says.
            Some((seq, submitted_ns, Ok(_))) => batch.push((seq, submitted_ns)),
            Some((seq, submitted_ns, Err(error))) => {
                collector.note_error(seq, submitted_ns, &error);
            }
            None => is_over = true,
        }
        if batch.is_empty() || !(is_over || batch.len() as u64 >= target.size) {
            continue;
        }
        let commit = commit(&target, stop.as_mut(), &mut was_stopped);
        let committed = collector.log.during(commit).await;
        for (seq, submitted_ns) in batch.drain(..) {
            match &committed {
                Ok(()) => collector.confirm(seq, submitted_ns),
                Err(error) => collector.note_error(seq, submitted_ns, error),
            }
        }
        let is_gone = |kind| matches!(kind, ErrorKind::Closed | ErrorKind::Unreachable);
        // Nothing more will come of a connection that is gone.
        is_over |= was_stopped || committed.is_err_and(|error| is_gone(error.kind()));
    }
    was_stopped
}

/// Commits. When stopped, before or meanwhile, the answer is not waited for much longer.
async fn commit(
    target: &Target<'_>,
    stop: Pin<&mut impl Future>,
    was_stopped: &mut bool,
) -> rewire::Result<()> {
    let mut commit = pin!(target.session.commit());
    if !*was_stopped {
        tokio::select! {
            biased;
            committed = &mut commit => return committed,
            _ = stop => *was_stopped = true,
        }
    }
    match timeout(GRACE, &mut commit).await {
        Ok(committed) => committed,
        Err(_) => {
            // What is unanswered now is in doubt.
            let _ = target.connection.close().await;
            commit.await
        }
    }
}

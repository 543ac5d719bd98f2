//! What a run says at its end: a page for people, an object for scripts.

use std::fmt::Write;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::account::{Receiving, Sending};
use super::args::{Kind, Plan};
use super::flow::Found;
use super::outage::{Outage, Side};
use crate::clock::seconds;

/// Interruptions that the page shows, the longest ones.
const SHOWN: usize = 10;
/// How wide the longest bar of a histogram is.
const BAR: u64 = 40;

/// The account of a run.
pub(crate) struct Report<'f> {
    found: &'f Found,
    kind: Kind,
    /// Confirmed and never received.
    pub(crate) lost: u64,
    /// The longest ones last.
    interruptions: Vec<Interruption<'f>>,
}

/// A time without a link, and what stood still around it.
struct Interruption<'f> {
    outage: &'f Outage,
    /// How long nothing was confirmed, or received, on this side; 0 when it was not noticed.
    pause_ns: u64,
}

impl<'f> Report<'f> {
    pub(crate) fn new(plan: &Plan, found: &'f Found) -> Self {
        let (sending, receiving) = (&found.sending, &found.receiving);
        let mut interruptions: Vec<_> = found
            .outages
            .iter()
            .map(|outage| {
                let series = match outage.side {
                    Side::Sender => &sending.confirmed,
                    Side::Receiver => &receiving.arrived,
                };
                let pause = series.pause_around(outage.from_ns, outage.to_ns);
                Interruption { outage, pause_ns: pause.map_or(0, |pause| pause.ns()) }
            })
            .collect();
        interruptions.sort_by_key(|interruption| interruption.outage.from_ns);
        Self {
            found,
            kind: plan.kind,
            lost: sending.confirmed.numbers.absent_from(&receiving.arrived.numbers),
            interruptions,
        }
    }

    pub(crate) fn json(&self) -> String {
        let Found { sending, receiving, memory, .. } = self.found;
        let Sending { sent, failed, in_doubt, confirmed } = sending;
        let Receiving { received, duplicates, unmarked, redelivered, foreign, arrived } = receiving;
        let interruptions: Vec<Value> = self
            .interruptions
            .iter()
            .map(|Interruption { outage, pause_ns }| {
                json!({
                    "at_s": seconds(outage.from_ns.saturating_sub(self.found.began_ns)),
                    "side": outage.side.to_string(),
                    "outage_ms": ms(outage.ns()),
                    "pause_ms": ms(*pause_ns),
                    "cause": outage.cause,
                })
            })
            .collect();
        json!({
            "bench": self.kind.name(),
            "seconds": self.found.sent_for.as_secs_f64(),
            "sent": sent,
            "confirmed": confirmed.numbers.len(),
            "failed": failed,
            "in_doubt": in_doubt,
            "received": received,
            "distinct": arrived.numbers.len(),
            "duplicates": duplicates,
            "duplicates_unmarked": unmarked,
            "redelivered": redelivered,
            "foreign": foreign,
            "lost": self.lost,
            "confirmed_per_s": confirmed.rate(),
            "received_per_s": arrived.rate(),
            "confirm_us": latency_json(&confirmed.latency_us),
            "travel_us": latency_json(&arrived.latency_us),
            "interruptions": self.found.interruptions,
            "interruptions_list": interruptions,
            "longest_gap_ms": {
                "confirmed": ms(confirmed.longest_pause_ns),
                "received": ms(arrived.longest_pause_ns),
            },
            "cpu_s": seconds(self.found.cpu_ns),
            "cpu_s_per_million": self.cpu_s_per_million(),
            "memory_kib": {"tenths": memory.tenths(), "max": memory.most_kib},
        })
        .to_string()
    }

    /// CPU for a million messages that were sent and received.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn cpu_s_per_million(&self) -> f64 {
        let messages = self.found.sending.confirmed.numbers.len().max(1);
        seconds(self.found.cpu_ns) * 1e6 / messages as f64
    }

    /// A page; `what` is what was measured.
    pub(crate) fn text(&self, plan: &Plan, what: &str) -> String {
        let mut page = String::new();
        // Writing to a string does not fail.
        let _ = self.head(&mut page, plan, what);
        let _ = self.counts(&mut page);
        let _ = self.times(&mut page);
        let _ = self.outages(&mut page);
        let _ = self.costs(&mut page);
        page
    }

    fn head(&self, page: &mut String, plan: &Plan, what: &str) -> std::fmt::Result {
        let rate = match (plan.rate, plan.is_alone()) {
            (Some(rate), _) => format!("{rate} a second"),
            (None, true) => "one after the other".to_owned(),
            (None, false) => format!("{} unanswered at most", plan.in_flight),
        };
        let kind = if plan.is_persistent { "persistent" } else { "not persistent" };
        writeln!(page, "{} of {what}", self.kind.name())?;
        let seconds = self.found.sent_for.as_secs_f64();
        writeln!(page, "sent for {seconds:.1} s, {rate}, {} bytes, {kind}\n", plan.size)
    }

    fn counts(&self, page: &mut String) -> std::fmt::Result {
        let Found { sending, receiving, .. } = self.found;
        let Receiving { received, duplicates, unmarked, foreign, .. } = receiving;
        writeln!(page, "  sent       {:>12}", sending.sent)?;
        writeln!(page, "  confirmed  {:>12}", sending.confirmed.numbers.len())?;
        writeln!(page, "  failed     {:>12}", sending.failed)?;
        writeln!(page, "  in doubt   {:>12}", sending.in_doubt)?;
        writeln!(page, "  received   {received:>12}")?;
        writeln!(
            page,
            "  duplicates {duplicates:>12}   {unmarked} of them not marked as redelivered"
        )?;
        writeln!(page, "  lost       {:>12}   confirmed, and never received", self.lost)?;
        if *foreign > 0 {
            writeln!(
                page,
                "  foreign    {foreign:>12}   is another program at work on this destination?"
            )?;
        }
        Ok(())
    }

    fn times(&self, page: &mut String) -> std::fmt::Result {
        let Found { sending, receiving, .. } = self.found;
        for (name, series) in [("confirmed", &sending.confirmed), ("received", &receiving.arrived)]
        {
            let latency = &series.latency_us;
            let at = |quantile| ms_of_us(latency.value_at_quantile(quantile));
            writeln!(
                page,
                "\n  {name} {:.0} a second, after {} ms in the middle, {} at 99 %, {} at 99.9 %, {} at most",
                series.rate(),
                at(0.5),
                at(0.99),
                at(0.999),
                ms_of_us(latency.max()),
            )?;
            if self.kind == Kind::Latency {
                histogram(page, latency)?;
            }
        }
        Ok(())
    }

    fn outages(&self, page: &mut String) -> std::fmt::Result {
        let Found { sending, receiving, interruptions, .. } = self.found;
        if *interruptions == 0 {
            return writeln!(page, "\n  no interruption");
        }
        writeln!(
            page,
            "\n  {interruptions} interruptions of the two connections; longest time without a confirmation \
             {:.0} ms, without a message {:.0} ms",
            ms(sending.confirmed.longest_pause_ns),
            ms(receiving.arrived.longest_pause_ns),
        )?;
        let mut lengths: Vec<u64> = self.interruptions.iter().map(|one| one.outage.ns()).collect();
        lengths.sort_unstable();
        if let (Some(middle), Some(most)) = (lengths.get(lengths.len() / 2), lengths.last()) {
            writeln!(
                page,
                "  without a link: {:.0} ms in the middle, {:.0} at most",
                ms(*middle),
                ms(*most)
            )?;
        }
        let mut longest: Vec<&Interruption<'_>> = self.interruptions.iter().collect();
        longest.sort_by_key(|one| std::cmp::Reverse(one.pause_ns.max(one.outage.ns())));
        longest.truncate(SHOWN);
        longest.sort_by_key(|one| one.outage.from_ns);
        if self.interruptions.len() > SHOWN {
            writeln!(page, "  the {SHOWN} longest:")?;
        }
        writeln!(page, "         at   side      no link  stood still")?;
        for Interruption { outage, pause_ns } in longest {
            let at = seconds(outage.from_ns.saturating_sub(self.found.began_ns));
            let Outage { side, cause, .. } = outage;
            let (outage, pause) = (ms(outage.ns()), ms(*pause_ns));
            writeln!(page, "  {at:>7.1} s   {side:8} {outage:>5.0} ms  {pause:>8.0} ms  {cause}")?;
        }
        Ok(())
    }

    fn costs(&self, page: &mut String) -> std::fmt::Result {
        let used = seconds(self.found.cpu_ns);
        let each = self.cpu_s_per_million();
        writeln!(
            page,
            "\n  cpu {used:.1} s, {each:.1} s for a million messages sent and received"
        )?;
        let tenths: Vec<_> = self.found.memory.tenths().iter().map(|kib| mib(*kib)).collect();
        if !tenths.is_empty() {
            let most = mib(self.found.memory.most_kib);
            writeln!(page, "  memory over time {} MiB; {most} at most", tenths.join(" "))?;
        }
        Ok(())
    }
}

fn latency_json(latency: &Histogram<u64>) -> Value {
    json!({
        "p50": latency.value_at_quantile(0.5),
        "p90": latency.value_at_quantile(0.9),
        "p99": latency.value_at_quantile(0.99),
        "p999": latency.value_at_quantile(0.999),
        "max": latency.max(),
    })
}

/// A line for each doubling of the time.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn histogram(page: &mut String, latency: &Histogram<u64>) -> std::fmt::Result {
    let mut rows = Vec::new();
    for power in 0..32 {
        let (from, to) = (1_u64 << power, (2_u64 << power) - 1);
        rows.push((from, to, latency.count_between(from, to)));
    }
    let (Some(first), Some(last)) =
        (rows.iter().position(|row| row.2 > 0), rows.iter().rposition(|row| row.2 > 0))
    else {
        return Ok(());
    };
    let most = rows.iter().map(|row| row.2).max().unwrap_or(1).max(1);
    for (from, to, count) in &rows[first..=last] {
        let share = *count as f64 * 100.0 / latency.len() as f64;
        let bar = "#".repeat(usize::try_from((count * BAR).div_ceil(most)).unwrap_or(0));
        let (from, to) = (ms_of_us(*from), ms_of_us(*to + 1));
        writeln!(page, "  {from:>9} .. {to:>9} ms {share:>6.2} % {bar}")?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a time for people")]
fn ms(ns: u64) -> f64 {
    (ns / 1000) as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "a time for people")]
fn ms_of_us(us: u64) -> String {
    if us < 100_000 { format!("{:.2}", us as f64 / 1000.0) } else { format!("{}", us / 1000) }
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn mib(kib: u64) -> String {
    format!("{:.1}", kib as f64 / 1024.0)
}

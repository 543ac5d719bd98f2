//! What the tour shows: redrawn in place on a terminal, plain lines for what changes where there is none.

use std::io::{IsTerminal, Write};
use std::time::Duration;

/// The news that stay on a terminal.
const NEWS: usize = 6;

/// One broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) broker: String,
    /// Who is connected; none when it is not running.
    pub(crate) clients: Option<Vec<String>>,
    /// How many orders wait there.
    pub(crate) waiting: usize,
}

impl Row {
    fn who(&self) -> String {
        match &self.clients {
            None => "not running".to_owned(),
            Some(clients) if clients.is_empty() => "nobody".to_owned(),
            Some(clients) => clients.join(" "),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Screen {
    is_terminal: bool,
    news: Vec<String>,
    /// What was shown last, and on how many lines.
    shown: Vec<Row>,
    lines: usize,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self { is_terminal, news: Vec::new(), shown: Vec::new(), lines: 0 }
    }

    pub(crate) fn news(&mut self, now: Duration, news: &str) {
        let news = format!("{:>5.1} s  {news}", now.as_secs_f64());
        if self.is_terminal {
            self.news.push(news);
            let old = self.news.len().saturating_sub(NEWS);
            self.news.drain(..old);
        } else {
            print(&news);
        }
    }

    pub(crate) fn show(&mut self, now: Duration, rows: &[Row], brief: &str) {
        if self.is_terminal {
            self.redraw(now, rows, brief);
        } else {
            for row in rows {
                let before = self.shown.iter().find(|before| before.broker == row.broker);
                if before.is_none_or(|before| before.clients != row.clients) {
                    print(&format!(
                        "{:>5.1} s    {}: {}",
                        now.as_secs_f64(),
                        row.broker,
                        row.who()
                    ));
                }
            }
        }
        self.shown = rows.to_vec();
    }

    fn redraw(&mut self, now: Duration, rows: &[Row], brief: &str) {
        let mut lines = vec![format!("{:>5.1} s  {brief}", now.as_secs_f64()), String::new()];
        for row in rows {
            let sign = if row.clients.is_some() { "●" } else { "○" };
            let (broker, waiting) = (&row.broker, row.waiting);
            lines.push(format!("  {sign} {broker}  {waiting:>4} waiting   {}", row.who()));
        }
        lines.push(String::new());
        lines.extend(self.news.iter().cloned());
        let mut out = String::new();
        if self.lines > 0 {
            // Back to the first line of what was drawn before.
            out.push_str(&format!("\x1b[{}A", self.lines));
        }
        for line in &lines {
            // Without wrapping: a line that is too long for the terminal would be two.
            out.push_str(&format!("\x1b[2K\x1b[?7l{line}\x1b[?7h\n"));
        }
        self.lines = lines.len();
        let mut stdout = std::io::stdout();
        let _ = stdout.write_all(out.as_bytes());
        let _ = stdout.flush();
    }

    pub(crate) fn end(&self, ledger: &[String]) {
        print("");
        for line in ledger {
            print(line);
        }
    }
}

fn print(line: &str) {
    // Nobody may be reading any more.
    let _ = writeln!(std::io::stdout(), "{line}");
}

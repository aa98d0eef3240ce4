//! Log lines on their way out: a queue with a bound, and a thread that writes.
//!
//! INVARIANT: who logs never waits. What reads the log may have stopped reading (a pipe that is full, a frozen terminal,
//! a disk that hangs), and the pool has to be kept all the same. What finds no room is dropped and counted.

use crossbeam_channel::{Receiver, Sender, after, bounded};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How many lines may wait to be written, and how many bytes in all.
const LINES: usize = 8_192;
const BYTES: usize = 1 << 20;
/// How long something else may hold what is written to, before it is tried again (`O_NONBLOCK`).
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// The lines that were dropped since the process started.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// The lines that were dropped since the process started.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

enum Message {
    Line(Vec<u8>),
    /// Dropped once everything before it is written.
    Flush(#[expect(dead_code, reason = "its end is the news")] Sender<()>),
}

#[derive(Debug)]
struct Counts {
    /// Bytes that wait.
    waiting: AtomicUsize,
    dropped: &'static AtomicU64,
}

/// Takes lines without ever waiting.
#[derive(Debug, Clone)]
pub(super) struct LogQueue {
    sender: Sender<Message>,
    counts: Arc<Counts>,
}

impl LogQueue {
    /// Starts the thread that writes into the sink. `notice` makes the line that says how many were dropped.
    pub(super) fn start(
        sink: impl Write + Send + 'static,
        notice: impl Fn(u64) -> Vec<u8> + Send + 'static,
    ) -> io::Result<Self> {
        Self::counting(sink, notice, &DROPPED)
    }

    fn counting(
        sink: impl Write + Send + 'static,
        notice: impl Fn(u64) -> Vec<u8> + Send + 'static,
        dropped: &'static AtomicU64,
    ) -> io::Result<Self> {
        let (sender, lines) = bounded(LINES);
        let waiting = AtomicUsize::new(0);
        let counts = Arc::new(Counts { waiting, dropped });
        let mut writer = Writer {
            sink,
            counts: Arc::clone(&counts),
            told: dropped.load(Ordering::Relaxed),
            is_broken: false,
        };
        let body = move || writer.run(&lines, notice);
        thread::Builder::new().name("log".to_owned()).spawn(body)?;
        Ok(Self { sender, counts })
    }

    /// Hands over a whole line with its end.
    pub(super) fn offer(&self, line: Vec<u8>) {
        let size = line.len();
        let before = self.counts.waiting.fetch_add(size, Ordering::Relaxed);
        let fits = before.saturating_add(size) <= BYTES;
        if !fits || self.sender.try_send(Message::Line(line)).is_err() {
            self.counts.waiting.fetch_sub(size, Ordering::Relaxed);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was handed over is written, but not longer than twice this.
    pub(super) fn flush(&self, patience: Duration) {
        let (done, written) = bounded(0);
        if self
            .sender
            .send_timeout(Message::Flush(done), patience)
            .is_ok()
        {
            // Nothing is ever sent: the sender's end ends the wait.
            let _ = written.recv_timeout(patience);
        }
    }
}

struct Writer<W> {
    sink: W,
    counts: Arc<Counts>,
    /// How many dropped lines have been told of.
    told: u64,
    /// A line was written in part only.
    is_broken: bool,
}

impl<W: Write> Writer<W> {
    fn run(&mut self, lines: &Receiver<Message>, notice: impl Fn(u64) -> Vec<u8>) {
        for message in lines {
            let is_written = match message {
                Message::Line(line) => {
                    let is_written = self.write(&line);
                    self.counts.waiting.fetch_sub(line.len(), Ordering::Relaxed);
                    if !is_written {
                        self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                    }
                    is_written
                }
                Message::Flush(_) => true,
            };
            if is_written && lines.len() <= LINES / 2 {
                self.tell_dropped(&notice);
            }
        }
    }

    fn tell_dropped(&mut self, notice: impl Fn(u64) -> Vec<u8>) {
        let dropped = self.counts.dropped.load(Ordering::Relaxed);
        let news = dropped.saturating_sub(self.told);
        if news > 0 && self.write(&notice(news)) {
            self.told = dropped;
        }
    }

    /// Writes a line, however long that takes; `false`: it cannot be written.
    fn write(&mut self, line: &[u8]) -> bool {
        // The rest of one that was cut off ends with its line.
        if self.is_broken && !self.write_all(b"\n") {
            return false;
        }
        self.is_broken = false;
        self.write_all(line)
    }

    fn write_all(&mut self, mut rest: &[u8]) -> bool {
        while !rest.is_empty() {
            match self.sink.write(rest) {
                Ok(0) => return false,
                Ok(n) => {
                    rest = rest.get(n..).unwrap_or_default();
                    self.is_broken = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Nothing but time can end this wait.
                    let _ = after(TRY_AGAIN_AFTER).recv();
                }
                // EPIPE, ENOSPC, EIO: there is nowhere to tell.
                Err(_) => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Condvar, Mutex};

    /// A log that is read only while it is open, and may refuse.
    #[derive(Debug, Clone, Default)]
    struct Gate(Arc<(Mutex<State>, Condvar)>);

    #[derive(Debug, Default)]
    struct State {
        is_shut: bool,
        refuses: bool,
        text: String,
    }

    impl Gate {
        fn set(&self, change: impl FnOnce(&mut State)) {
            change(&mut self.0.0.lock().unwrap());
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            self.0.0.lock().unwrap().text.clone()
        }
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let state = self.0.0.lock().unwrap();
            let mut state = self.0.1.wait_while(state, |state| state.is_shut).unwrap();
            if state.refuses {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let n = bytes.len().min(7);
            state
                .text
                .push_str(std::str::from_utf8(&bytes[..n]).unwrap());
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn queue(gate: &Gate) -> LogQueue {
        let dropped = Box::leak(Box::new(AtomicU64::new(0)));
        let notice = |n| format!("{n} dropped\n").into_bytes();
        LogQueue::counting(gate.clone(), notice, dropped).unwrap()
    }

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_log_that_is_not_read_holds_nobody_up_and_the_loss_is_told() {
        let gate = Gate::default();
        gate.set(|state| state.is_shut = true);
        let queue = queue(&gate);
        for number in 0..3 * LINES {
            queue.offer(format!("{number}\n").into_bytes());
        }
        let lost = queue.counts.dropped.load(Ordering::Relaxed);
        assert!(lost > LINES as u64, "{lost}");
        queue.flush(Duration::from_millis(10));
        gate.set(|state| state.is_shut = false);
        queue.flush(PATIENCE);
        queue.offer(b"again\n".to_vec());
        queue.flush(PATIENCE);
        let text = gate.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["0", "1", "2"]);
        let told: Vec<u64> = lines
            .iter()
            .filter_map(|line| line.strip_suffix(" dropped")?.parse().ok())
            .collect();
        assert_eq!(told.iter().sum::<u64>(), lost);
        assert_eq!(
            lines.len() as u64 - told.len() as u64 - 1 + lost,
            3 * LINES as u64
        );
        assert_eq!(lines.last(), Some(&"again"));
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_too() {
        let gate = Gate::default();
        gate.set(|state| state.is_shut = true);
        let queue = queue(&gate);
        for _ in 0..64 {
            queue.offer(vec![b'x'; BYTES / 16]);
        }
        assert!(queue.counts.waiting.load(Ordering::Relaxed) <= BYTES);
        assert!(queue.counts.dropped.load(Ordering::Relaxed) >= 47);
        gate.set(|state| state.is_shut = false);
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_told_when_it_can() {
        let gate = Gate::default();
        gate.set(|state| state.refuses = true);
        let queue = queue(&gate);
        for _ in 0..3 {
            queue.offer(b"lost\n".to_vec());
        }
        queue.flush(PATIENCE);
        gate.set(|state| state.refuses = false);
        queue.offer(b"here again\n".to_vec());
        queue.flush(PATIENCE);
        assert_eq!(gate.text(), "here again\n3 dropped\n");
    }
}

//! A replica's whole HTTP response, through a real probe over loopback.

use simplescalevm::pool::{Moment, ProbeFailure, ReplicaId};
use simplescalevm::probe::{
    Endpoint, EndpointSettings, ProbeJob, ProbePool, Protocol, TlsSettings,
};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// A probe pool, and the replica that says whatever it is given.
struct Rig {
    pool: ProbePool,
    endpoint: Arc<Endpoint>,
    script: Sender<Vec<u8>>,
    address: std::net::IpAddr,
    round: u64,
}

thread_local! {
    static RIG: RefCell<Option<Rig>> = const { RefCell::new(None) };
}

/// An answer of any kind is an outcome within the timeout; the next probe is not harmed by it.
pub fn check(data: &[u8]) {
    RIG.with_borrow_mut(|rig| {
        let rig = rig.get_or_insert_with(Rig::start);
        let outcome = rig.probe(data);
        if let Err(failure) = &outcome {
            assert!(failure.to_string().chars().count() <= 400, "{failure}");
            let ours = matches!(failure, ProbeFailure::Refused | ProbeFailure::Unroutable(_));
            assert!(!ours, "{failure}");
        }
        let good = rig.probe(b"HTTP/1.1 200 OK\r\n\r\n{\"capacity\": 3, \"termination\": false}");
        assert_eq!(good.map(|answer| answer.free), Ok(3), "after {outcome:?}");
    });
}

impl Rig {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = listener.local_addr().unwrap();
        let (script, scripted) = channel::<Vec<u8>>();
        std::thread::spawn(move || {
            // One connection for each script, whatever becomes of it.
            for bytes in scripted {
                let Ok((mut stream, _)) = listener.accept() else {
                    return;
                };
                let mut request = [0; 1024];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(&bytes);
                let _ = stream.shutdown(Shutdown::Write);
                // The kernel would reset a connection with unread bytes.
                let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
                while matches!(stream.read(&mut request), Ok(1..)) {}
            }
        });
        let settings = EndpointSettings {
            protocol: Protocol::Http,
            port: NonZeroU16::new(socket.port()).unwrap(),
            path: "/".to_owned(),
            capacity_key: "capacity".to_owned(),
            termination_key: "termination".to_owned(),
            timeout: Duration::from_secs(20),
            tls: TlsSettings::default(),
        };
        let start = Instant::now();
        let clock: simplescalevm::probe::Clock = Arc::new(move || Moment(start.elapsed()));
        Self {
            pool: ProbePool::start(NonZeroUsize::MIN, &clock).unwrap(),
            endpoint: Arc::new(Endpoint::new(&settings).unwrap()),
            script,
            address: socket.ip(),
            round: 0,
        }
    }

    fn probe(&mut self, bytes: &[u8]) -> Result<simplescalevm::pool::Answer, ProbeFailure> {
        self.round += 1;
        self.script.send(bytes.to_vec()).unwrap();
        // A replica of its own: no connection is kept from one script to the next.
        let replica = ReplicaId::new(&self.round.to_string());
        let job = ProbeJob {
            replica: replica.clone(),
            address: self.address,
            endpoint: Arc::clone(&self.endpoint),
            round: self.round,
            urgent: false,
            suspect: false,
        };
        self.pool.submit(job).unwrap();
        let patience = Duration::from_secs(60);
        let report = self.pool.reports().recv_timeout(patience).unwrap();
        self.pool.take(report).unwrap();
        let result = self.pool.finished().unwrap();
        assert!(
            !matches!(result.outcome, Err(ProbeFailure::Timeout)),
            "it hangs"
        );
        self.pool.retain(|kept| *kept != replica);
        result.outcome
    }
}

//! The replicas of one pool: one listener, which answers for every address of 127.0.0.0/8.

use simplescalevm_mock::LoopbackListener;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// How a replica behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Not booted yet: the connection is closed at once.
    Closed,
    /// Takes the request and says nothing.
    Silent,
    /// Answers.
    Free(u32),
    /// Says that it may be deleted.
    Done,
    /// Says so once, and then that it is busy.
    DoneOnce,
}

struct Shared {
    default: Behaviour,
    each: BTreeMap<IpAddr, Behaviour>,
    probes: BTreeMap<IpAddr, u64>,
}

pub(crate) struct Replicas {
    shared: Arc<Mutex<Shared>>,
    stop: Arc<AtomicBool>,
    pub(crate) port: u16,
}

impl Replicas {
    /// Replicas that behave so until told otherwise.
    pub(crate) fn start(default: Behaviour) -> Self {
        let listener = LoopbackListener::bind(0).expect("a free port");
        let port = listener.port().expect("a port");
        let shared = Arc::new(Mutex::new(Shared {
            default,
            each: BTreeMap::new(),
            probes: BTreeMap::new(),
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let (state, stopped) = (Arc::clone(&shared), Arc::clone(&stop));
        spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (state, stopped) = (Arc::clone(&state), Arc::clone(&stopped));
                spawn(move || serve(stream, &state, &stopped));
            }
        });
        Self { shared, stop, port }
    }

    /// How all behave that were not told otherwise.
    pub(crate) fn all(&self, behaviour: Behaviour) {
        self.shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .default = behaviour;
    }

    pub(crate) fn set(&self, address: IpAddr, behaviour: Behaviour) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.each.insert(address, behaviour);
    }

    /// How often the address was probed.
    pub(crate) fn probes(&self, address: IpAddr) -> u64 {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.probes.get(&address).copied().unwrap_or_default()
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        drop(TcpStream::connect(own));
    }
}

fn serve(mut stream: TcpStream, shared: &Mutex<Shared>, stopped: &AtomicBool) {
    let Ok(local) = stream.local_addr() else {
        return;
    };
    let mut request = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        while !request.windows(4).any(|window| window == b"\r\n\r\n") {
            match stream.read(&mut buffer) {
                Ok(n) if n > 0 && request.len() < 65_536 => request.extend_from_slice(&buffer[..n]),
                _ => return,
            }
        }
        request.clear();
        let behaviour = {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            *shared.probes.entry(local.ip()).or_default() += 1;
            let behaviour = shared.each.get(&local.ip()).copied();
            if behaviour == Some(Behaviour::DoneOnce) {
                shared.each.insert(local.ip(), Behaviour::Free(0));
            }
            behaviour.unwrap_or(shared.default)
        };
        let (free, done) = match behaviour {
            Behaviour::Closed => return,
            Behaviour::Silent => {
                while !stopped.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(200));
                }
                return;
            }
            Behaviour::Free(free) => (free, false),
            Behaviour::Done | Behaviour::DoneOnce => (0, true),
        };
        let body = format!("{{\"capacity\": {free}, \"termination\": {done}}}");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream
            .write_all(format!("{head}{body}").as_bytes())
            .is_err()
        {
            return;
        }
    }
}

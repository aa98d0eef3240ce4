//! When replicas are asked: the living whatever the dead do, new ones as soon as they run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the clock of the tests")]

mod support;

use simplescalevm::cloud::{AtOnce, Cloud, CloudError, Order, Sight, Standby};
use simplescalevm::pool::{
    Accepted, CloudTime, ExternalAddress, Instance, Listing, Looked, Marks, Moment, Policy,
    ProbeResult, ProbeTarget, ReplicaId, Server, ServerState, Snapshot,
};
use simplescalevm::probe::{
    Endpoint, EndpointSettings, ProbeJob, ProbePool, Protocol, TlsSettings,
};
use simplescalevm::scaler::{Clock, Observer, Parts, Probes, Scaler};
use simplescalevm_mock::LoopbackListener;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Daemon, counter, quick_cloud};

/// Every replica of 127.0.0.0/8 at one port: those with an even last byte answer and are counted, the others never do.
fn everybody(answered: Arc<AtomicU64>) -> u16 {
    let listener = LoopbackListener::bind(0).unwrap();
    let port = listener.port().unwrap();
    thread::spawn(move || {
        let mut silent = std::collections::VecDeque::new();
        loop {
            let mut stream = listener.accept().unwrap();
            let SocketAddr::V4(address) = stream.local_addr().unwrap() else {
                continue;
            };
            if address.ip().octets()[3] % 2 == 0 {
                answered.fetch_add(1, Ordering::Relaxed);
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 34\r\n\r\n{\"capacity\": 1, \"termination\": 0} ",
                );
            } else {
                silent.push_back(stream);
                if silent.len() > 1_000 {
                    silent.pop_front();
                }
            }
        }
    });
    port
}

/// A cloud that lists the same servers for ever.
struct Still(Vec<Server>);

impl Cloud for Still {
    fn list(&mut self, now: Moment, _: &mut Sight) -> Result<Listing, CloudError> {
        Ok(Listing {
            not_alone: std::collections::BTreeSet::new(),
            taken: now,
            cloud_time: None,
            servers: self.0.clone(),
            external_addresses: None,
        })
    }

    fn external_addresses(&mut self, _: &str) -> Result<Vec<ExternalAddress>, CloudError> {
        Ok(Vec::new())
    }

    fn create(&mut self, _: &Order) -> Result<Accepted, CloudError> {
        Ok(Accepted::default())
    }

    fn show(&mut self, _: &ReplicaId, _: &Sight) -> Result<Looked, CloudError> {
        Ok(Looked::Gone)
    }

    fn mark(&mut self, _: &ReplicaId, _: &str, _: &str) -> Result<(), CloudError> {
        Ok(())
    }

    fn delete(&mut self, _: &ReplicaId) -> Result<(), CloudError> {
        Ok(())
    }

    fn move_address(&mut self, _: &ExternalAddress, _: &Standby) -> Result<(), CloudError> {
        Ok(())
    }

    fn fault(&mut self, _: &ReplicaId) -> Result<Option<String>, CloudError> {
        Ok(None)
    }
}

struct Pool(ProbePool, Arc<Endpoint>);

impl Probes for Pool {
    fn submit(&mut self, target: &ProbeTarget, round: u64) -> bool {
        let job = ProbeJob {
            replica: target.replica.clone(),
            address: target.address,
            endpoint: Arc::clone(&self.1),
            round,
            urgent: target.urgent,
            suspect: target.suspect,
        };
        self.0.submit(job).is_ok()
    }

    fn finished(&mut self) -> Option<ProbeResult> {
        while let Ok(report) = self.0.reports().try_recv() {
            self.0.take(report).unwrap();
        }
        self.0.finished()
    }

    fn forget(&mut self, _: &dyn Fn(&ReplicaId) -> bool) {}
}

#[derive(Clone)]
struct RealTime(Instant);

impl Clock for RealTime {
    fn now(&self) -> Moment {
        Moment(self.0.elapsed())
    }
}

struct Nobody;

impl Observer for Nobody {
    fn beat(&self, _: Moment) {}
    fn publish(&self, _: Arc<Snapshot>) {}
}

fn server(number: u16, is_living: bool) -> Server {
    let [high, low] = (number * 2 + u16::from(!is_living)).to_be_bytes();
    let address = Ipv4Addr::new(127, 80, high, low).into();
    // The dead come first wherever ids decide.
    let id = format!("{}-{number}", if is_living { "z" } else { "a" });
    Server {
        id: ReplicaId::new(&id),
        name: id,
        state: ServerState::Running(address),
        addresses: vec![address],
        locked: false,
        created: Some(CloudTime(1)),
        launched: Some(CloudTime(1)),
        image: None,
        marks: Marks::default(),
    }
}

/// How often each of twenty living ones is asked in a while, among so many dead ones, with room for 64 probes at a time.
fn probes_of_the_living(dead: u16) -> f64 {
    const LIVING: u16 = 20;
    const WARM_UP: Duration = Duration::from_secs(4);
    const SPAN: Duration = Duration::from_secs(8);
    let answered = Arc::new(AtomicU64::new(0));
    let port = everybody(Arc::clone(&answered));
    let time = RealTime(Instant::now());
    let settings = EndpointSettings {
        protocol: Protocol::Http,
        port: NonZeroU16::new(port).unwrap(),
        path: "/".to_owned(),
        capacity_key: "capacity".to_owned(),
        termination_key: "termination".to_owned(),
        timeout: Duration::from_secs(1),
        tls: TlsSettings::default(),
    };
    let clock = time.clone();
    let probes = ProbePool::start(NonZeroUsize::MIN, &(Arc::new(move || clock.now()) as _))
        .unwrap()
        .with_room_for(64);
    let living = (0..LIVING).map(|number| server(number, true));
    let mut scaler = Scaler::new(Parts {
        calls: AtOnce::new(Still(
            (0..dead).map(|n| server(n, false)).chain(living).collect(),
        )),
        probes: Pool(probes, Arc::new(Endpoint::new(&settings).unwrap())),
        clock: time.clone(),
        observer: Nobody,
        policy: Policy {
            probe_interval: Duration::from_millis(500),
            floor: 1,
            ..Policy::default()
        },
        template: Arc::default(),
        instance: Instance::default(),
        scaling_interval: Duration::from_secs(60),
        requests_per_second: None,
        stop: Arc::new(AtomicBool::new(false)),
    });
    let mut before = 0;
    while time.now().0 < WARM_UP + SPAN {
        if time.now().0 < WARM_UP {
            before = answered.load(Ordering::Relaxed);
        }
        let next = scaler.turn();
        let mut select = crossbeam_channel::Select::new();
        select.recv(scaler.probes().0.reports());
        let _ = select.ready_timeout(next.since(time.now()));
    }
    let asked = u32::try_from(answered.load(Ordering::Relaxed) - before).unwrap();
    scaler.into_probes().0.stop().unwrap();
    f64::from(asked) / f64::from(LIVING)
}

#[test]
fn the_dead_take_no_turn_from_the_living() {
    let alone = probes_of_the_living(0);
    let among = probes_of_the_living(200);
    println!("asked {alone} times alone, {among} times among 200 dead ones");
    assert!(among > alone * 0.75, "{among} of {alone}");
}

#[test]
fn a_new_replica_is_asked_when_it_runs_and_not_with_the_next_list() {
    let cloud = quick_cloud(|c| {
        c.build_time = Duration::from_secs(3);
        c.boot_time = Duration::from_secs(1);
    });
    // The next regular list does not come within this test.
    let daemon = Daemon::start(&cloud, &[("SCALING_INTERVAL", "3600")]);
    daemon.wait_for_available(3);
    let lists = || {
        let requests = &cloud.counters()["requests"];
        requests["nova GET /v2.1/servers/detail"].as_u64().unwrap()
    };
    let first = lists();
    assert!(first <= 5, "{first} lists");
    cloud.set_capacity("server-1", 0).unwrap();
    daemon.wait("another creation", || counter(&cloud, "created") == 4);
    daemon.wait_for_available(3);
    // One for the plan, and one that was made when a build takes so long.
    let second = lists() - first;
    assert!(second <= 4, "{second} lists");
}

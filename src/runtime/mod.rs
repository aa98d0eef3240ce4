//! Starts the threads, waits for a signal, and sees to the order of the end.

mod calls;
mod commands;
mod descriptors;
mod healthcheck;
mod listing;
mod output;
mod privacy;
mod signals;
mod threads;

pub use commands::plan;
pub(crate) use commands::{exit_code, observe};
pub use healthcheck::healthcheck;
pub use listing::{config, problems_in_json};
pub use output::{complain, print};
pub(crate) use output::{print_json, print_words};
pub use privacy::keep_memory_private;

use self::calls::CallThreads;
use self::threads::{Notice, ProbesOfPool, RealClock, StatusObserver, spawn};
use crate::cloud::openstack::OpenStack;
use crate::config::{ProviderKind, Settings};
use crate::logging;
use crate::pool::counted;
use crate::probe::{Endpoint, EndpointError, ProbePool, StartError, WorkerDied};
use crate::scaler::{Clock, Parts, Scaler};
use crate::status::{Board, DaemonInfo, StatusError, StatusServer};
use crossbeam_channel::{Receiver, Select, bounded, unbounded};
use openstack_sdk_blocking::{Cloud, RequestRecord};
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// For how long the control loop may be silent: it turns at least once a second, whatever the cloud does.
const HEALTHY_WITHIN: Duration = Duration::from_secs(30);

/// Why the daemon did not start, or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the OpenStack client cannot be set up")]
    Cloud(#[source] openstack_sdk_blocking::Error),
    #[error("replicas cannot be asked with these settings")]
    Endpoint(#[source] EndpointError),
    #[error("the probe threads cannot be started")]
    Probes(#[source] StartError),
    #[error("the status server cannot be started")]
    Status(#[source] StatusError),
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
    #[error("the thread {0} has died")]
    Died(String),
}

/// Runs the daemon until a signal ends it or one of its threads dies.
#[must_use]
pub fn run(settings: &Arc<Settings>) -> ExitCode {
    // INVARIANT: before any other thread is there, the log's too: threads inherit it.
    let held_back = signals::hold_back();
    logging::start(settings.daemon.log, settings.pool.label());
    log_panics();
    log::info!("{}", settings.origin);
    for warning in &settings.warnings {
        log::warn!("{warning}");
    }
    let outcome = held_back.and_then(|()| run_daemon(settings));
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log::error!("{}", crate::scaler::chain(&failure));
            ExitCode::FAILURE
        }
    };
    logging::flush();
    code
}

/// A panic is told in the log, like everything else: the standard hook writes to standard error itself, and would wait
/// there for ever if that is not read.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        log::error!("the thread {name} {panic}");
    }));
}

fn run_daemon(settings: &Settings) -> Result<(), Failure> {
    let clock = RealClock::start();
    let stop = Arc::new(AtomicBool::new(false));
    let (events_in, events) = unbounded();
    // INVARIANT: signals are received before anything is done that a signal should end well.
    signals::watch(&events_in)?;
    descriptors::raise(settings);
    let shared = Arc::new(Board::default());
    let watched = Arc::clone(&shared);
    let ends = Arc::clone(&stop);
    let cloud = open_stack(settings, |cloud| {
        // The end of a list of many pages is not waited for.
        cloud.between_pages(Box::new(move || !ends.load(Ordering::Relaxed)));
        cloud.on_request(Box::new(move |request: &RequestRecord| {
            watched.metrics().api_request(
                request.service.as_str(),
                request.method.as_str(),
                request.status,
                request.duration,
            );
        }));
    })?;
    let endpoint = endpoint(settings)?;
    let probes = ProbePool::start(settings.daemon.probe_threads, &clock.shared())
        .map_err(Failure::Probes)?;
    let probes = ProbesOfPool::new(probes, endpoint);
    let concurrency = settings.cloud.concurrency.get();
    let (calls, callers) =
        CallThreads::start(&cloud, concurrency, &events_in).map_err(Failure::Thread)?;
    let scaler = Scaler::new(Parts {
        calls,
        probes,
        clock: clock.clone(),
        observer: StatusObserver::new(Arc::clone(&shared)),
        policy: settings.pool.policy.clone(),
        template: Arc::new(settings.pool.template.clone()),
        instance: threads::instance(),
        scaling_interval: settings.pool.scaling_interval,
        requests_per_second: Some(settings.cloud.requests_per_second),
        stop: Arc::clone(&stop),
    });
    // Nobody is ever told a floor of 0 that is not the settings'.
    shared.publish(Arc::new(scaler.snapshot()));
    let status =
        StatusServer::start(shared, facts(settings), clock.shared()).map_err(Failure::Status)?;
    log::info!(
        "SimpleScaleVM {} keeps {} available; status on http://{}/status",
        env!("CARGO_PKG_VERSION"),
        counted(settings.pool.policy.floor, "resource"),
        status.local_addr()
    );
    let (wake, woken) = bounded::<()>(1);
    let scaler = spawn("scaler", &events_in, move || scale(scaler, &clock, &woken))
        .map_err(Failure::Thread)?;
    let outcome = wait(&events, &status);
    // INVARIANT: first no new action, then the request in flight, then the rest: a request that
    // was sent is waited for, so that its outcome is known and logged.
    stop.store(true, Ordering::Relaxed);
    drop(wake);
    let scaler_died = scaler.join().is_err();
    // Nobody asks them for anything any more.
    let callers = callers.into_iter().map(JoinHandle::join);
    let caller_died = callers.fold(false, |died, end| died | end.is_err());
    status.stop();
    match outcome {
        Ok(()) if scaler_died => Err(Failure::Died("scaler".to_owned())),
        Ok(()) if caller_died => Err(Failure::Died("call".to_owned())),
        outcome => {
            log::info!("stopped");
            outcome
        }
    }
}

/// The scaler thread: turns, and waits for a probe's result, a request's outcome, the time or the end. Requests that
/// are under way by then are waited for: their time limit ends each of them.
fn scale(
    mut scaler: Scaler<CallThreads, ProbesOfPool, RealClock, StatusObserver>,
    clock: &RealClock,
    woken: &Receiver<()>,
) {
    let mut is_ending = false;
    loop {
        let next = scaler.turn();
        if let Some(WorkerDied { thread }) = scaler.probes().death() {
            log::error!("the thread {thread} has died");
            // The end of this thread ends the process with an error.
            std::panic::resume_unwind(Box::new("a probe thread died"));
        }
        if is_ending && (scaler.is_idle() || scaler.calls().has_died()) {
            break;
        }
        let mut select = Select::new();
        select.recv(scaler.probes().reports());
        select.recv(scaler.calls().outcomes());
        let end = (!is_ending).then(|| select.recv(woken));
        let ready = select.ready_timeout(next.since(clock.now())).ok();
        is_ending |= end.is_some() && ready == end;
    }
    scaler.into_probes().stop();
}

/// Waits for what ends the daemon.
fn wait(events: &Receiver<Notice>, status: &StatusServer) -> Result<(), Failure> {
    /// The status server tells nobody of its end.
    const LOOK_EVERY: Duration = Duration::from_secs(1);
    loop {
        match events.recv_timeout(LOOK_EVERY) {
            Ok(Notice::Signal(signal)) => {
                let name = signals::name(signal);
                log::info!("{name}: no new action is begun; a second signal ends at once");
                return Ok(());
            }
            Ok(Notice::Ended(thread)) => return Err(Failure::Died(thread.to_owned())),
            Err(_) if status.is_finished() => return Err(Failure::Died("status".to_owned())),
            Err(_) => {}
        }
    }
}

fn open_stack(settings: &Settings, prepare: impl FnOnce(&mut Cloud)) -> Result<OpenStack, Failure> {
    let ProviderKind::OpenStack = settings.cloud.provider;
    let mut cloud = cloud(settings)?;
    prepare(&mut cloud);
    Ok(OpenStack::new(cloud))
}

pub(crate) fn cloud(settings: &Settings) -> Result<Cloud, Failure> {
    Cloud::new(settings.cloud.client.clone()).map_err(Failure::Cloud)
}

/// How the pool's replicas are asked.
pub(crate) fn endpoint(settings: &Settings) -> Result<Endpoint, Failure> {
    Endpoint::new(&settings.pool.endpoint).map_err(Failure::Endpoint)
}

fn facts(settings: &Settings) -> DaemonInfo {
    let shown = settings.shown().iter();
    DaemonInfo {
        version: env!("CARGO_PKG_VERSION"),
        provider: "openstack",
        settings: shown
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        server: settings.daemon.status.clone(),
        max_connections: descriptors::for_clients(),
        pool: settings.pool.label().to_owned(),
        wall_clock: logging::wall_clock,
        log_lines_dropped: logging::dropped,
        healthy_within: HEALTHY_WITHIN,
    }
}

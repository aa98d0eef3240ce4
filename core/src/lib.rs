//! The pure core of SimpleScaleVM: what is known of a pool, and what is to be done about it.
//!
//! Nothing here does I/O, reads a clock or can fail; only the standard library is used.
//! [`Memory`] takes in lists and probe results, [`assess`] says what each replica is worth,
//! [`plan`] says what to do and why, [`violations`] checks any plan against the promises, and [`merge`] puts the plans of
//! several pools in one order.

mod names;

mod answer;
mod assess;
mod backoff;
mod builds;
mod changes;
mod clocks;
mod cloud_error;
mod contradictions;
mod creations;
mod departed;
mod event;
mod foreign;
mod inquiry;
mod inventory;
mod mark;
mod memory;
mod merge;
mod moves;
mod plan;
mod policy;
mod pool_silence;
mod promises;
mod record;
mod schedule;
mod severity;
mod snapshot;
mod supply;
mod terminations;
mod time;
mod trial;
mod words;

pub use answer::{Answer, ProbeFailure, ProbeResult};
pub use assess::{Assessed, Assessment, ReplicaState, assess};
pub use backoff::{Backoff, BackoffCause, CreateFailure};
pub use builds::Builds;
pub use changes::{changes, state_detail};
pub use clocks::{ClockOddity, OddClock};
pub use cloud_error::CloudErrorKind;
pub use contradictions::take_out_contradictions;
pub use creations::Accepted;
pub use event::{
    Became, CycleStep, Doing, Entry, Event, Events, Failure, Measure, NameChange, NamedThing,
    Numbers, Quota, Recovery, SkipReason, Subject,
};
pub use foreign::{
    LONGEST_NAME, LONGEST_TEXT, bounded, is_unseen, short_name, short_text, shown, visible,
    visible_json, visible_lines,
};
pub use inquiry::{Inquiry, Looked};
pub use inventory::{
    Creating, ExternalAddress, ExternalAddressId, Failed, Holder, Listing, ReplicaId, Server,
    ServerState,
};
pub use mark::{CREATION_KEY, CreationMark, Instance, Marks, SERVED_KEY};
pub use memory::{Heard, Memory, ProbeTarget, ShrunkenList};
pub use merge::merge;
pub use moves::{MoveFailure, Moves, Refusal};
pub use plan::{
    Action, Blocked, CreateBlock, DeleteBlock, DeleteReason, MoveBlock, MoveReason, Plan, plan,
    standbys,
};
pub use policy::Policy;
pub use promises::{Violation, violations};
pub use record::Record;
pub use severity::{BLOCKED_FOR, Finding, Health, NOTHING_READY_FOR, Reason, Severity};
pub use snapshot::{Counters, Incident, Snapshot, Unprepared};
pub use supply::{Boots, Lists, Supply};
pub use terminations::MassTermination;
pub use time::{CloudClock, CloudTime, Moment, whole_seconds_up};
pub use words::{Words, are, counted, delete_reason, surplus_in_words, utc};

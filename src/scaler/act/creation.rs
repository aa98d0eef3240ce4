//! Creations, and the names that they need.

use crate::cloud::{Calls, Catalogue, CloudError, CloudErrorKind, LookedUp, Service};
use crate::pool::{Accepted, Action, BackoffCause, CreateFailure, Unprepared};
use crate::scaler::agenda::{Begun, Ground, Planned};
use crate::scaler::jobs::Errand;
use crate::scaler::{Clock, Observer, Probes, Scaler, chain};
use std::sync::Arc;

impl<P: Calls, Q: Probes, C: Clock, W: Observer> Scaler<P, Q, C, W> {
    /// The names that a creation waits for were looked up. If that failed, so has the creation.
    pub(in crate::scaler) fn names_looked_up_first(&mut self, names: Result<LookedUp, CloudError>) {
        let error = match names {
            Ok(names) => {
                self.agenda.names_are_new = true;
                return self.learn_names(names);
            }
            Err(error) => error,
        };
        self.honour_retry_after(Service::All, &error);
        let is_creation = |planned: &Planned| matches!(planned.action, Action::Create { .. });
        let Some(index) = self.agenda.queue.iter().position(is_creation) else {
            return;
        };
        if let Some(planned) = self.agenda.queue.remove(index) {
            let begun = self.begun(planned);
            if let Action::Create { count } = &begun.action {
                let now = self.parts.clock.now();
                self.memory.creation_sent(count.get(), now);
            }
            self.creation_ended(begun, Err(error));
        }
    }

    /// The names of a creation that was refused were looked up again: one with other ids may follow at once.
    pub(in crate::scaler) fn names_looked_up_anew(
        &mut self,
        begun: Begun,
        of: &Catalogue,
        refused: CloudError,
        names: Result<LookedUp, CloudError>,
    ) {
        let names = match names {
            Ok(names) => names,
            Err(error) => {
                if error.kind == CloudErrorKind::Lookup {
                    return self.creation_ended(begun, Err(error));
                }
                self.names_looked_up(Err(error));
                // How it was refused says what comes of it, and not how this failed.
                return self.creation_ended(begun, Err(refused));
            }
        };
        let is_the_same = names.catalogue.makes_the_same(of);
        self.learn_names(names);
        if is_the_same || self.is_stopping() {
            return self.creation_ended(begun, Err(refused));
        }
        self.memory.creation_withdrawn();
        self.agenda.names_are_new = true;
        self.agenda.queue.push_front(Planned {
            action: begun.action,
            ground: Ground::List,
            plan: begun.plan,
        });
    }

    /// A creation was answered. Where it was refused, a name may stand for another object by now.
    pub(in crate::scaler) fn created(
        &mut self,
        begun: Begun,
        of: Arc<Catalogue>,
        made: Result<Accepted, CloudError>,
    ) {
        let may_be_outdated = |error: &CloudError| {
            matches!(
                error.kind,
                CloudErrorKind::Rejected | CloudErrorKind::NotFound
            )
        };
        match made {
            Err(error) if may_be_outdated(&error) => {
                self.network_names.ours.clear();
                self.network_names.others.clear();
                let is_quiet = self.parts.clock.now() < self.jobs.paused_until(Service::All);
                if self.agenda.names_are_new || is_quiet || self.is_stopping() {
                    return self.creation_ended(begun, Err(error));
                }
                let before = Some(Arc::clone(&of));
                let errand = Errand::NamesAnew(begun, of, error);
                let request = self.request_names(before);
                self.begin(errand, request);
            }
            made => {
                if let Ok(accepted) = &made {
                    self.orders_are_marked = accepted.marked;
                }
                self.creation_ended(begun, made);
            }
        }
    }

    fn creation_ended(&mut self, begun: Begun, made: Result<Accepted, CloudError>) {
        let outcome = match &made {
            Ok(accepted) => Ok(accepted.clone()),
            Err(error) => Err(error.as_create_failure()),
        };
        match &made {
            Err(error) if is_of_the_settings(error) => self.lacks(error),
            // The cloud was asked, and so the file was read.
            _ => self.lacks_no_more(CloudErrorKind::LocalFile),
        }
        let now = self.parts.clock.now();
        let is_refused = |failure: &CreateFailure| !failure.outcome_unknown;
        if !outcome.as_ref().is_err_and(is_refused) {
            self.lookout.asked(now);
        }
        self.memory.creation_answered(outcome, now);
        self.action_ended(begun, made.map(drop));
    }

    /// Nothing can be made until the settings and the cloud fit together again: that is shown for as long as it is so,
    /// whether anything is to be made or not.
    pub(in crate::scaler) fn lacks(&mut self, error: &CloudError) {
        if !is_of_the_settings(error) {
            return;
        }
        // Nothing is ordered by the id of a name that stands for nothing any more.
        if error.kind == CloudErrorKind::Lookup {
            self.catalogue = None;
            self.image = None;
        }
        let before = self.unprepared.as_ref().filter(|u| u.kind == error.kind);
        let now = self.parts.clock.now();
        self.unprepared = Some(Unprepared {
            since: before.map_or(now, |unprepared| unprepared.since),
            kind: error.kind,
            error: chain(error).into(),
        });
    }

    /// What was missing is there.
    pub(in crate::scaler) fn lacks_no_more(&mut self, kind: CloudErrorKind) {
        self.unprepared
            .take_if(|unprepared| unprepared.kind == kind);
    }
}

/// Whether nothing was asked for, since a name stands for nothing or a file cannot be used.
fn is_of_the_settings(error: &CloudError) -> bool {
    error.kind.backoff_cause() == BackoffCause::NotPrepared
}

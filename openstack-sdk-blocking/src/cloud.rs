//! A cloud as its users see it: the services' calls over one session.

use std::sync::Arc;
use std::time::Instant;

use crate::compute::Compute;
use crate::config::CloudConfig;
use crate::error::Error;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
use crate::error::ErrorKind;
use crate::image::Image;
use crate::network::Network;
use crate::session::{RequestRecord, Session, TokenInfo};
use crate::transport::Transport;

/// A cloud that one is logged in to, or will be with the first request.
///
/// It can be shared between threads. The token is renewed before its end, and once when a service answers 401.
#[derive(Debug)]
pub struct Cloud {
    session: Session,
}

impl Cloud {
    /// A cloud over the default transport. Reads the CA file, if one is set, and does nothing else yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the identity URL or the CA file cannot be used.
    #[cfg(any(feature = "ureq", feature = "reqwest"))]
    pub fn new(config: CloudConfig) -> Result<Self, Error> {
        let transport_config = crate::transport::TransportConfig {
            ca_file: config.ca_file.clone(),
            insecure: config.insecure,
            proxies: config.proxies.clone(),
        };
        #[cfg(feature = "ureq")]
        let made = crate::transport::UreqTransport::new(&transport_config);
        #[cfg(not(feature = "ureq"))]
        let made = crate::transport::ReqwestTransport::new(&transport_config);
        let transport = made.map_err(|error| {
            let file = config
                .ca_file
                .as_deref()
                .map_or_else(String::new, |path| format!(" (CA file {})", path.display()));
            Error::config(ErrorKind::Config, format!("HTTPS cannot be set up{file}"))
                .with_source(error)
        })?;
        Self::with_transport(config, Box::new(transport))
    }

    /// A cloud over a transport of one's own.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the identity URL cannot be used.
    pub fn with_transport(
        config: CloudConfig,
        transport: Box<dyn Transport>,
    ) -> Result<Self, Error> {
        let session = Session::new(config, transport)?;
        Ok(Self { session })
    }

    /// Sets who is told of every HTTP exchange, for counting.
    pub fn on_request(&mut self, observer: Box<dyn Fn(&RequestRecord) + Send + Sync>) {
        self.session.on_request(observer);
    }

    /// Sets what is called before each page of a list: `false` breaks the list off ([`ErrorKind::Stopped`]). A long
    /// list is no sign of a program that hangs, which this is the place to say, too.
    pub fn between_pages(&mut self, pacer: Box<dyn Fn() -> bool + Send + Sync>) {
        self.session.between_pages(pacer);
    }

    /// Sets another clock for the lives of tokens and for waits, which is for tests.
    pub fn set_clock(&mut self, now: Arc<dyn Fn() -> Instant + Send + Sync>) {
        self.session.set_clock(now);
    }

    /// Logs in unless a token is there that is good for a while, and says what it is for.
    ///
    /// A refused login is not tried again before a time that doubles with each refusal, up to 15 minutes; until then
    /// the error says so without asking ([`Error::retry_after`]).
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`] for wrong credentials, and whatever else can happen to a request.
    pub fn authenticate(&self) -> Result<TokenInfo, Error> {
        self.session.authenticate()
    }

    /// Finds out why a login was refused, if it was: at the price of another one. The error that it ends in says more.
    pub fn why_refused(&self) -> Option<Error> {
        self.session.why_refused()
    }

    /// The compute API.
    pub fn compute(&self) -> Compute<'_> {
        Compute::new(&self.session)
    }

    /// The network API.
    pub fn network(&self) -> Network<'_> {
        Network::new(&self.session)
    }

    /// The image API.
    pub fn image(&self) -> Image<'_> {
        Image::new(&self.session)
    }
}

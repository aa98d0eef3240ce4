//! Nova.

mod model;

use std::collections::HashMap;
use std::time::Instant;

use serde_json::{Value, json};

use crate::error::{Error, ErrorKind};
use crate::row::FromRow;
use crate::service::Service;
use crate::session::{Call, Microversion, Session, check_path};
use crate::transport::Method;
use crate::url::{encode, query};
use crate::wire::{self, ListCall};

use self::model::Zone;
pub use self::model::{
    Address, AddressKind, CreateServer, Created, Fault, Flavor, Keypair, Limits, Server,
    ServerList, ServerQuery,
};

/// The highest microversion whose answers this client was tried with. From 2.9 on servers tell whether they are
/// locked, from 2.69 on those of a cell that is down are listed (status `UNKNOWN`).
pub const MAX_MICROVERSION: Microversion = Microversion(2, 79);

/// The most that Nova takes as user data, in bytes after base64 (Compute API, "Create Server", `user_data`).
pub const MAX_USER_DATA_BYTES: usize = 65_535;

const NOVA: Service = Service::Compute;

/// The compute API.
#[derive(Debug, Clone, Copy)]
pub struct Compute<'a> {
    session: &'a Session,
    wanted: Microversion,
}

impl<'a> Compute<'a> {
    pub(crate) fn new(session: &'a Session) -> Self {
        Self {
            session,
            wanted: MAX_MICROVERSION,
        }
    }

    /// The same with another microversion as the highest; [`MAX_MICROVERSION`] unless set.
    #[must_use]
    pub fn with_microversion(self, highest: Microversion) -> Self {
        Self {
            wanted: highest,
            ..self
        }
    }

    /// The microversion that requests ask for: the highest that both sides know; none if the cloud tells none.
    pub fn negotiated(&self) -> Result<Option<Microversion>, Error> {
        let offered = self.session.endpoint(NOVA)?.microversions;
        Ok(offered.and_then(|(lowest, highest)| {
            let version = highest.min(self.wanted);
            (version >= lowest).then_some(version)
        }))
    }

    /// Whether servers tell if they are locked ([`Server::locked`]), for which Nova has to offer microversion 2.9.
    pub fn tells_locks(&self) -> Result<bool, Error> {
        Ok(self.session.endpoint(NOVA)?.tells_locks())
    }

    /// All servers, every page (Compute API, "List Servers Detailed", `GET /servers/detail`).
    ///
    /// While servers are being built, a page without a next link is not believed to be the last: Nova keeps such a
    /// server twice for a moment (the request and the server), takes one of them out of a full page, and gives the page
    /// that is short now no link. The list goes on after its last server until there is nothing more.
    ///
    /// A server that is listed twice in two states, neither of which is being built, stays in the list twice: which of them
    /// is true, the caller has to find out.
    pub fn list_servers(&self, filter: &ServerQuery) -> Result<ServerList, Error> {
        let until = self.session.list_deadline();
        let read = |marker: Option<String>| -> Result<wire::List<Server>, Error> {
            let pairs = [
                ("name", filter.name.clone()),
                ("status", filter.status.clone()),
                ("limit", filter.page_size.map(|size| size.to_string())),
                ("marker", marker),
            ];
            self.list_until("/servers/detail", query(pairs), "servers", until)
        };
        let mut list = read(None)?;
        let mut seen = Seen::default();
        list.items.retain(|server| seen.is_news(server));
        let mut may_be_short = list.items.iter().any(is_building);
        while let Some(last) = list.items.last().filter(|_| may_be_short) {
            let more = match read(Some(last.id.clone())) {
                Ok(more) => more,
                Err(error) if error.kind() == ErrorKind::Stopped => return Err(error),
                Err(error) if self.session.now() >= until => return Err(error),
                // It was asked for to be on the safe side: without it, the list is what the cloud said it was. Nova
                // refuses a marker that has just gone (400).
                Err(error) => {
                    log::debug!("nothing was read after what seemed to be the last page: {error}");
                    break;
                }
            };
            let before = list.items.len();
            list.pages += more.pages;
            let unread = more.items.into_iter();
            list.items.extend(unread.filter(|s| seen.is_news(s)));
            // Each round adds a server; one that never runs out of them is no cloud.
            may_be_short = list.items.len() > before;
            if list.pages > wire::MAX_PAGES {
                let problem = "the list of servers does not end: more than 1000 pages";
                return Err(Error::config(ErrorKind::BadAnswer, problem));
            }
        }
        Ok(ServerList {
            servers: list.items,
            date: list.date,
            pages: list.pages,
            unnamed: list.unreadable,
        })
    }

    /// One server (Compute API, "Show Server Details", `GET /servers/{server_id}`).
    pub fn server(&self, id: &str) -> Result<Server, Error> {
        let path = format!("/servers/{}", encode(id));
        wire::object(self.session, &self.call(Method::Get, &path)?, "server")
    }

    /// Creates one server or several alike (Compute API, "Create Server" and "Create Multiple Servers", `POST /servers`).
    ///
    /// # Errors
    /// [`Error::outcome_unknown`] tells whether servers may have been made nonetheless.
    pub fn create_servers(&self, order: &CreateServer) -> Result<Created, Error> {
        let body = order.body();
        let mut call = self.call(Method::Post, "/servers")?;
        call.body = Some(&body);
        wire::object(self.session, &call, "server")
    }

    /// Deletes a server (Compute API, "Delete Server", `DELETE /servers/{server_id}`); the cloud does it afterwards.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] if there is no such server.
    pub fn delete_server(&self, id: &str) -> Result<(), Error> {
        let path = format!("/servers/{}", encode(id));
        self.session
            .call(&self.call(Method::Delete, &path)?)
            .map(drop)
    }

    /// Sets items of a server's metadata and leaves the others (Compute API, "Create or Update Metadata Items",
    /// `POST /servers/{server_id}/metadata`).
    ///
    /// # Errors
    /// [`crate::ErrorKind::Conflict`] while the server's state or its lock does not allow it.
    pub fn set_server_metadata(&self, id: &str, items: &[(&str, &str)]) -> Result<(), Error> {
        let path = format!("/servers/{}/metadata", encode(id));
        let items: serde_json::Map<String, Value> = items
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let body = json!({ "metadata": items });
        let mut call = self.call(Method::Post, &path)?;
        call.body = Some(&body);
        self.session.call(&call).map(drop)
    }

    /// All flavors (Compute API, "List Flavors With Details", `GET /flavors/detail`).
    pub fn flavors(&self) -> Result<Vec<Flavor>, Error> {
        Ok(self
            .list("/flavors/detail", String::new(), "flavors")?
            .items)
    }

    /// The flavors with this id, or else those with this name.
    pub fn find_flavors(&self, name_or_id: &str) -> Result<Vec<Flavor>, Error> {
        let (of_id, mut others): (Vec<_>, Vec<_>) = self
            .flavors()?
            .into_iter()
            .partition(|flavor| flavor.id == name_or_id);
        if !of_id.is_empty() {
            return Ok(of_id);
        }
        others.retain(|flavor| flavor.name == name_or_id);
        Ok(others)
    }

    /// All keypairs of the user (Compute API, "List Keypairs", `GET /os-keypairs`).
    pub fn keypairs(&self) -> Result<Vec<Keypair>, Error> {
        Ok(self.list("/os-keypairs", String::new(), "keypairs")?.items)
    }

    /// One keypair of the user (Compute API, "Show Keypair Details", `GET /os-keypairs/{keypair_name}`).
    pub fn keypair(&self, name: &str) -> Result<Keypair, Error> {
        let path = format!("/os-keypairs/{}", encode(name));
        wire::object(self.session, &self.call(Method::Get, &path)?, "keypair")
    }

    /// The project's limits and what is used of them (Compute API, "Show Rate And Absolute Limits", `GET /limits`).
    pub fn limits(&self) -> Result<Limits, Error> {
        wire::object(self.session, &self.call(Method::Get, "/limits")?, "limits")
    }

    /// The names of the availability zones that are there (Compute API, "Get Availability Zone Information",
    /// `GET /os-availability-zone`).
    pub fn availability_zones(&self) -> Result<Vec<String>, Error> {
        let list = self.list::<Zone>(
            "/os-availability-zone",
            String::new(),
            "availabilityZoneInfo",
        )?;
        let there = list.items.into_iter().filter(|zone| zone.is_there);
        Ok(there.map(|zone| zone.name).collect())
    }

    fn list<T: FromRow>(
        &self,
        path: &str,
        query: String,
        key: &str,
    ) -> Result<wire::List<T>, Error> {
        self.list_until(path, query, key, self.session.list_deadline())
    }

    fn list_until<T: FromRow>(
        &self,
        path: &str,
        query: String,
        key: &str,
        until: Instant,
    ) -> Result<wire::List<T>, Error> {
        let list = ListCall {
            until,
            service: NOVA,
            path,
            query,
            key,
            headers: self.version_headers()?,
        };
        wire::list(self.session, &list)
    }

    fn call<'p>(&self, method: Method, path: &'p str) -> Result<Call<'p>, Error> {
        check_path(path)?;
        let mut call = Call::new(NOVA, method, path);
        call.headers = self.version_headers()?;
        Ok(call)
    }

    /// "Microversions" of the Compute API guide; the older header is for clouds before 2.27.
    fn version_headers(&self) -> Result<Vec<(&'static str, String)>, Error> {
        Ok(self.negotiated()?.map_or_else(Vec::new, |version| {
            vec![
                ("openstack-api-version", format!("compute {version}")),
                ("x-openstack-nova-api-version", version.to_string()),
            ]
        }))
    }
}

const BUILDING: Option<&str> = Some("building");

fn is_building(server: &Server) -> bool {
    server.vm_state.as_deref() == BUILDING
}

/// The states in which a list has shown each server.
#[derive(Default)]
struct Seen(HashMap<String, Vec<(String, Option<String>)>>);

impl Seen {
    /// Whether it was not listed before, or in another state. One that left its request behind between two pages is
    /// read twice, of which one is being built; that is no contradiction.
    fn is_news(&mut self, server: &Server) -> bool {
        let state = (server.status.clone(), server.vm_state.clone());
        let Some(states) = self.0.get_mut(&server.id) else {
            self.0.insert(server.id.clone(), vec![state]);
            return true;
        };
        let was_building = |(_, vm_state): &(_, Option<String>)| vm_state.as_deref() == BUILDING;
        let is_told = states.contains(&state) || states.iter().any(was_building);
        let is_news = !is_told && !is_building(server);
        if is_news {
            states.push(state);
        }
        is_news
    }
}

impl CreateServer {
    fn body(&self) -> Value {
        let networks: Vec<_> = self.networks.iter().map(|id| json!({"uuid": id})).collect();
        let groups: Vec<_> = self
            .security_groups
            .iter()
            .map(|name| json!({"name": name}))
            .collect();
        let mut server = json!({
            "name": self.name,
            "imageRef": self.image,
            "flavorRef": self.flavor,
            "networks": if networks.is_empty() { json!("auto") } else { json!(networks) },
            "key_name": self.key_name,
            "user_data": self.user_data,
            "availability_zone": self.availability_zone,
            "min_count": self.min_count,
            "max_count": self.max_count,
            "metadata": (!self.metadata.is_empty()).then_some(&self.metadata),
            "security_groups": (!groups.is_empty()).then_some(groups),
        });
        if let Value::Object(fields) = &mut server {
            fields.retain(|_, value| !value.is_null());
        }
        json!({ "server": server })
    }
}

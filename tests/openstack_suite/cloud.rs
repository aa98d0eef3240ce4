//! The tester's own way to the cloud: a small JSON client which shares no code with the project's.

use super::rig::Rig;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use ureq::http::Request;

/// Status and body.
pub(crate) type Answer = Result<(u16, Value), String>;

/// One user of the cloud.
pub(crate) struct Session {
    agent: ureq::Agent,
    user: String,
    password: String,
    project: String,
    login: Mutex<Option<Login>>,
}

#[derive(Clone)]
struct Login {
    token: String,
    endpoints: BTreeMap<String, String>,
    project_id: String,
    user_id: String,
}

impl Session {
    pub(crate) fn new(user: &str, password: &str, project: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(100)))
            .max_idle_connections(0)
            .user_agent("tester")
            .build();
        Self {
            agent: agent.into(),
            user: user.to_owned(),
            password: password.to_owned(),
            project: project.to_owned(),
            login: Mutex::new(None),
        }
    }

    pub(crate) fn scaler() -> Self {
        Self::new("scaler", "p@ss \"w$rd#1", "scaler")
    }

    /// What the daemon needs to be this user.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("OS_AUTH_URL", Rig::auth_url()),
            ("OS_IDENTITY_API_VERSION", "3".to_owned()),
            ("OS_USERNAME", self.user.clone()),
            ("OS_PASSWORD", self.password.clone()),
            ("OS_USER_DOMAIN_NAME", "Default".to_owned()),
            ("OS_PROJECT_NAME", self.project.clone()),
            ("OS_PROJECT_DOMAIN_NAME", "Default".to_owned()),
            ("OS_REGION_NAME", "RegionOne".to_owned()),
        ]
    }

    pub(crate) fn project_id(&self) -> String {
        self.login().expect("the tester can log in").project_id
    }

    pub(crate) fn user_id(&self) -> String {
        self.login().expect("the tester can log in").user_id
    }

    /// Sends a request as it is; logs in anew once on a 401.
    pub(crate) fn call(&self, method: &str, service: &str, path: &str, body: &Value) -> Answer {
        let mut answer = self.call_once(method, service, path, body)?;
        if answer.0 == 401 {
            *self.login.lock().unwrap_or_else(PoisonError::into_inner) = None;
            answer = self.call_once(method, service, path, body)?;
        }
        Ok(answer)
    }

    /// Sends a request that must succeed.
    pub(crate) fn must(&self, method: &str, service: &str, path: &str, body: &Value) -> Value {
        match self.call(method, service, path, body) {
            Ok((status, answer)) if status < 300 => answer,
            other => panic!("tester: {method} {service} {path}: {other:?}"),
        }
    }

    pub(crate) fn get(&self, service: &str, path: &str) -> Value {
        self.must("GET", service, path, &Value::Null)
    }

    /// Reads all pages of a list of servers.
    pub(crate) fn list_servers(&self, query: &str) -> Result<Vec<Value>, String> {
        let mut path = format!("/servers/detail?{query}");
        let mut all = Vec::new();
        loop {
            let (status, mut page) = self.call("GET", "compute", &path, &Value::Null)?;
            if status != 200 {
                return Err(format!("GET {path}: {status}"));
            }
            if let Value::Array(servers) = page["servers"].take() {
                all.extend(servers);
            }
            let links = page["servers_links"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let next = links.iter().find(|link| link["rel"] == "next");
            let Some((_, rest)) = next
                .and_then(|link| link["href"].as_str())
                .and_then(|href| href.split_once("/servers/detail?"))
            else {
                return Ok(all);
            };
            path = format!("/servers/detail?{rest}");
        }
    }

    /// Sends a change that is meant for one revision of a thing of Neutron.
    pub(crate) fn put_if_revision(&self, path: &str, revision: u64, body: &Value) -> Answer {
        let condition = format!("revision_number={revision}");
        self.send("PUT", "network", path, body, Some(&condition))
    }

    fn call_once(&self, method: &str, service: &str, path: &str, body: &Value) -> Answer {
        self.send(method, service, path, body, None)
    }

    fn send(
        &self,
        method: &str,
        service: &str,
        path: &str,
        body: &Value,
        condition: Option<&str>,
    ) -> Answer {
        let login = self.login()?;
        let base = match service {
            "identity" => Rig::auth_url(),
            other => login.endpoints[other].clone(),
        };
        let version = match service {
            "network" => "/v2.0",
            "image" => "/v2",
            _ => "",
        };
        let is_change = service == "image" && method == "PATCH";
        let kind = match body {
            Value::String(_) => "application/octet-stream",
            _ if is_change => "application/openstack-images-v2.1-json-patch",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{base}{version}{path}"))
            .header("X-Auth-Token", login.token)
            .header("OpenStack-API-Version", "compute 2.79")
            .header("Content-Type", kind);
        let request = match condition {
            Some(condition) => request.header("If-Match", condition),
            None => request,
        };
        let answer = match body {
            Value::Null => self.agent.run(request.body(()).map_err(|e| e.to_string())?),
            Value::String(raw) => self
                .agent
                .run(request.body(raw.clone()).map_err(|e| e.to_string())?),
            json => self
                .agent
                .run(request.body(json.to_string()).map_err(|e| e.to_string())?),
        };
        let mut answer = answer.map_err(|error| format!("{method} {path}: {error}"))?;
        let status = answer.status().as_u16();
        let text = answer
            .body_mut()
            .with_config()
            .limit(1 << 26)
            .read_to_string();
        let text = text.map_err(|error| format!("{method} {path}: {error}"))?;
        Ok((
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        ))
    }

    fn login(&self) -> Result<Login, String> {
        let mut kept = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(login) = &*kept {
            return Ok(login.clone());
        }
        let domain = json!({"name": "Default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": self.user, "password": self.password, "domain": domain}}},
            "scope": {"project": {"name": self.project, "domain": domain}},
        }});
        let mut answer = self
            .agent
            .post(format!("{}/auth/tokens", Rig::auth_url()))
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .map_err(|error| format!("login: {error}"))?;
        let text = answer
            .body_mut()
            .read_to_string()
            .map_err(|error| error.to_string())?;
        if answer.status() != 201 {
            return Err(format!("login: {} {text}", answer.status()));
        }
        let token = &serde_json::from_str::<Value>(&text).map_err(|e| e.to_string())?["token"];
        let mut endpoints = BTreeMap::new();
        for service in token["catalog"].as_array().into_iter().flatten() {
            let public = service["endpoints"].as_array().into_iter().flatten();
            // One scenario gives the cloud a second region for a while.
            let public = public.filter(|endpoint| endpoint["region"] == "RegionOne");
            for endpoint in public.filter(|endpoint| endpoint["interface"] == "public") {
                endpoints.insert(word(&service["type"]), word(&endpoint["url"]));
            }
        }
        let header = answer.headers().get("X-Subject-Token");
        let login = Login {
            token: header
                .and_then(|t| t.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            endpoints,
            project_id: word(&token["project"]["id"]),
            user_id: word(&token["user"]["id"]),
        };
        *kept = Some(login.clone());
        Ok(login)
    }
}

/// A string of an answer.
pub(crate) fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The password of every user made by [`Cloud::tenant`].
pub(crate) const TENANT_PASSWORD: &str = "Zw\"eit$es #Wort";

/// An administrator, and what it can arrange.
pub(crate) struct Cloud {
    pub(crate) admin: Session,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        Self {
            admin: Session::new("admin", "admin", "admin"),
        }
    }

    /// A project and a user of their own, so that quotas and tokens are nobody else's.
    pub(crate) fn tenant(&self, name: &str) -> Session {
        let project = json!({"project": {"name": name, "domain_id": "default"}});
        let project = self.admin.must("POST", "identity", "/projects", &project);

        let user =
            json!({"user": {"name": name, "password": TENANT_PASSWORD, "domain_id": "default"}});
        let user = self.admin.must("POST", "identity", "/users", &user);
        let role = self.admin.get("identity", "/roles?name=member");
        let path = format!(
            "/projects/{}/users/{}/roles/{}",
            word(&project["project"]["id"]),
            word(&user["user"]["id"]),
            word(&role["roles"][0]["id"])
        );
        self.admin.must("PUT", "identity", &path, &Value::Null);
        Session::new(name, TENANT_PASSWORD, name)
    }

    /// Removes what [`Cloud::tenant`] made, if it made anything of that name.
    pub(crate) fn forget_tenant(&self, name: &str) {
        for kind in ["users", "projects"] {
            let list = self.admin.get("identity", &format!("/{kind}?name={name}"));
            for thing in list[kind].as_array().into_iter().flatten() {
                let path = format!("/{kind}/{}", word(&thing["id"]));
                self.admin.must("DELETE", "identity", &path, &Value::Null);
            }
        }
    }

    /// Everything that ever had a name with that beginning, deleted or not.
    pub(crate) fn ever_made(&self, prefix: &str) -> Vec<Value> {
        let query = format!("all_tenants=1&name=%5E{prefix}&limit=1000");
        let mut all = self
            .admin
            .list_servers(&query)
            .expect("servers can be listed");
        let deleted = self.admin.list_servers(&format!("{query}&deleted=true"));
        all.extend(deleted.expect("deleted servers can be listed"));
        all.retain(|server| word(&server["name"]).starts_with(prefix));
        all.sort_by_key(|server| word(&server["id"]));
        all.dedup_by_key(|server| word(&server["id"]));
        all
    }

    /// What the administrator does to one server.
    pub(crate) fn act(&self, server: &str, action: &Value) {
        let path = format!("/servers/{server}/action");
        self.admin.must("POST", "compute", &path, action);
    }

    /// The id of the only thing of that name.
    pub(crate) fn id_of(&self, service: &str, kind: &str, name: &str) -> String {
        let name = name.replace(' ', "%20");
        let list = self.admin.get(service, &format!("/{kind}?name={name}"));
        let named = list[kind].as_array().into_iter().flatten();
        let wanted = name.replace("%20", " ");
        let ids: Vec<String> = named
            .filter(|thing| thing["name"] == wanted.as_str())
            .map(|thing| word(&thing["id"]))
            .collect();
        assert_eq!(ids.len(), 1, "{kind} named {name}: {ids:?}");
        ids[0].clone()
    }
}

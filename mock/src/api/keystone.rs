//! Keystone, as far as a client needs it to log in.

use serde_json::{Value, json};

use super::Call;
use crate::http::Answer;
use crate::state::Token;
use crate::util::iso_micros;

pub(super) fn serve(call: &mut Call<'_>) -> Answer {
    match (call.method, call.parts.as_slice()) {
        (_, []) => {
            let href = format!("{}/v3/", call.base);
            Answer::json(300, &json!({ "versions": { "values": [version(call)] } }))
                .with("Location", href)
        }
        (_, ["v3"]) => Answer::json(200, &json!({ "version": version(call) })),
        ("POST", ["v3", "auth", "tokens"]) => log_in(call),
        (_, ["v3", ..]) if caller(call).is_none() => unauthorized(call),
        ("GET" | "HEAD", ["v3", "auth", "tokens"]) => match subject(call) {
            Some((id, token)) => {
                Answer::json(200, &json!({ "token": token.body })).with("X-Subject-Token", id)
            }
            None => no_token(),
        },
        ("DELETE", ["v3", "auth", "tokens"]) => match subject(call) {
            Some((id, _)) => {
                call.state.tokens.remove(&id);
                Answer::empty(204)
            }
            None => no_token(),
        },
        ("GET", ["v3", "auth", "catalog"]) => {
            Answer::json(200, &json!({ "catalog": catalog(call), "links": {} }))
        }
        (
            "GET",
            ["v3", "auth", "projects"] | ["v3", "projects"] | ["v3", "users", _, "projects"],
        ) => Answer::json(
            200,
            &json!({ "projects": [project(call)], "links": { "next": null, "self": null, "previous": null } }),
        ),
        ("GET", ["v3", "projects", id]) if *id == call.state.ids.project => {
            Answer::json(200, &json!({ "project": project(call) }))
        }
        ("GET", ["v3", "users", id]) if *id == call.state.ids.user => {
            let config = &call.state.config;
            Answer::json(
                200,
                &json!({ "user": { "id": id, "name": config.username, "domain_id": "default", "enabled": true } }),
            )
        }
        (
            "GET",
            [
                "v3",
                "users" | "projects" | "domains" | "regions" | "services" | "endpoints",
                ..,
            ],
        ) => {
            let what = format!("identity:get_{}", call.parts[1].trim_end_matches('s'));
            error(
                403,
                "Forbidden",
                &format!("You are not authorized to perform the requested action: {what}."),
            )
        }
        // Not Keystone's own error body: the web framework answers before Keystone sees it.
        _ => Answer::html(404, "The requested URL was not found on the server."),
    }
}

fn version(call: &Call<'_>) -> Value {
    json!({
        "id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
        "links": [{ "rel": "self", "href": format!("{}/v3/", call.base) }],
        "media-types": [{ "base": "application/json", "type": "application/vnd.openstack.identity-v3+json" }],
    })
}

fn error(code: u16, title: &str, message: &str) -> Answer {
    Answer::json(
        code,
        &json!({ "error": { "code": code, "message": message, "title": title } }),
    )
}

fn unauthorized(call: &Call<'_>) -> Answer {
    error(
        401,
        "Unauthorized",
        "The request you have made requires authentication.",
    )
    .with(
        "WWW-Authenticate",
        format!("Keystone uri=\"{}/v3\"", call.base),
    )
}

fn no_token() -> Answer {
    error(404, "Not Found", "Could not recognize Fernet token")
}

fn bad(message: &str) -> Answer {
    let tail = "The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.";
    error(400, "Bad Request", &format!("{message} {tail}"))
}

fn live<'a>(call: &'a Call<'_>, id: &str) -> Option<&'a Token> {
    call.state
        .tokens
        .get(id)
        .filter(|token| token.expires_ms > call.state.now_ms)
}

fn caller<'a>(call: &'a Call<'_>) -> Option<&'a Token> {
    live(call, call.request.header("x-auth-token")?)
}

fn subject(call: &Call<'_>) -> Option<(String, Token)> {
    let id = call.request.header("x-subject-token")?;
    live(call, id).map(|token| (id.to_owned(), token.clone()))
}

fn project(call: &Call<'_>) -> Value {
    json!({
        "id": call.state.ids.project, "name": call.state.config.project, "domain_id": "default", "description": "",
        "enabled": true, "parent_id": "default", "is_domain": false, "tags": [], "options": {},
        "links": { "self": format!("{}/v3/projects/{}", call.base, call.state.ids.project) },
    })
}

fn log_in(call: &mut Call<'_>) -> Answer {
    let body = call.request.json().unwrap_or_default();
    let Some(auth) = body.get("auth").filter(|auth| auth.is_object()) else {
        return bad("Expecting to find auth in request body.");
    };
    let Some(method) = auth.pointer("/identity/methods/0").and_then(Value::as_str) else {
        return bad("Invalid input for field 'identity': 'methods' is a required property.");
    };
    let known = match method {
        "password" => password_is_right(call, &auth["identity"]["password"]["user"]),
        "token" => auth
            .pointer("/identity/token/id")
            .and_then(Value::as_str)
            .is_some_and(|id| live(call, id).is_some()),
        "application_credential" => {
            if auth.get("scope").is_some() {
                return bad("Application credentials cannot request a scope.");
            }
            credential_is_right(call, &auth["identity"]["application_credential"])
        }
        _ => false,
    };
    if !known {
        return unauthorized(call);
    }
    let Some(scope) = scope(call, auth.get("scope"), method) else {
        return unauthorized(call);
    };
    let bare = call.param("nocatalog").is_some();
    let is_default = auth.get("scope").is_none() && method != "application_credential";
    issue(call, method, scope, (bare, is_default))
}

fn is_domain(domain: &Value) -> bool {
    domain["id"] == "default" || domain["name"] == "Default"
}

fn password_is_right(call: &Call<'_>, user: &Value) -> bool {
    let config = &call.state.config;
    let known = user["id"] == call.state.ids.user.as_str()
        || (user["name"] == config.username.as_str() && is_domain(&user["domain"]));
    known && user["password"] == config.password.as_str()
}

fn credential_is_right(call: &Call<'_>, credential: &Value) -> bool {
    let ids = &call.state.ids;
    let user = &credential["user"];
    let owner = user["id"] == ids.user.as_str()
        || (user["name"] == call.state.config.username.as_str() && is_domain(&user["domain"]));
    let known = credential["id"] == ids.application_credential.as_str()
        || (credential["name"] == "ops" && owner);
    known && credential["secret"] == ids.application_secret.as_str()
}

#[derive(Clone, Copy)]
enum Scope {
    Project,
    Domain,
    None,
}

fn scope(call: &Call<'_>, wanted: Option<&Value>, method: &str) -> Option<Scope> {
    let is_unscoped = wanted.is_some_and(|scope| scope == "unscoped");
    let Some(wanted) = wanted.filter(|scope| scope.is_object()) else {
        let default = !is_unscoped && !call.state.config.default_project.is_empty();
        return Some(if method == "application_credential" || default {
            Scope::Project
        } else {
            Scope::None
        });
    };
    if let Some(project) = wanted.get("project") {
        let config = &call.state.config;
        let named = project["name"] == config.project.as_str() && is_domain(&project["domain"]);
        return (project["id"] == call.state.ids.project.as_str() || named)
            .then_some(Scope::Project);
    }
    wanted
        .get("domain")
        .is_some_and(is_domain)
        .then_some(Scope::Domain)
}

fn issue(
    call: &mut Call<'_>,
    method: &str,
    scope: Scope,
    (bare, is_default): (bool, bool),
) -> Answer {
    let state = &mut *call.state;
    let id = format!(
        "gAAAAA{}{}{}",
        state.rng.hex_id(),
        state.rng.hex_id(),
        state.rng.hex_id()
    );
    let now = state.now_ms;
    let expires =
        now + u64::try_from(state.config.token_lifetime.as_millis()).unwrap_or(u64::MAX >> 1);
    let audit = state.rng.hex_id()[..22].to_owned();
    let domain = json!({ "id": "default", "name": "Default" });
    let mut token = json!({
        "methods": [method],
        "user": { "domain": domain, "id": state.ids.user, "name": state.config.username, "password_expires_at": null },
        "audit_ids": [audit],
        "expires_at": iso_micros(state.unix_ms(expires) / 1000 * 1000) + "Z",
        "issued_at": iso_micros(state.unix_ms(now) / 1000 * 1000) + "Z",
    });
    let roles: Vec<Value> = state
        .config
        .roles
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| json!({ "id": role_id(name), "name": name }))
        .collect();
    let roles = json!(roles);
    let has_project = matches!(scope, Scope::Project);
    match scope {
        Scope::Project => {
            token["project"] =
                json!({ "domain": domain, "id": state.ids.project, "name": state.config.project });
            // Another project is named in the token; what it holds is the same here.
            let other = &state.config.default_project;
            if is_default && !other.is_empty() && *other != state.ids.project {
                token["project"] = json!({ "domain": domain, "id": other, "name": "elsewhere" });
            }
            token["is_domain"] = json!(false);
            token["roles"] = roles;
        }
        Scope::Domain => {
            token["domain"] = domain;
            token["roles"] = roles;
        }
        Scope::None => {}
    }
    if method == "application_credential" {
        token["application_credential"] =
            json!({ "id": state.ids.application_credential, "name": "ops", "restricted": true });
    }
    if !bare && !matches!(scope, Scope::None) {
        token["catalog"] = catalog(call);
    }
    call.state.tokens.retain(|_, token| token.expires_ms > now);
    let kept = Token {
        expires_ms: expires,
        body: token.clone(),
        has_project,
    };
    call.state.tokens.insert(id.clone(), kept);
    Answer::json(201, &json!({ "token": token }))
        .with("X-Subject-Token", id)
        .with("Vary", "X-Auth-Token")
}

fn catalog(call: &Call<'_>) -> Value {
    let services = [
        ("compute", "nova", "/compute/v2.1"),
        ("identity", "keystone", "/identity/v3"),
        ("network", "neutron", "/network"),
        ("image", "glance", "/image"),
    ];
    let ids = &call.state.ids.endpoints;
    let service = |(at, (kind, name, path)): (usize, (&str, &str, &str))| {
        let endpoint = |(index, interface): (usize, &str)| {
            let of = |region: &str| {
                json!({
                    "id": ids[4 * at + index], "interface": interface, "region_id": region, "region": region,
                    "url": format!("{}{path}", call.root),
                })
            };
            call.state
                .config
                .regions
                .split(',')
                .map(of)
                .collect::<Vec<_>>()
        };
        let endpoints: Vec<Value> = ["public", "internal", "admin"]
            .into_iter()
            .enumerate()
            .flat_map(endpoint)
            .collect();
        json!({ "endpoints": endpoints, "id": ids[4 * at + 3], "type": kind, "name": name })
    };
    Value::Array(services.into_iter().enumerate().map(service).collect())
}

/// An id that is the same in every token.
fn role_id(name: &str) -> String {
    let number = name
        .bytes()
        .fold(0_u128, |number, byte| number << 8 | u128::from(byte));
    format!("{number:032x}")
}

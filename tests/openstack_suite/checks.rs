//! Settings with which no server could be made or no address given: `check` says so beforehand.

use super::cloud::{Session, word};
use super::pool::{Context, Pool};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A scenario's name, what is wrong, and the settings that make it so.
type Wrong<'a> = (&'a str, &'a str, Vec<(&'a str, String)>);

/// What the tester made in the tenant's project and takes away again.
struct Made<'a> {
    pool: &'a Pool<'a>,
    admin: &'a Session,
    left: Vec<(bool, &'static str, String)>,
}

impl Made<'_> {
    /// Makes one thing, as the administrator or as the tenant, and returns its id.
    fn make(&mut self, as_admin: bool, service: &'static str, kind: &str, order: &Value) -> String {
        let user = if as_admin {
            self.admin
        } else {
            &self.pool.user
        };
        let path = match kind {
            "rbac_policy" => "/rbac-policies".to_owned(),
            "security_group" => "/security-groups".to_owned(),
            kind => format!("/{kind}s"),
        };
        let made = user.must("POST", service, &path, &json!({kind: order}));
        let id = word(&made[kind]["id"]);
        self.left.push((as_admin, service, format!("{path}/{id}")));
        id
    }

    fn network(&mut self, name: &str, cidr: Option<&str>, port_security: bool) -> String {
        let order = json!({"name": name, "port_security_enabled": port_security});
        let network = self.make(false, "network", "network", &order);
        if let Some(cidr) = cidr {
            let order =
                json!({"network_id": network, "ip_version": 4, "cidr": cidr, "enable_dhcp": false});
            self.make(false, "network", "subnet", &order);
        }
        network
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        for (as_admin, service, path) in self.left.iter().rev() {
            let user = if *as_admin {
                self.admin
            } else {
                &self.pool.user
            };
            let _ = user.call("DELETE", service, path, &Value::Null);
        }
    }
}

/// One wrong setting at a time. Each is said to be wrong, in a line that names the setting.
pub(crate) fn cannot_work(context: &Context) {
    let user = context.cloud.tenant(&context.name);
    let scene = Pool::of(context, user, 1);
    let name = |what: &str| format!("{}-{what}", scene.name);
    let mut made = Made {
        pool: &scene,
        admin: &context.cloud.admin,
        left: Vec::new(),
    };
    let flavor = json!({"name": name("diskless"), "vcpus": 1, "ram": 256, "disk": 0});
    made.make(true, "compute", "flavor", &flavor);
    made.network(&name("bare"), None, true);
    made.network(&name("own"), Some("127.67.0.0/24"), true);
    made.network(&name("open"), Some("127.67.1.0/24"), false);
    let public = context.cloud.id_of("network", "networks", "public");
    let order = json!({"floating_network_id": public, "description": scene.name});
    made.make(false, "network", "floatingip", &order);
    let own = name("own");
    let wrong: [Wrong<'_>; 6] = [
        (
            "flavor without a disk",
            "flavor",
            vec![("OPENSTACK_FLAVOR", name("diskless"))],
        ),
        (
            "network without a subnet",
            "network",
            vec![("OPENSTACK_NETWORK", name("bare"))],
        ),
        (
            "network without a subnet of the version",
            "network",
            vec![
                ("OPENSTACK_NETWORK", own.clone()),
                ("OPENSTACK_IP_VERSION", "6".to_owned()),
            ],
        ),
        (
            "external network that is not shared",
            "network",
            vec![("OPENSTACK_NETWORK", "public".to_owned())],
        ),
        (
            "port security off and a group named",
            "port security",
            vec![
                ("OPENSTACK_NETWORK", name("open")),
                ("OPENSTACK_SECURITY_GROUPS", "default".to_owned()),
            ],
        ),
        (
            "floating IPs that no router leads to",
            "floating IP",
            vec![
                ("OPENSTACK_NETWORK", own),
                ("EXTERNAL_ADDRESS_MANAGEMENT", "true".to_owned()),
            ],
        ),
    ];
    let (mut missed, mut all) = (Vec::new(), String::new());
    for (what, subject, settings) in &wrong {
        let mut pool = Pool::named(
            context,
            name("look"),
            Session::new(&scene.name, super::cloud::TENANT_PASSWORD, &scene.name),
            1,
        );
        pool.set("OPENSTACK_FLOATING_IP_DESCRIPTION", &scene.name);
        for (variable, value) in settings {
            pool.set(variable, value);
        }
        let output = pool.run(&["check"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (mut told, mut is_wrong) = (false, false);
        let _ = writeln!(all, "--- {what}");
        for line in said.split_inclusive('\n') {
            if !line.starts_with(' ') {
                is_wrong = line.starts_with("ERROR");
                told |= is_wrong && line.contains(subject);
            }
            if is_wrong {
                all.push_str(line);
            }
        }
        if !told || output.status.code() != Some(1) {
            missed.push(format!("{what} (exit {:?}):\n{said}", output.status.code()));
        }
    }
    assert!(
        missed.is_empty(),
        "check does not find:\n{}",
        missed.join("\n")
    );
    super::commands::compare(
        "check-cannot.txt",
        &super::commands::masked(&all, &scene.name),
    );
}

/// The group is another project's, shared with this one: Nova knows it only by its id.
pub(crate) fn shared_group(context: &Context) {
    let user = context.cloud.tenant(&context.name);
    let project = user.project_id();
    let mut pool = Pool::of(context, user, 1);
    let name = pool.name.clone();
    let admin = &context.cloud.admin;
    let order = json!({"security_group": {"name": name, "description": "of a test"}});
    let group = admin.must("POST", "network", "/security-groups", &order);
    let group = word(&group["security_group"]["id"]);
    let order = json!({"rbac_policy": {"object_type": "security_group", "object_id": group,
                       "action": "access_as_shared", "target_tenant": project}});
    let policy = admin.must("POST", "network", "/rbac-policies", &order);
    pool.set("OPENSTACK_SECURITY_GROUPS", &name);
    let output = pool.run(&["check"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    pool.bring_up(1);
    let id = pool.ids().remove(0);
    assert_eq!(pool.port_of(&id)["security_groups"], json!([group]));
    pool.assert_settled(1, 3);
    pool.kill();
    pool.clean_up();
    let policy = word(&policy["rbac_policy"]["id"]);
    for path in [
        format!("/rbac-policies/{policy}"),
        format!("/security-groups/{group}"),
    ] {
        admin.must("DELETE", "network", &path, &Value::Null);
    }
}

/// `OS_CLOUD=envvars` means the environment, as with openstacksdk; so it is with no `clouds.yaml` at all.
pub(crate) fn cloud_of_the_environment(context: &Context) {
    let mut pool = Pool::new(context, 1);
    pool.set("OS_CLOUD", "envvars");
    let output = pool.run(&["check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("OK      login"), "{said}");
}

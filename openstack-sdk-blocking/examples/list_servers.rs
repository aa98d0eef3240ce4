//! Lists the servers of the cloud that the `OS_*` variables name.

use std::error::Error;
use std::path::Path;

use openstack_sdk_blocking::{Cloud, CloudConfig, ServerQuery};

#[expect(
    clippy::disallowed_methods,
    reason = "an example is a program, and programs read their environment"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let variable = |name: &str| std::env::var(name).ok();
    let file = |path: &Path| std::fs::read_to_string(path);
    let config = CloudConfig::from_vars(&variable, &file).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    let cloud = Cloud::new(config)?;
    let token = cloud.authenticate()?;
    println!("project {}", token.project_name.unwrap_or_default());
    let list = cloud.compute().list_servers(&ServerQuery::default())?;
    for server in &list.servers {
        println!("{} {:<10} {}", server.id, server.status, server.name);
    }
    println!("{} servers, {} pages", list.servers.len(), list.pages);
    Ok(())
}

//! A mock replica and a mock `OpenStack` cloud for trying and testing `SimpleScaleVM`.
//!
//! ```no_run
//! use serde_json::json;
//! use simplescalevm_mock::{MockCloud, MockCloudConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cloud = MockCloud::start(MockCloudConfig::default())?;
//! println!("OS_AUTH_URL={}", cloud.auth_url());
//! let ids = cloud.add_servers(&json!({ "count": 3, "metadata": { "group": "scaled" }, "booted": true }))?;
//! cloud.set_capacity(&ids[0], 0)?;
//! cloud.add_fault(&json!({ "service": "nova", "method": "POST", "path": "/servers$", "drop": "after", "times": 1 }))?;
//! # Ok(())
//! # }
//! ```

mod api;
mod behaviour;
mod cloud;
mod config;
mod faults;
mod http;
mod mock_replica;
mod replica;
mod state;
mod util;

pub use behaviour::{Behaviour, Mode};
pub use cloud::MockCloud;
pub use config::{MockCloudConfig, SETTINGS};
pub use http::LoopbackListener;
pub use mock_replica::{MockReplica, MockReplicaConfig};

//! Every row and bullet of sections 2.1 to 2.6 of the specification that concerns the pure core
//! has a test named after it, in the module named after its section.

#[path = "pool_tables/restart.rs"]
mod after_a_restart;
#[path = "pool_tables/asking.rs"]
mod asking;
#[path = "pool_tables/contradictions.rs"]
mod contradictions;
#[path = "pool_tables/many.rs"]
mod many;
#[path = "pool_tables/marks.rs"]
mod marks;
#[path = "pool_tables/one_address.rs"]
mod one_address;
#[path = "pool_tables/listing.rs"]
mod section_2_1_listing;
#[path = "pool_tables/probing.rs"]
mod section_2_2_probing;
#[path = "pool_tables/counting.rs"]
mod section_2_3_counting;
#[path = "pool_tables/deleting.rs"]
mod section_2_4_deleting;
#[path = "pool_tables/addresses.rs"]
mod section_2_5_external_addresses;
#[path = "pool_tables/backoff.rs"]
mod section_2_6_backoff;
#[path = "pool_tables/creating.rs"]
mod section_2_6_creating;
#[path = "pool_tables/sessions.rs"]
mod sessions;
#[path = "pool_tables/severity.rs"]
mod severity;
#[path = "pool_tables/trial.rs"]
mod trial;
#[path = "pool_tables/world.rs"]
mod world;

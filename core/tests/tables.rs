//! Every row and bullet of sections 2.1 to 2.6 of the specification that concerns the pure core
//! has a test named after it, in the module named after its section.

#[path = "tables/restart.rs"]
mod after_a_restart;
#[path = "tables/asking.rs"]
mod asking;
#[path = "tables/contradictions.rs"]
mod contradictions;
#[path = "tables/many.rs"]
mod many;
#[path = "tables/marks.rs"]
mod marks;
#[path = "tables/merge.rs"]
mod merge;
#[path = "tables/one_address.rs"]
mod one_address;
#[path = "tables/listing.rs"]
mod section_2_1_listing;
#[path = "tables/probing.rs"]
mod section_2_2_probing;
#[path = "tables/counting.rs"]
mod section_2_3_counting;
#[path = "tables/deleting.rs"]
mod section_2_4_deleting;
#[path = "tables/addresses.rs"]
mod section_2_5_external_addresses;
#[path = "tables/backoff.rs"]
mod section_2_6_backoff;
#[path = "tables/creating.rs"]
mod section_2_6_creating;
#[path = "tables/sessions.rs"]
mod sessions;
#[path = "tables/severity.rs"]
mod severity;
#[path = "tables/trial.rs"]
mod trial;
#[path = "tables/under_way.rs"]
mod under_way;
#[path = "tables/world.rs"]
mod world;

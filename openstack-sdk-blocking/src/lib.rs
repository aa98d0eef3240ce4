//! A small blocking OpenStack client.

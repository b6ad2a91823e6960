//! The PocketIC protocol over HTTP.

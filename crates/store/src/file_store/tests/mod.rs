//! Tests of the file formats, byte by byte.

mod borders;
mod bounds;
mod consumer_file;
mod glance;
mod index_db;
mod origins;
mod packed;
mod record;
mod resume;
mod schedules;
mod seq_set;
mod subjects;
mod tracked;

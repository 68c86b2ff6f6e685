//! Tests of the file formats, byte by byte.

mod consumer_file;
mod index_db;
mod packed;
mod record;
mod seq_set;
